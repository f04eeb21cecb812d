"""Fixtures for tests of the benchmarks, which are imported from the checkout, not from the distribution."""

from __future__ import annotations

import importlib
import os
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


@pytest.fixture
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the benchmarks of all workers share a folder of caches, because it takes seconds to make a seed."""
    folder = tmp_path_factory.getbasetemp()
    caches = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "benchmarks"
    monkeypatch.setenv("BENCHMARK_CACHES", str(caches))
    return caches
