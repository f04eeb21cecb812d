"""Measure large stacks: start, stop, memory and processor time with 100 and with 500 trivial services."""

from __future__ import annotations

import time
from pathlib import Path

import infra_runtime as infra
from benchmarks.footprint import MIB, memory, processor
from benchmarks.rounds import Measures, Variant, count, headline, rounds, table
from benchmarks.stage import project, stage

SIZES = (100, 500)
#: the sizes in a trial, which is a run of one round
TRIAL = (2, 10)
#: seconds for which the stack is idle in a round
WHILE = 2.0
SERVICE = '[services.{name}]\ncommand = ["sleep", "86400"]\nsummary = "sleeps"\n'


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 5)
    few, many = sizes = SIZES if round_count > 1 else TRIAL
    headline(f"{few} and {many} trivial services", ())
    with stage() as folder:
        results = rounds([crowd(folder, size) for size in sizes], round_count, warm=False)
    for figure, unit, scale, digits in (
        ("start", "ms", 1000, 2),
        ("stop", "ms", 1000, 2),
        ("supervisor's time to start", "ms", 1000, 2),
        ("supervisor's idle time", "µs/s", 1e6, 1),
        ("supervisor's memory (RSS)", "MiB", MIB, 1),
    ):
        print(f"\n{figure}, for each service" if unit != "MiB" else f"\n{figure}")
        table(
            {f"of {size}": results[f"{size}: {figure}"] for size in sizes},
            baseline=f"of {few}", unit=unit, scale=scale, digits=digits,
        )  # fmt: skip
    print(f"\nA ratio of 1 is linear growth; {many / few:g} is quadratic growth.")


def crowd(folder: Path, size: int) -> Variant:
    """Return a variant that starts and stops `size` services that only sleep."""
    names = [f"s{number}" for number in range(size)]
    text = "".join(SERVICE.format(name=name) for name in names)
    cwd = project(folder, f"crowd{size}", infra_toml=text)

    def measure() -> Measures:
        start_time = time.perf_counter()
        stack = infra.start(*names, directory=cwd, environment="test")
        started = time.perf_counter() - start_time
        supervisor = [stack.status().pid]
        start_processor_time = processor(supervisor)
        time.sleep(WHILE)
        end_processor_time = processor(supervisor)
        resident = memory(supervisor, "Rss")
        start_time = time.perf_counter()
        proof = stack.finish()
        stopped = time.perf_counter() - start_time
        assert proof is not None
        assert proof.clean, proof
        return {
            f"{size}: start": started / size,
            f"{size}: stop": stopped / size,
            f"{size}: supervisor's idle time": (end_processor_time - start_processor_time) / WHILE / size,
            f"{size}: supervisor's memory (RSS)": resident,
            f"{size}: supervisor's time to start": start_processor_time / size,
        }

    return measure


if __name__ == "__main__":
    main()
