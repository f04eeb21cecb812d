"""What the plugin costs a session that doesn't use it: `pytest --collect-only` with and without it.

Besides the wall's, the processor's time: it hardly hears of what else the machine does.
"""

from __future__ import annotations

import resource
from pathlib import Path

from benchmarks.rounds import Variant, count, headline, rounds, table
from benchmarks.stage import PYTEST, project, stage, timed

TESTS = "def test_nothing():\n    pass\n"
WITH, WITHOUT = "with the plugin", "without (-p no:infra)"


def main() -> None:
    """Measure and print."""
    chosen = count(__doc__, 60)
    headline("An idle plugin: pytest --collect-only, one test", ("pytest-xprocess",))
    with stage() as folder:
        cwd = project(folder, "idle", test_nothing_py=TESTS)
        found = rounds((session(WITH, cwd), session(WITHOUT, cwd, "-p", "no:infra")), chosen)
    for clock in ("wall", "processor"):
        one, other = f"{WITH}, {clock}", f"{WITHOUT}, {clock}"
        table({one: found[one], other: found[other]}, baseline=other)
        table({f"more, round by round, {clock}": found[one].minus(found[other])})


def session(name: str, cwd: Path, *options: str) -> Variant:
    """The seconds of a whole session, by both clocks."""

    def measure() -> dict[str, float]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall, _ = timed((*PYTEST, "--collect-only", "test_nothing.py", *options), cwd)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return {f"{name}, wall": wall, f"{name}, processor": processor}

    return measure


if __name__ == "__main__":
    main()
