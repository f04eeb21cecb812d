"""The launch without a supervisor: after an error, no service is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra_runtime.spec import TcpProbe, encode

pytestmark = pytest.mark.process


def service(folder: Path, name: str, script: str) -> dict[str, Any]:
    """Return a service of a launch script: a shell script that never listens."""
    tree = folder / "prepared" / name
    tree.mkdir(parents=True)
    return {
        "name": name,
        "tree": str(tree),
        "data": str(folder / "services" / name),
        "run": str(folder),
        "command": ["sh", "-c", script],
        "env": {"PATH": "/usr/bin:/bin"},
        "cwd": str(folder),
        "log": str(folder / f"{name}.log"),
        "refuses_root": False,
        "ready": encode(TcpProbe(port="main")),
        "ports": {"main": 1},
        "stop": signal.SIGTERM,
    }


def test_the_other_services_are_ended_when_one_exits(checkout: Path, tmp_path: Path) -> None:
    waiting = service(tmp_path, "waiting", "echo $$ > pid.new; mv pid.new pid; exec sleep 600")
    failing = service(tmp_path, "failing", "until [ -e pid ]; do sleep 0.01; done; exit 1")
    script = tmp_path / "bare.json"
    script.write_text(json.dumps([waiting, failing]))

    result = subprocess.run(
        [sys.executable, "-c", "from benchmarks.bare import main; main()", str(script)],
        cwd=checkout, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip

    assert "failing: 127.0.0.1:1: Connection refused" in result.stderr
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert not [*(tmp_path / "services").iterdir()]
