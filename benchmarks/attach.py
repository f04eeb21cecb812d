"""Measure the time to connect to a running stack.

The variants are `attach()` in Python and `infra runtime status` in a shell. The baseline is a Python
interpreter that runs no code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import infra_runtime as infra
from benchmarks.rounds import Measures, Variant, count, headline, rounds, table
from benchmarks.stage import INFRA, PYTHON, SERVICES, project, stage, timed

ATTACH = """\
import infra_runtime as infra
infra.attach(lease=False).postgres.url
"""


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 30)
    headline("Connecting to a running stack")
    with stage() as folder:
        cwd = project(folder, "running")
        with infra.start(*SERVICES, directory=cwd, environment="test") as stack:
            python = process("python -c pass", (PYTHON, "-c", "pass"), cwd)
            status = (INFRA, "runtime", "status", "--env", "test")
            attach = (PYTHON, "-c", ATTACH.replace("lease", f"data={str(stack.data)!r}, lease"))
            variants = (
                python,
                call("attach(), in a process that has imported it", lambda: join(stack.data)),
                process("attach(), in a new process", attach, cwd),
                process("infra --version", (INFRA, "--version"), cwd),
                process("infra runtime status", status, cwd),
            )
            table(rounds(variants, round_count), baseline="python -c pass")


def join(data_directory: Path) -> None:
    """Attach to the stack in a data directory, and read the URL of one service."""
    with infra.attach(data_directory) as stack:
        assert stack.postgres.url


def call(name: str, function: Callable[[], None]) -> Variant:
    """Return a variant that measures how many seconds a call of `function` takes."""

    def measure() -> Measures:
        start_time = time.perf_counter()
        function()
        return {name: time.perf_counter() - start_time}

    return measure


def process(name: str, command: tuple[str, ...], cwd: Path) -> Variant:
    """Return a variant that measures how many seconds a process takes from its start to its exit."""
    return lambda: {name: timed(command, cwd)[0]}


if __name__ == "__main__":
    main()
