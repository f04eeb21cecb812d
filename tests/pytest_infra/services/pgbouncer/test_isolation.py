"""The pool of the test's database: connections that it keeps open delay neither resets nor the removal."""

from __future__ import annotations

import json

import pytest

from fakes.suite import Suite
from infra_runtime.engines.local import engine as stacks
from pytest_infra.services.postgres.isolation import unkept

pytestmark = pytest.mark.real("pgbouncer", "postgres")

POOLS = """
[services.postgres]
[services.pgbouncer]
[services.transactions]
kind = "pgbouncer"
pool_mode = "transaction"
"""
WRITES = """
import psycopg, pytest

opened = []

@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("mode", ["pgbouncer", "transactions"])
def test_it(mode, postgres, postgres_connection, number, request):
    pgbouncer, pgbouncer_connection = map(request.getfixturevalue, (mode, f"{mode}_connection"))
    assert (pgbouncer.database, pgbouncer.user) == (postgres.database, postgres.user)
    assert pgbouncer.port != postgres.port
    assert pgbouncer.url_for("sqlalchemy+psycopg").startswith("postgresql+psycopg://")
    rows = pgbouncer_connection.execute("select name from pets").fetchall()
    assert rows == [("Ada",)]
    pgbouncer_connection.execute("insert into pets values ('Grace')")
    pgbouncer_connection.commit()
    assert postgres_connection.execute("select count(*) from pets").fetchone() == (2,)
    oid = "select oid from pg_database where datname = current_database()"
    with open("oids", "a") as file:
        print(*postgres_connection.execute(oid).fetchone(), file=file)
    # The test does not close these connections: one is idle, one is in a transaction.
    for _ in range(2):
        opened.append(psycopg.connect(pgbouncer.url))
        opened[-1].execute("select 1")
    opened[-2].commit()

def test_the_pool_alone(pgbouncer_connection):
    assert pgbouncer_connection.execute("select name from pets").fetchall() == [("Ada",)]
"""


def test_the_databases_of_two_workers_are_reset_and_removed_although_the_pool_has_connections(
    suite: Suite,
) -> None:
    pytest.importorskip("psycopg")
    suite.stack(POOLS)
    (suite.root / "pets.sql").write_text("create table pets (name text); insert into pets values ('Ada');")
    suite.pytester.makeini("[pytest]\ninfra_postgres_migrations = pets.sql\n")
    suite.test(WRITES)

    with stacks.start(directory=suite.root, environment="test") as stack:
        result = suite.run("-n", "2", "-p", "no:unraisableexception")
        remaining_databases = unkept(stack.postgres)

    result.assert_outcomes(passed=11)
    result.stdout.no_fnmatch_line("*could not be*")
    assert remaining_databases == []
    used = (suite.root / "oids").read_text().split()
    assert len(used) == 10
    assert len({*used}) < 10  # some databases were reset and used again


OTHERS = """
import pytest

@pytest.mark.infra_isolation(postgres="server")
def test_own_server(pgbouncer):
    pass

def test_without_a_database(infra_unit):
    with infra_unit("pgbouncer"):
        pass

def test_after_the_database(infra_unit, postgres):
    with infra_unit("pgbouncer") as pool:
        assert pool.database == postgres.database

@pytest.mark.infra_shared
def test_shared(pgbouncer, postgres, infra_stack):
    assert pgbouncer.url == infra_stack.pgbouncer.url

def test_failing(orders_pool, orders, orders_pool_connection):
    assert orders_pool_connection.execute("select current_database()").fetchone() == (orders.database,)
    assert False
"""
STACK = """
[services.postgres]
[services.pgbouncer]
[services.orders]
kind = "postgres"
[services.orders-pool]
kind = "pgbouncer"
server = "orders"
"""


def test_the_pool_belongs_to_the_database_of_its_server(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.stack(STACK)
    suite.test(OTHERS)

    result = suite.run()

    result.assert_outcomes(passed=2, failed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*the test has its own postgres*",
            "*the test has no database of postgres to connect to*",
        ]
    )
    (capsule,) = (suite.root / ".data-test" / "capsules").glob("*test_failing*")
    dumps = json.loads((capsule / "capsule.json").read_text())["dumps"]
    (path,) = (path for name, path in dumps.items() if name.startswith("pool-"))
    assert "-- show servers\ntype,user,database,state," in (capsule / path).read_text()
