"""At a stack that runs: `attach()` from Python, and `infra runtime status` from a terminal.

The floor is an interpreter that does nothing.
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
    """Measure and print."""
    chosen = count(__doc__, 30)
    headline("At a stack that runs")
    with stage() as folder:
        cwd = project(folder, "running")
        with infra.start(*SERVICES, directory=cwd, environment="test") as stack:
            python = process("python -c pass", (PYTHON, "-c", "pass"), cwd)
            status = (INFRA, "runtime", "status", "--env", "test")
            attach = (PYTHON, "-c", ATTACH.replace("lease", f"data={str(stack.data)!r}, lease"))
            variants = (
                python,
                call("attach(), in a process that has it imported", lambda: join(stack.data)),
                process("attach(), a process of its own", attach, cwd),
                process("infra --version", (INFRA, "--version"), cwd),
                process("infra runtime status", status, cwd),
            )
            table(rounds(variants, chosen), baseline="python -c pass")


def join(data: Path) -> None:
    """Join the stack, and ask where one service answers."""
    with infra.attach(data) as stack:
        assert stack.postgres.url


def call(name: str, what: Callable[[], None]) -> Variant:
    """The seconds of a call."""

    def measure() -> Measures:
        began = time.perf_counter()
        what()
        return {name: time.perf_counter() - began}

    return measure


def process(name: str, command: tuple[str, ...], cwd: Path) -> Variant:
    """The seconds of a whole process."""
    return lambda: {name: timed(command, cwd)[0]}


if __name__ == "__main__":
    main()
