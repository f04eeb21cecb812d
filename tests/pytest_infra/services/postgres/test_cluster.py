"""Changes of a test to the whole server are undone before later tests, or they are reported."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.suite import Suite
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Stack
from pytest_infra.services.postgres import obstacles
from pytest_infra.services.postgres.cluster import Cluster, prepare
from pytest_infra.services.postgres.sessions import connect
from pytest_infra.services.postgres.statements import url_of

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")
pytestmark = pytest.mark.real("postgres")

OPTIONS = '[services.postgres]\noptions = { max_prepared_transactions = "5", wal_level = "logical" }\n'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "infra.toml").write_text('use = ["postgres"]\n' + OPTIONS)
    with stacks.start("postgres", directory=folder, environment="test") as running:
        yield running


CHANGES = {
    "role": "create role ada login password 'x'",
    "role with objects": "create role bob; create table t (a int); alter table t owner to bob",
    "renamed role": "alter role old rename to older; create role old",
    "dropped role": "drop owned by old; drop role old; create role old login",
    "default privileges": "create role bob;"
    " alter default privileges for role bob grant select on tables to public",
    "attributes": "alter role postgres connection limit 50",
    "password": "alter role postgres password 'other'",
    "expiration": "alter role postgres valid until '2090-01-01'",
    "membership": "grant pg_monitor to pg_checkpoint",
    "revoked membership": "revoke pg_monitor from old",
    "members of a new role": "create role bob; grant old to bob; grant pg_monitor to bob with admin option",
    "setting of a role": "alter role postgres set work_mem = '1MB'",
    "setting of all roles": "alter role all set work_mem = '1MB'",
    "setting of a role in a database": "alter role postgres in database postgres set work_mem = '1MB'",
    "setting of a database": "alter database postgres set work_mem = '1MB'",
    "database": "create database tenant",
    "database of a role": "create role bob; create database tenant owner bob is_template true",
    "owner of a database": "create role bob; alter database postgres owner to bob",
    "privileges on a database": "create role bob; grant create on database postgres to bob, old, public",
    "revoked privileges": "revoke connect on database postgres from public",
    "attributes of a database": "alter database postgres connection limit 3;"
    " alter database template1 is_template false",
    "comment on a database": "comment on database postgres is 'text'",
    "comment on a role": "comment on role postgres is 'text'",
    "tablespace": "set allow_in_place_tablespaces = on; create tablespace disk location '';"
    " create table t (a int) tablespace disk; create database tenant tablespace disk",
    "options of a tablespace": "alter tablespace pg_default set (random_page_cost = 2)",
    "privileges on a tablespace": "grant create on tablespace pg_default to public",
    "privileges on a parameter": "create role bob; grant set on parameter log_statement to bob, old",
    "physical slot": "select pg_create_physical_replication_slot('physical', true)",
    "replication origin": "select pg_replication_origin_create('origin')",
    "system": "alter system set work_mem = '65MB'",
    "several system settings": "alter system set search_path = 'a', 'b';"
    " alter system set max_connections = 77; select pg_reload_conf()",
    "system settings of all sessions": "alter system set default_transaction_read_only = on;"
    " alter system set datestyle = 'German'; alter system set statement_timeout = 1;"
    " alter system set synchronous_standby_names = 'none'; select pg_reload_conf()",
}
#: the statements before the tests, for changes of existing objects
BEFORE = (
    "create role old",
    "grant pg_monitor to old",
    "comment on role old is 'old'",
    "alter role old set work_mem = '2MB'",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_server_is_undone(stack: Stack, change: str) -> None:
    with connect(stack.postgres) as connection:
        if connection.execute("select from pg_roles where rolname = 'old'").fetchone() is None:
            for statement in BEFORE:
                connection.execute(statement)
        prepare(connection)
        cluster = Cluster(stack.postgres, connection)
        connection.execute("drop database if exists test_database")
        connection.execute("create database test_database")
        with psycopg.connect(url_of(stack.postgres, "test_database"), autocommit=True) as session:
            for statement in CHANGES[change].split("; "):
                session.execute(statement)
        _, changed = cluster.check(connection, "test_database")

        obstacles.drop(connection, stack.postgres, "test_database")
        remaining_changes = cluster.restore(connection)

        assert changed
        assert remaining_changes == []
        assert cluster.check(connection, "test_database") == (False, False)
        assert connection.execute("show work_mem").fetchone() == ("4MB",)


def test_a_transaction_that_was_prepared_in_another_database_is_rolled_back(stack: Stack) -> None:
    with psycopg.connect(url_of(stack.postgres), autocommit=True) as connection:
        prepare(connection)
        cluster = Cluster(stack.postgres, connection)
        with psycopg.connect(url_of(stack.postgres), autocommit=True) as session:
            for statement in ("begin", "create role ada", "prepare transaction 'p'"):
                session.execute(statement)

        assert cluster.check(connection, "") == (False, True)
        assert cluster.restore(connection) == []
        assert connection.execute("select gid from pg_prepared_xacts").fetchall() == []


def test_a_role_is_dropped_with_its_objects_in_other_databases(stack: Stack) -> None:
    with connect(stack.postgres) as connection:
        prepare(connection)
        cluster = Cluster(stack.postgres, connection)
        connection.execute("create role bob")
        with connect(stack.postgres, "template1") as session:
            session.execute("create schema of_bob authorization bob; grant usage on schema public to bob")

        assert cluster.restore(connection) == []
        with connect(stack.postgres, "template1") as session:
            query = "select count(*) from pg_namespace where nspname = 'of_bob'"
            assert session.execute(query).fetchone() == (0,)


def test_a_change_that_cannot_be_undone_is_reported_once(stack: Stack) -> None:
    with psycopg.connect(url_of(stack.postgres), autocommit=True) as connection:
        connection.execute("create database kept")
        prepare(connection)
        cluster = Cluster(stack.postgres, connection)
        connection.execute("drop database kept")

        assert cluster.restore(connection) == ["database kept"]
        assert cluster.restore(connection) == []


PREPARED = "begin; create table t (a int); prepare transaction 'p'"
SUBSCRIPTION = "create subscription s connection 'host=nowhere dbname=x' publication p with (connect = false)"
#: No session can be opened in a database with these event triggers, unless it turns them off.
TRIGGERS = "; ".join(
    [
        "create function f() returns event_trigger language plpgsql as 'begin raise exception ''no'';end'",
        *(f"create event trigger {event} on {event} execute function f()" for event in ("login", "sql_drop")),
        "alter event trigger login enable always",
    ]
)


@pytest.mark.parametrize(
    "obstacle",
    [
        PREPARED,
        "select pg_create_logical_replication_slot('slot', 'pgoutput')",
        SUBSCRIPTION,
        "alter database blocked is_template true",
        f"{PREPARED}; {SUBSCRIPTION}; {TRIGGERS}",
        f"{SUBSCRIPTION}; create role low; alter database blocked set role low",
        f"{PREPARED}; {SUBSCRIPTION}; alter database blocked set default_transaction_read_only = on",
    ],
    ids=["prepared transaction", "slot", "subscription", "template", "event triggers", "role", "read only"],
)
def test_a_database_is_dropped_with_the_objects_that_prevent_the_drop(stack: Stack, obstacle: str) -> None:
    with psycopg.connect(url_of(stack.postgres), autocommit=True) as connection:
        connection.execute("create database blocked")
        with psycopg.connect(url_of(stack.postgres, "blocked"), autocommit=True) as session:
            for statement in obstacle.split("; "):
                session.execute(statement)

        obstacles.drop(connection, stack.postgres, "blocked")

        count = connection.execute("select count(*) from pg_database where datname = 'blocked'")
        assert count.fetchone() == (0,)


def test_a_database_whose_removal_was_interrupted_is_dropped(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server waits for a session that is logging in, until the time limit of the statement."""
    with psycopg.connect(url_of(stack.postgres), autocommit=True) as connection:
        connection.execute("create database interrupted")
        host, port = stack.postgres.host, stack.postgres.port
        with socket.create_connection((host, port)) as login:
            parameters = b"user\0postgres\0database\0postgres\0\0"
            login.sendall(struct.pack("!II", len(parameters) + 8, 0x30000) + parameters)
            login.recv(1)  # the server has asked for the password
            monkeypatch.setattr(obstacles, "_LIMIT", "200ms")
            with pytest.raises(psycopg.errors.QueryCanceled):
                obstacles.drop(connection, stack.postgres, "interrupted")

        monkeypatch.undo()
        obstacles.drop(connection, stack.postgres, "interrupted")

        count = connection.execute("select count(*) from pg_database where datname = 'interrupted'")
        assert count.fetchone() == (0,)


