"""Fixtures for tests of the benchmarks, which are imported from the checkout, not from the distribution."""

from __future__ import annotations

import functools
import importlib
import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from fakes import forked
from infra_runtime.data_directory.paths import user_cache

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
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs a module of `benchmarks` in a fork of this process, and returns its output.

    The folder of temporary files is `tmp_path`. The benchmark uses the cache of the test session, because it
    takes seconds to make a seed.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("BENCHMARK_CACHES", user_cache())

    def run(name: str, *arguments: str) -> str:
        main = functools.partial(runpy.run_module, f"benchmarks.{name}", run_name="__main__", alter_sys=True)
        program = forked.Program(arguments=[name, *arguments], main=main, path=ROOT)
        done = forked.run(program, ROOT, 600.0)
        assert done.code == 0, done.out + done.err
        return done.out

    return run
