"""Runs Python code where a folder is a small disk of its own, which may be full or read-only.

The code has `data`, a data directory on that disk, `fill()`, `freeze()`, and the names of `fakes.stacks`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PRELUDE = f"""
import os, subprocess, sys
sys.path.insert(0, {str(TESTS)!r})
from pathlib import Path
from fakes.stacks import *
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.errors import InfraError
from infra_runtime.engines.local.engine import LocalEngine
disk = Path(sys.argv[1])
data = disk / "data"

def fill():
    for size in (65536, 4096, 1):
        with (disk / f"filler{{size}}").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                pass

def freeze():
    assert subprocess.call(["mount", "-o", "remount,bind,ro", disk]) == 0

def up(*specs):
    found = resolved(data, specs)
    stack = LocalEngine().open(found)
    try:
        raise_failures(stack.up(found).failures)
    except BaseException:
        stack.close()
        raise
    return stack
"""


def on_a_small_disk(folder: Path, size: str, code: str) -> list[str]:
    """The lines that the code printed. Skips the test where the kernel lets nobody mount."""
    folder.mkdir()
    mount = f'mount -t tmpfs -o size={size} tmpfs "$1" || exit 77; exec "$2" -c "$3" "$1"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here: it takes a mount namespace to fill a disk")
    # Inside we are root, but what root has in /tmp is not ours.
    with tempfile.TemporaryDirectory(prefix="infra-", dir="/tmp") as short:
        done = subprocess.run(
            [*namespace, "sh", "-c", mount, "sh", str(folder), sys.executable, PRELUDE + code],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "INFRA_CACHE": f"{folder}-cache", "INFRA_RUNTIME_DIR": f"{short}/run"},
        )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"this kernel, or the container's runtime, forbids mounts: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
