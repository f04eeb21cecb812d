"""A database for each test: tests do not share data, and no database is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.suite import Suite
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Endpoint, Stack
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.services.postgres.isolation import template_key

pytestmark = pytest.mark.real("postgres")

STACK = "[services.postgres]\n"


@pytest.fixture(autouse=True)
def _with_driver(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.stack(STACK)


@pytest.fixture
def warm(suite: Suite) -> Iterator[Stack]:
    """The project's stack, which keeps running after the inner pytest: its databases can be listed."""
    with stacks.start("postgres", directory=suite.root, environment="test") as stack:
        yield stack


def databases(stack: Stack) -> list[str]:
    """Return the names of the databases, without those that every cluster has."""
    import psycopg

    with psycopg.connect(stack.postgres.socket_url) as connection:
        rows = connection.execute("select datname from pg_database order by 1").fetchall()
    return [name for (name,) in rows if name not in {"postgres", "template0", "template1"}]


CREATES_SAME_TABLE = """
import psycopg, pytest

@pytest.mark.parametrize("number", range(8))
def test_it(postgres, infra_stack, number):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("create table pets (name text)")
        connection.execute("insert into pets values ('Ada')")
        assert connection.execute("select count(*) from pets").fetchone() == (1,)
        assert connection.execute("select current_database()").fetchone() == (postgres.database,)
    with psycopg.connect(postgres.socket_url) as connection:
        assert connection.execute("select count(*) from pets").fetchone() == (1,)
    assert infra_stack.postgres.database == "postgres"
    assert postgres.password not in repr(postgres)
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_each_test_has_its_own_database(suite: Suite, workers: int) -> None:
    suite.test(CREATES_SAME_TABLE)

    result = suite.run("-n", str(workers))

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["infra: 1 service, *0 processes, 0 ports, 0 sockets left"])


@pytest.mark.parametrize("workers", [0, 2])
def test_only_the_template_is_left_in_a_stack_that_keeps_running(
    suite: Suite, warm: Stack, workers: int
) -> None:
    suite.test(CREATES_SAME_TABLE)

    suite.run("-n", str(workers)).assert_outcomes(passed=8)

    (template,) = databases(warm)
    assert template.startswith("infra_template_")


def test_two_simultaneous_sessions_share_the_template_only(suite: Suite, warm: Stack) -> None:
    suite.test(CREATES_SAME_TABLE)
    first, second = suite.begin(), suite.begin()

    exit_statuses = first.wait(300), second.wait(300)

    assert exit_statuses == (0, 0)
    assert len(databases(warm)) == 1


def test_the_next_session_removes_the_databases_of_a_killed_session(suite: Suite, warm: Stack) -> None:
    suite.test("import time\ndef test_it(postgres): time.sleep(600)", "test_hangs")
    suite.test("def test_it(postgres): pass")
    killed = suite.begin("test_hangs.py")
    _until(lambda: any(name.startswith("infra_test_") for name in databases(warm)))
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    after_kill = databases(warm)

    suite.run("test_it.py").assert_outcomes(passed=1)

    assert any(name.startswith("infra_test_") for name in after_kill)
    assert [name for name in databases(warm) if name.startswith("infra_test_")] == []


def test_the_database_of_a_failed_test_is_removed_although_a_connection_is_open(
    suite: Suite, warm: Stack
) -> None:
    suite.test(
        """
        import psycopg

        def test_it(postgres):
            global connection
            connection = psycopg.connect(postgres.url)  # the test does not close it
            raise ValueError
        """
    )

    suite.run("-W", "ignore").assert_outcomes(failed=1)

    assert [name for name in databases(warm) if name.startswith("infra_test_")] == []


def test_a_database_needs_no_request_to_the_supervisor(suite: Suite) -> None:
    suite.test(
        """
        import pytest
        from infra_runtime.engines.local.client import Client

        requests = []
        original = Client.call

        def call(self, method, *arguments, **options):
            requests.append(method)
            return original(self, method, *arguments, **options)

        Client.call = call

        @pytest.mark.parametrize("number", range(5))
        def test_it(postgres_connection, number):
            assert number < 2 or requests == []
            requests.clear()
            postgres_connection.execute("create table pets (name text)")
        """
    )

    suite.run().assert_outcomes(passed=5)


def test_databases_are_not_dropped_one_by_one_if_the_server_stops(suite: Suite) -> None:
    suite.pytester.makeconftest(
        """
        from pytest_infra.isolation.pool import Pool

        original = Pool.close

        def close(self, *, remove=True):
            with open("closed", "a") as file:
                print(remove, file=file)
            return original(self, remove=remove)

        Pool.close = close
        """
    )
    suite.test("def test_it(postgres): pass")

    suite.run().assert_outcomes(passed=1)
    with stacks.start("postgres", directory=suite.root, environment="test"):
        suite.run().assert_outcomes(passed=1)

    assert (suite.root / "closed").read_text().split() == ["False", "True"]


# --- extensions ------------------------------------------------------------------------------------


def test_the_databases_of_the_tests_have_the_extensions_of_the_stack_file(suite: Suite) -> None:
    suite.stack("[services.postgres]\nextensions = ['earthdistance']\n")
    suite.test(
        """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_it(postgres_connection, number):
            rows = postgres_connection.execute("select extname from pg_extension order by 1").fetchall()
            assert [name for (name,) in rows] == ["cube", "earthdistance", "plpgsql"]
            postgres_connection.execute("create table places as select '(1, 2, 3)'::cube as place")
            postgres_connection.commit()
        """
    )

    suite.run().assert_outcomes(passed=3)


def test_other_extensions_have_another_template(tmp_path: Path) -> None:
    """A cluster that exists can get new extensions, but its templates do not get them."""
    server = Endpoint("postgres", {}, {}, str(tmp_path))
    migrations = Migrations(run=print, key="0123456789abcdef")

    keys = [template_key(migrations, server)]
    for names in ("vector\n", "vector\ncube\n"):
        (tmp_path / "extensions").write_text(names)
        keys.append(template_key(migrations, server))

    assert keys[0] == migrations.key
    assert len({*keys}) == 3


# --- migrations ------------------------------------------------------------------------------------

USES_MIGRATED_TABLE = """
import psycopg, pytest

