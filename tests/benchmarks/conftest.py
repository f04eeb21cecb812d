"""The benchmarks are no part of the distribution: they are imported from the checkout."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout() -> Path:
    """The folder that holds `benchmarks`."""
    return ROOT


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`benchmarks.rounds`."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.rounds")
