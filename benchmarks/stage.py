"""Prepare a benchmark: a temporary folder for projects and caches, and functions that run programs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PYTHON = sys.executable
INFRA = str(Path(sysconfig.get_path("scripts")) / "infra")
PYTEST = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider")
#: a variable by which the test suite finds the processes that it has started
KEPT = frozenset({"INFRA_TEST_SUITE"})
SERVICES = ("nats", "postgres", "valkey", "caddy", "pocketbase")
#: the variable whose value is a folder with caches that several benchmarks share. If the variable is set,
#: bytecode is kept next to its source.
CACHES = "BENCHMARK_CACHES"


@contextlib.contextmanager
def stage() -> Iterator[Path]:
    """Yield a temporary folder for projects and caches; the variables with the user's settings are unset."""
    with tempfile.TemporaryDirectory(prefix="infra-bench-") as name:
        folder = Path(name)
        for variable in [*os.environ]:
            if variable.startswith(("INFRA_", "PYTEST_", "XDG_")) and variable not in KEPT:
                del os.environ[variable]
        if shared := os.environ.get(CACHES):
            os.environ["INFRA_CACHE"] = shared
        else:
            os.environ |= {"XDG_CACHE_HOME": f"{folder}/cache", "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        yield folder


def project(folder: Path, name: str, **files: str) -> Path:
    """Create the folder of a project with the given files (the argument `test_py` is the file `test.py`)."""
    project_folder = folder / name
    project_folder.mkdir()
    for file, text in files.items():
        (project_folder / file.replace("_py", ".py").replace("_toml", ".toml")).write_text(
            text, encoding="utf-8"
        )
    return project_folder


def timed(command: list[str] | tuple[str, ...], cwd: Path) -> tuple[float, str]:
    """Run a program; return the seconds until its exit, and its output.

    If the program fails, the benchmark ends with an error.
    """
    start_time = time.perf_counter()
    process = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    seconds = time.perf_counter() - start_time
    if process.returncode != 0:
        raise SystemExit(
            f"{' '.join(command)}: exit status {process.returncode}\n{process.stdout}{process.stderr}"
        )
    return seconds, process.stdout


@contextlib.contextmanager
def held(command: list[str], cwd: Path) -> Iterator[tuple[float, str, subprocess.Popen[str]]]:
    """Run a program until it prints a line, and yield the seconds until the line, the line, and the process.

    At the end of the block, the standard input of the program is closed, and the program exits.
    """
    start_time = time.perf_counter()
    with subprocess.Popen(
        command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        yield time.perf_counter() - start_time, line.strip(), child
    if child.returncode > 0:
        raise SystemExit(f"{command}: exit status {child.returncode}")
