"""Run Python code with a data directory on a small file system, which the code can fill or make read-only.

The code can use `data` (the data directory on this file system), the functions `fill()`, `make_read_only()`
and `up()`, and the names of `fakes.stacks`.
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

def make_read_only():
    assert subprocess.call(["mount", "-o", "remount,bind,ro", disk]) == 0

def up(*specs):
    stack_file = resolved(data, specs, tmpfs=False)
    stack = LocalEngine().open(stack_file)
    try:
        raise_failures(stack.up(stack_file).failures)
    except BaseException:
        stack.close()
        raise
    return stack
"""


def on_a_small_disk(folder: Path, size: str, code: str) -> list[str]:
    """Run the code, and return the lines that it printed; skip the test if no file system can be mounted."""
    folder.mkdir()
    mount = f'mount -t tmpfs -o size={size} tmpfs "$1" || exit 77; exec "$2" -c "$3" "$1"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("the command unshare is missing; the test needs a mount namespace")
    # In the namespace, the process has the uid of root, but it cannot use root's folder in /tmp.
    with tempfile.TemporaryDirectory(prefix="infra-", dir="/tmp") as short:
        process = subprocess.run(
            [*namespace, "sh", "-c", mount, "sh", str(folder), sys.executable, PRELUDE + code],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={**os.environ, "INFRA_CACHE": f"{folder}-cache", "INFRA_RUNTIME_DIR": f"{short}/run"},
        )
    if process.returncode == 77 or "unshare" in process.stderr:
        pytest.skip(f"the kernel or the container runtime forbids mounts: {process.stderr.strip()}")
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.splitlines()
