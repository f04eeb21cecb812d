"""A database and a user for each test: tests do not share data, and no database or user is left."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.stacks import until
from fakes.suite import PATIENCE, Suite
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Endpoint, Stack
from infra_runtime.errors import ConfigurationError, InfraError
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.isolation.owner import Owner
from pytest_infra.services.mariadb.driver import connect, execute
from pytest_infra.services.mariadb.isolation import Database, DatabaseFactory, unkept
from pytest_infra.services.mariadb.migrations import read

pymysql = pytest.importorskip("pymysql", reason="the minimal profile has no clients")
pytestmark = pytest.mark.real("mariadb")


# --- one process -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("server")
    with stacks.start("mariadb", directory=folder, environment="test") as stack:
        yield stack.mariadb


class Databases:
    """Databases with migrations on the server, and connections as their users."""

    def __init__(self, server: Endpoint, folder: Path) -> None:
        self._server, self._folder = server, folder
        self.owner = Owner(folder, "")
        self._factories: list[DatabaseFactory] = []

    def factory(self, migrations: object = None) -> DatabaseFactory:
        factory = DatabaseFactory(self._server, self.owner, read(migrations, self._folder, "the ini value"))
        self._factories.append(factory)
        return factory

    def database(self, factory: DatabaseFactory) -> Database:
        name = factory.make()
        return Database(self._server, name, "a test", factory.passwords[name])

    def close(self) -> None:
        for factory in self._factories:
            for name in [*factory.passwords]:
                factory.remove(name)
            factory.close()
        self.owner.close()


@pytest.fixture
def databases(server: Endpoint, tmp_path: Path) -> Iterator[Databases]:
    databases = Databases(server, tmp_path)
    yield databases
    databases.close()
    assert unkept(server) == []


def test_a_user_has_access_to_one_database_only(server: Endpoint, databases: Databases) -> None:
    factory = databases.factory()
    first, second = databases.database(factory), databases.database(factory)

    with connect(first, database=first.id) as connection:
        execute(connection, "create table pets (name text)", "create view names as select name from pets")
        names = {name for (name,) in execute(connection, "show databases")}
        for statement in (
            f"create table {second.id}.pets (name text)",
            f"create database {first.id.replace('_', 'x')}",
            "select * from mysql.global_priv",
            "set global max_connections = 1",
            f"create table {server.database}.pets (name text)",
        ):
            with pytest.raises(pymysql.Error, match=r"[Aa]ccess denied|command denied"):
                execute(connection, statement)

    assert names == {"information_schema", first.id}


def test_a_connection_that_a_test_leaves_open_does_not_delay_the_removal(
    server: Endpoint, databases: Databases
) -> None:
    factory = databases.factory()
    database = databases.database(factory)
    connections = [connect(database, database=database.id) for _ in range(2)]
    execute(connections[0], "create table pets (name text)", "create table food (name text)")
    execute(connections[0], "begin", "insert into pets values ('Ada')", "select get_lock('all', 0)")
    execute(connections[1], "lock tables food write")

    factory.remove(database.id)

    for connection in connections:
        with pytest.raises(pymysql.Error):
            connection.ping(reconnect=False)
    with pytest.raises(pymysql.Error, match="Access denied"):
        connect(database)
    with connect(server) as connection:
        assert execute(connection, "select get_lock('all', 0)") == [(1,)]


def test_each_database_has_the_contents_of_the_migrations(databases: Databases, tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "1.sql").write_text(
        "create table pets (name text); insert into pets values ('; größe');\n"
        "DELIMITER ;;\n"
        "create procedure add_pet(in added text)\nbegin\n  insert into pets values (added);\nend ;;\n"
        "create trigger upper_case before insert on pets for each row begin\n"
        "  set new.name = upper(new.name);\nend ;;\n"
        "delimiter ;\n"
        "call add_pet('ada');\n",
        encoding="utf-8",
    )
    (tmp_path / "sql" / "2.sql").write_text("insert into pets select 'grace';")

    def fill(database: Endpoint) -> None:
        with connect(database, database=database["database"]) as connection:
            execute(connection, "insert into pets values ('alan')")

    factory = databases.factory(["sql", fill])
    for database in (databases.database(factory), databases.database(factory)):
        with connect(database, database=database.id) as connection:
            names = [name for (name,) in execute(connection, "select name from pets")]
            execute(connection, "delete from pets")
        assert names == ["; größe", "ADA", "GRACE", "ALAN"]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (
            "create table a (b int);\n\nselect * from c;\n",
            "'.*c' doesn't exist .*; the failed statement is statement 2, counted from line 1",
            1,
        ),
        (
            "delimiter //\nselect 1//\n\nselct 2//\n",
            "You have an error .* the failed statement is statement 1, counted from line 4",
            4,
        ),
    ],
    ids=["several statements", "one statement"],
)
def test_a_failed_migration_is_reported_with_file_and_line(
    databases: Databases, server: Endpoint, tmp_path: Path, text: str, message: str, line: int
) -> None:
    (tmp_path / "bad.sql").write_text(text)
    factory = databases.factory("bad.sql")

    with pytest.raises(ConfigurationError, match=message) as error:
        factory.make()

    assert error.value.where == f"{tmp_path / 'bad.sql'}:{line}"
    assert unkept(server) == []


def test_a_migration_that_ends_the_program_is_an_error(databases: Databases, server: Endpoint) -> None:
    def fill(_: Endpoint) -> None:
        raise SystemExit("no revision")

    with pytest.raises(InfraError, match="SystemExit: no revision"):
        databases.factory(Migrations.of(fill, version="1")).make()

    assert unkept(server) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("missing.sql", "neither a SQL file nor a folder"),
        ("missing", "neither a SQL file nor a folder"),
        (3, r"3 \(int\) is not a source of migrations"),
    ],
)
def test_a_value_that_describes_no_migrations_is_an_error(
    tmp_path: Path, value: object, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        read(value, tmp_path, "the ini value")


# --- runs of pytest --------------------------------------------------------------------------------

STACK = "[services.mariadb]\n"
CREATES_SAME_TABLE = """
import pytest

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(3))
async def test_it(mariadb, mariadb_connection, mariadb_aiomysql, infra_url, number):
    with mariadb_connection.cursor() as cursor:
        cursor.execute("create table pets (name text)")
        cursor.execute("insert into pets values ('Ada')")
        mariadb_connection.commit()
    async with mariadb_aiomysql.cursor() as cursor:
        await cursor.execute("select name, database(), current_user() from pets")
        user = f"{mariadb.user}@%"
        assert await cursor.fetchall() == (("Ada", mariadb.database, user),)
    assert infra_url(mariadb, "sqlalchemy+aiomysql") == mariadb.url.replace("mysql:", "mysql+aiomysql:")
    assert mariadb.password not in repr(mariadb)
