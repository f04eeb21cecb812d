"""Each benchmark runs, prints, and cleans up. The tests assert no times."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

NAMES = ("cold_start", "attach", "idle_plugin", "owner_death", "recovery", "footprint", "snapshots")


@pytest.mark.real("nats", "postgres", "valkey", "caddy", "pocketbase")
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_a_round_and_leaves_nothing(
    name: str, benchmark: Callable[..., str], tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name != "cold_start":  # only this benchmark starts each of the five services in a different way
        monkeypatch.syspath_prepend(str(checkout))
        stage = importlib.import_module("benchmarks.stage")
        monkeypatch.setattr(stage, "SERVICES", ("postgres", "valkey"))

    assert "rounds: 1" in benchmark(name, "--rounds", "1")
    assert not list(tmp_path.iterdir())


def test_the_command_runs_the_named_benchmarks_in_new_processes(
    benchmark: Callable[..., str], tmp_path: Path
) -> None:
    output = benchmark("__main__", "crowd", "--rounds", "1")

    assert "2 and 10 trivial services" in output
    assert "rounds: 1" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.real("valkey")
def test_the_table_of_kinds_has_a_line_for_each_kind_and_a_cell_for_each_figure(
    benchmark: Callable[..., str], tmp_path: Path
) -> None:
    output = benchmark("kinds", "--rounds", "1", "valkey")

    heading, _, row = (line for line in output.splitlines() if line.startswith("|"))
    assert heading.count("|") == row.count("|") == 9
    assert row.startswith("| `valkey` |")
    assert "| - |" not in row
    assert not list(tmp_path.iterdir())


def test_all_benchmarks_are_run_when_none_is_named(benchmark: Callable[..., str]) -> None:
    output = benchmark("__main__", "--help")

    assert all(name in output for name in (*NAMES, "crowd"))