@pytest.mark.parametrize("number", range(4))
def test_it(postgres, number):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("insert into pets values ('Ada')")
        assert connection.execute("select count(*) from pets").fetchone() == (2,)
"""
MIGRATION = "create table pets (name text);\ninsert into pets values ('Grace');\n"


def test_the_sql_files_of_a_folder_are_applied_in_order(suite: Suite) -> None:
    (suite.root / "migrations").mkdir()
    (suite.root / "migrations" / "1.sql").write_text("create table pets (name text)")
    (suite.root / "migrations" / "2.sql").write_text("insert into pets values ('Grace')")
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = migrations\n")
    suite.test(USES_MIGRATED_TABLE)

    suite.run("-n", "2").assert_outcomes(passed=4)


def test_a_migration_function_is_called_once_for_all_sessions(suite: Suite, warm: Stack) -> None:
    suite.pytester.makeconftest(
        f"""
        import pytest, psycopg

        def migrate(database):
            with open("calls", "a") as file:
                print("called", file=file)
            with psycopg.connect(database.url) as connection:
                connection.execute({MIGRATION!r})

        @pytest.fixture(scope="session")
        def infra_postgres_migrations():
            return migrate
        """
    )
    suite.test(USES_MIGRATED_TABLE)

    suite.run("-n", "4").assert_outcomes(passed=4)
    suite.run().assert_outcomes(passed=4)

    assert (suite.root / "calls").read_text().splitlines() == ["called"]
    assert len(databases(warm)) == 1


def test_changed_migrations_make_another_template(suite: Suite, warm: Stack) -> None:
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = one.sql\n")
    suite.test(USES_MIGRATED_TABLE)
    (suite.root / "one.sql").write_text("create table pets (name text)")
    suite.run().assert_outcomes(failed=4)

    (suite.root / "one.sql").write_text(MIGRATION)

    suite.run().assert_outcomes(passed=4)
    assert len(databases(warm)) == 2


def test_old_templates_are_removed(suite: Suite, warm: Stack) -> None:
    suite.test(
        """
        import pytest
        from pytest_infra import Migrations

        @pytest.mark.parametrize("version", range(8))
        def test_it(infra_unit, version):
            migrations = Migrations.of(lambda database: None, version=str(version))
            with infra_unit("postgres", migrations=migrations) as unit:
                assert unit.database
        """
    )

    suite.run().assert_outcomes(passed=8)

    assert len(databases(warm)) == 4


# --- failures --------------------------------------------------------------------------------------


def test_the_next_test_gets_a_database_after_the_server_was_killed_and_started_again(suite: Suite) -> None:
    suite.test(
        """
        import psycopg, pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(postgres, infra_stack, number):
            with psycopg.connect(postgres.url) as connection:
                connection.execute("create table pets (name text)")
            if number < 3:
                infra_stack.kill("postgres")
                infra_stack.start("postgres")
        """
    )

    suite.run().assert_outcomes(passed=4)


def test_later_tests_get_databases_after_a_snapshot_was_restored(suite: Suite) -> None:
    suite.test(
        """
        import psycopg, pytest, time

        @pytest.mark.parametrize("number", range(4))
        def test_it(postgres, infra_stack, number):
            if number == 0:
                infra_stack.snapshot()
            with psycopg.connect(postgres.url) as connection:
                connection.execute("create table pets (name text)")
            time.sleep(0.2)  # the pool makes databases ahead, which the restored snapshot does not contain
            if number == 2:
                infra_stack.restore()
        """
    )

    suite.run().assert_outcomes(passed=4)


def test_the_error_without_psycopg_has_the_command_that_installs_it(suite: Suite) -> None:
    suite.pytester.makeconftest("import sys\nsys.modules['psycopg'] = None")
    suite.test("def test_it(postgres): pass")

    result = suite.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["infra: postgres: *needs psycopg", "Install psycopg with *pytest-infra?postgres?*"]
    )


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
