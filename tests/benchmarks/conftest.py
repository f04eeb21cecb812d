"""Fixtures for tests of the benchmarks, which are imported from the checkout, not from the distribution."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout() -> Path:
    """Return the folder that contains `benchmarks`."""
    return ROOT


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import `benchmarks.rounds`."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.rounds")
