"""Measure the snapshot and the restore of five services, compared with a plain copy of the same folders.

PostgreSQL contains a table of 10 MB, and Valkey contains a thousand keys.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import valkey

import infra_runtime as infra
from benchmarks.rounds import Measures, Variant, count, headline, rounds, table
from benchmarks.stage import SERVICES, project, stage

FLOOR = "cp of the same folders, while nothing runs"
ROWS = "create table t as select g, repeat('x', 1000) as x from generate_series(1, 10000) g"


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 20)
    headline("Snapshots: five services")
    with stage() as folder:
        cwd = project(folder, "stack")
        with infra.start(*SERVICES, directory=cwd, environment="test") as stack:
            with psycopg.connect(stack.postgres.url) as connection:
                connection.execute(ROWS)
            with valkey.from_url(stack.valkey.url) as client:
                client.mset({f"key {number}": "x" * 100 for number in range(1000)})
            stack.snapshot()
            snapshot_folder = stack.data / "snapshots" / "default" / "services"
            variants = (
                call(FLOOR, lambda: copy(snapshot_folder, folder / "copy")),
                call("snapshot()", stack.snapshot),
                call("restore(), until all are ready again", stack.restore),
            )
            table(rounds(variants, round_count), baseline=FLOOR)


def copy(source: Path, target: Path) -> None:
    """Copy the folders with `cp`, which is the baseline of this benchmark."""
    shutil.copytree(source, target, symlinks=True)
    shutil.rmtree(target)


def call(name: str, function: Callable[[], object]) -> Variant:
    """Return a variant that measures how many seconds a call of `function` takes."""

    def measure() -> Measures:
        start_time = time.perf_counter()
        function()
        return {name: time.perf_counter() - start_time}

    return measure


if __name__ == "__main__":
    main()
