"""Each benchmark runs, prints, and cleans up. The tests assert no times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("cold_start", "attach", "idle_plugin", "owner_death", "recovery", "footprint", "crowd", "snapshots")


@pytest.mark.usefixtures("caches")
@pytest.mark.real("nats", "postgres", "valkey", "caddy", "pocketbase")
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_a_round_and_leaves_nothing(
    name: str, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--rounds", "1"],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    assert "rounds: 1" in result.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("caches")
@pytest.mark.real("valkey")
def test_the_table_of_kinds_has_a_line_for_each_kind_and_a_cell_for_each_figure(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.kinds", "--rounds", "1", "valkey"],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    heading, _, row = (line for line in result.stdout.splitlines() if line.startswith("|"))
    assert heading.count("|") == row.count("|") == 9
    assert row.startswith("| `valkey` |")
    assert "| - |" not in row
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("caches")
@pytest.mark.real("kubectl", "kubernetes", "kwok", "etcd")
def test_the_benchmark_of_a_control_plane_measures_each_step_of_a_deploy(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster", "--tenants", "2", "--pods", "3"],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    assert "6 pods are ready, since the first write" in result.stdout
    assert "deploy without changes" in result.stdout
    assert "kubectl apply, dry run" in result.stdout
    assert "memory of kube-apiserver (RSS)" in result.stdout
    assert not list(tmp_path.iterdir())


def test_all_benchmarks_are_run_when_none_is_named(checkout: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=checkout, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert all(name in result.stdout for name in NAMES)
