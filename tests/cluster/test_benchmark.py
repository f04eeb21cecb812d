"""The benchmark of a control plane starts its own cluster, and leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real("kubectl", "kubernetes", "kwok", "etcd")

ROOT = Path(__file__).resolve().parents[2]


def test_the_benchmark_of_a_control_plane_measures_each_step_of_a_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster", "--tenants", "2", "--pods", "3"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    assert "6 pods are ready, since the first write" in result.stdout
    assert "deploy without changes" in result.stdout
    assert "kubectl apply, dry run" in result.stdout
    assert "memory of kube-apiserver (RSS)" in result.stdout
    assert not list(tmp_path.iterdir())