def test_a_copy_that_a_test_has_not_completed_does_not_delay_the_removal_of_other_databases(
    stack: Stack,
) -> None:
    with connect(stack.postgres) as connection:
        prepare(connection)
        cluster = Cluster(stack.postgres, connection)
        for name in ("copied", "other"):
            connection.execute(f"create database {name}")
        with contextlib.closing(connect(stack.postgres, "copied")) as copying_session:
            copying_session.execute("create table t (a int)")
            copying_session.pgconn.exec_(b"copy t from stdin")

            cluster.check(connection, "copied")
            obstacles.drop(connection, stack.postgres, "other")

        obstacles.drop(connection, stack.postgres, "copied")
        query = "select count(*) from pg_database where datname in ('copied', 'other')"
        assert connection.execute(query).fetchone() == (0,)


def test_what_a_test_leaves_open_does_not_reach_later_tests(suite: Suite) -> None:
    """Nothing can open a session in the database of the second test, so the database is left."""
    suite.stack(OPTIONS)
    suite.test(
        """
        import psycopg

        KEPT = []

        def test_a_lock_of_a_system_catalog(postgres, infra_stack):
            for url in (postgres.url, infra_stack.postgres.url):
                KEPT.append(psycopg.connect(url))
                KEPT[-1].execute("lock table pg_database in share mode")

        def test_a_prepared_transaction_that_locks_a_system_catalog(postgres):
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                for text in ("begin", "lock table pg_class", "prepare transaction 'p'"):
                    connection.execute(text)

        def test_later(postgres_connection):
            postgres_connection.execute("create table t (a int)")

        def test_last(postgres_connection):
            postgres_connection.execute("create table t (a int)")
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=4)
    assert sum("could not be removed" in line for line in result.outlines) <= 1


def test_later_tests_can_use_the_names_of_slots_and_prepared_transactions(suite: Suite) -> None:
    suite.stack(OPTIONS)
    suite.test(
        """
        import psycopg, pytest

        @pytest.mark.parametrize("number", range(3))
        def test_names(postgres, number):
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("create table pets (a int)")
                connection.execute("select pg_create_logical_replication_slot('name', 'pgoutput')")
                connection.execute("select pg_create_physical_replication_slot('physical', true)")
                connection.execute("select pg_replication_origin_create('name')")
                connection.execute("create publication name for all tables")
                connection.execute("begin")
                connection.execute("insert into pets values (1)")
                connection.execute("prepare transaction 'name'")
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*changed the server*")


def test_later_tests_do_not_see_roles_databases_and_settings(suite: Suite) -> None:
    suite.stack(OPTIONS)
    suite.test(
        """
        import psycopg, pytest

        @pytest.mark.parametrize("number", range(2))
        def test_role(postgres_connection, number):
            postgres_connection.execute("create role ada")
            postgres_connection.execute("create table pets (a int)")
            postgres_connection.execute("alter table pets owner to ada")
            postgres_connection.commit()

        @pytest.mark.parametrize("number", range(2))
        def test_database(postgres, number):
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("create database tenant")
                connection.execute("alter system set work_mem = '65MB'")
                assert connection.execute("show work_mem").fetchone() == ("4MB",)
                connection.execute("select pg_reload_conf()")
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*changed the server*")


def test_changes_of_a_detached_stack_are_reported_and_nothing_of_its_user_is_dropped(suite: Suite) -> None:
    suite.stack(OPTIONS)
    suite.test(
        """
        import psycopg

        def test_one(postgres, infra_stack):
            with psycopg.connect(infra_stack.postgres.url, autocommit=True) as user:
                user.execute("create database of_the_user")

        def test_two(postgres):
            pass
        """
    )
    with stacks.start("postgres", directory=suite.root, environment="test") as running:
        running.stay()
    try:
        result = suite.run()

        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(
            ["infra: postgres: * changed the server for later tests: database of_the_user"]
        )
        with (
            stacks.attach(suite.paths.data) as running,
            psycopg.connect(url_of(running.postgres)) as connection,
        ):
            query = "select count(*) from pg_database where datname = 'of_the_user'"
            assert connection.execute(query).fetchone() == (1,)
    finally:
        suite.down()


def test_with_several_workers_a_change_is_reported(suite: Suite, tmp_path: Path) -> None:
    """The test of another worker may have made it."""
    suite.stack(OPTIONS)
    suite.test(
        f"""
        import pathlib, pytest, time

        folder = pathlib.Path({str(tmp_path)!r})

        def meet(own, other):
            (folder / own).touch()
            deadline = time.monotonic() + 60
            while not (folder / other).exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)

        @pytest.mark.xdist_group("first")
        def test_one(postgres_connection):
            meet("one", "two")
            postgres_connection.execute("create role ada")
            postgres_connection.commit()

        @pytest.mark.xdist_group("second")
        def test_two(postgres):
            meet("two", "one")
        """
    )

    result = suite.run("-n", "2", "--dist", "loadgroup")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["infra: postgres: * changed the server for later tests: role ada"])
