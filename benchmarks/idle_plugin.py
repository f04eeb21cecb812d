"""Measure the cost of the plugin in a pytest session that does not use it.

The benchmark compares `pytest --collect-only` with and without the plugin. The processor time is measured
too, because other programs on the machine hardly change it.
"""

from __future__ import annotations

import resource
from pathlib import Path

from benchmarks.rounds import Variant, count, headline, rounds, table
from benchmarks.stage import PYTEST, project, stage, timed

TESTS = "def test_nothing():\n    pass\n"
WITH, WITHOUT = "with the plugin", "without (-p no:infra)"


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 60)
    headline("An idle plugin: pytest --collect-only, one test", ("pytest-xprocess",))
    with stage() as folder:
        cwd = project(folder, "idle", test_nothing_py=TESTS)
        results = rounds((session(WITH, cwd), session(WITHOUT, cwd, "-p", "no:infra")), round_count)
    for clock in ("wall", "processor"):
        with_plugin, without_plugin = f"{WITH}, {clock}", f"{WITHOUT}, {clock}"
        table(
            {with_plugin: results[with_plugin], without_plugin: results[without_plugin]},
            baseline=without_plugin,
        )
        table({f"difference, round by round, {clock}": results[with_plugin].minus(results[without_plugin])})


def session(name: str, cwd: Path, *options: str) -> Variant:
    """Return a variant that measures the wall time and the processor time of a complete pytest session."""

    def measure() -> dict[str, float]:
        usage_before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall, _ = timed((*PYTEST, "--collect-only", "test_nothing.py", *options), cwd)
        usage_after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = (
            usage_after.ru_utime - usage_before.ru_utime + usage_after.ru_stime - usage_before.ru_stime
        )
        return {f"{name}, wall": wall, f"{name}, processor": processor}

    return measure


if __name__ == "__main__":
    main()