"""
FAILS = """
def test_hangs(mariadb):
    import time
    time.sleep(600)

def test_fails(mariadb, mariadb_connection):
    with mariadb_connection.cursor() as cursor:
        cursor.execute("create table pets (name text, photo blob)")
        cursor.execute("insert into pets values ('Ada, \\\\'the\\\\' first', x'ff00'), (null, null)")
        cursor.execute("create view names as select name from pets")
        mariadb_connection.commit()
        cursor.execute("insert into pets values ('not committed', null)")
    raise ValueError
"""


@pytest.fixture
def warm(suite: Suite) -> Iterator[Stack]:
    """The project's stack, which keeps running after the inner pytest: its databases can be listed."""
    suite.stack(STACK)
    with stacks.start("mariadb", directory=suite.root, environment="test") as stack:
        yield stack
    suite.down()  # a kept unit keeps the stack running


def users(stack: Stack) -> list[str]:
    with connect(stack.mariadb) as connection:
        rows = execute(connection, "select user from mysql.global_priv where user like 'infra%'")
    return [name for (name,) in rows]


def test_two_workers_have_their_own_databases_and_leave_none(suite: Suite, warm: Stack) -> None:
    pytest.importorskip("pytest_asyncio")
    pytest.importorskip("aiomysql")
    suite.with_plugins("asyncio")
    suite.pytester.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    suite.test(CREATES_SAME_TABLE)

    suite.run("-n", "2").assert_outcomes(passed=3)

    assert (unkept(warm.mariadb), users(warm)) == ([], [])


def test_a_failed_test_is_dumped_and_kept_and_those_of_a_killed_session_are_removed(
    suite: Suite, warm: Stack
) -> None:
    suite.test(FAILS)
    killed = suite.begin("-k", "hangs")
    until(lambda: bool(unkept(warm.mariadb)), PATIENCE)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert unkept(warm.mariadb)

    result = suite.run("-k", "fails", "--infra-keep=failed")

    result.assert_outcomes(failed=1, deselected=1)
    assert unkept(warm.mariadb) == []
    (kept_user,) = users(warm)
    (capsule,) = (suite.root / ".data-test" / "capsules").glob("*test_fails*")
    (dump,) = json.loads((capsule / "capsule.json").read_text())["dumps"].values()
    text = (capsule / dump).read_text()
    assert kept_user in dump
    assert "2 tables and views" in text
    assert "CREATE TABLE `pets`" in text
    assert "-- 2 rows\nname,photo\n\"Ada, 'the' first\",2 bytes\nNULL,NULL\n" in text
    assert "-- the view names\nname\n" in text
    with connect(warm.mariadb, database=kept_user) as connection:
        assert execute(connection, "select count(*) from pets") == [(2,)]
