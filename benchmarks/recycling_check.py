"""Check that the reset of databases is exact: compare reset databases with new clones.

Before each reset, random statements and other actions change the database. Two workers use their own
databases on one server. Between the phases, the server is restarted, or a snapshot is restored. The actions
and the comparison are those of `tests/fakes/recycling.py`, which the test suite uses for fewer rounds. The
exit status is 1 if a reset database differed from a new clone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.stage import project, stage
from infra_runtime.config.resolve import resolve
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.postgres import recycling as kit

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from fakes.recycling import OPTIONS, Recycling, Tally, random_acts

#: rounds of each worker between two restarts of the server
PHASE = 50
#: the output of pg_dump is also compared in one of this number of rounds
DUMPS = 10


def main() -> int:
    """Run the rounds of the check, and print the numbers of reset and of different databases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--postgres", type=int, help="the major version of the server")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    total = Tally()
    with stage() as folder:
        version = f"version = {options.postgres}\n" if options.postgres else ""
        file = f'use = ["postgres"]\n[services.postgres]\n{version}options = {OPTIONS}\n'
        cwd = project(folder, "recycling", infra_toml=file)
        pg_dump = resolve(("postgres",), directory=cwd, environment="test").binaries.get("pg_dump", "")
        with stacks.start("postgres", directory=cwd, environment="test") as stack:
            context = multiprocessing.get_context("spawn")
            pipes: list[Connection] = []
            workers = []
            for number in range(options.workers):
                ours, theirs = context.Pipe()
                arguments = theirs, stack.postgres, cwd, pg_dump, options.seed + number
                workers.append(worker := context.Process(target=_work, args=arguments, daemon=True))
                worker.start()
                pipes.append(ours)
            for phase in range(max(1, options.rounds // (PHASE * options.workers))):
                for pipe in pipes:
                    pipe.send(PHASE)
                _add(total, [pipe.recv() for pipe in pipes])
                print(_line(total), flush=True)
                if phase % 4 == 0:
                    stack.snapshot()
                elif phase % 4 == 2:
                    stack.restore()
                else:
                    stack.restart("postgres")
            for pipe in pipes:
                pipe.send(0)
            for worker in workers:  # the server must run while the workers drop their databases
                worker.join()
    print(f"{len(total.kinds)} kinds of acts; refused after acts on rows only: {dict(total.refused)}")
    for difference in total.differences:
        print(difference)
    return 1 if total.differences else 0


def _work(pipe: Connection, server: Endpoint, folder: Path, pg_dump: str, seed: int) -> None:
    """Run all rounds of one worker, one phase after another."""
    kit.PAUSE = 0  # otherwise, after several failed resets, the next databases are not reset
    numbers = random.Random(seed)
    checked = Recycling(server, folder, pg_dump=pg_dump)
    while rounds := pipe.recv():
        checked.renew()
        for _ in range(rounds):
            checked.round(
                random_acts(numbers), leave=numbers.random() < 0.2, dump=not numbers.randrange(DUMPS)
            )
        pipe.send(checked.tally)
        checked.tally = Tally()
    checked.renew()  # the server was restarted after the last round
    checked.close()


def _add(total: Tally, tallies: list[Tally]) -> None:
    for tally in tallies:
        total.rounds += tally.rounds
        total.resets += tally.resets
        total.kinds += tally.kinds
        total.refused += Counter(tally.refused)
        total.differences += tally.differences


def _line(total: Tally) -> str:
    return (
        f"{total.rounds} rounds, {total.resets} resets, {total.rounds - total.resets} clones, "
        f"{len(total.kinds)} kinds, {len(total.differences)} differences"
    )


if __name__ == "__main__":
    sys.exit(main())
