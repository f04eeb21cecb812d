"""Run Python code as another user, for tests that root runs."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import infra_runtime

#: two user ids without an account
ALICE, MALLORY = 64321, 64322
RUNTIME = str(Path(infra_runtime.__file__).parents[1])

#: the definitions that the code can use
PRELUDE = f"""
import sys
sys.path[:0] = [{RUNTIME!r}]
import errno, json, os, socket
from pathlib import Path
from infra_runtime.data_directory import control_file
from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.engines.local.launch import connect_or_launch
from infra_runtime.errors import InfraError
from infra_runtime.messages import STATUS, STAY, Nothing, Stay
uid, arguments = int(sys.argv[1]), sys.argv[2:]

def become():
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)

os.environ["HOME"] = "/"
"""


def start_as(uid: int, code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start code that can use the list `arguments`; it is root until it calls `become()`, then `uid`."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a process as another user")
    command = [interpreter(), "-I", "-S", "-B", "-c", PRELUDE + code, str(uid), *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )


def run_as(uid: int, code: str, *arguments: object) -> str:
    """Run code as another user until it exits, and return its output."""
    with start_as(uid, "become()\n" + code, *arguments) as child:
        output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    return output.strip()


@functools.cache
def interpreter() -> str:
    """Return a Python that every user can execute and that can import the runtime; else skip the test."""
    code = f"import sys; assert sys.version_info >= (3, 11); sys.path.insert(0, {RUNTIME!r}); "
    code += "import infra_runtime.supervisor.main"
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            process = subprocess.run(
                [candidate, "-I", "-S", "-B", "-c", code],
                user=ALICE, group=ALICE, extra_groups=[], cwd="/", check=False, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            continue
        if process.returncode == 0:
            return candidate
    pytest.skip("other users can execute no Python 3.11, or cannot read the source tree")
