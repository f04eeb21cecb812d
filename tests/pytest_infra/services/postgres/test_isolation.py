"""A database for each test: nobody sees another's, and none is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.suite import Suite
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Stack

pytestmark = pytest.mark.real("postgres")

ALONE = "[services.postgres]\n"


@pytest.fixture(autouse=True)
def _with_driver(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.stack(ALONE)


@pytest.fixture
def warm(suite: Suite) -> Iterator[Stack]:
    """The project's stack, held by somebody besides the suite: what is left over can be seen."""
    with stacks.start("postgres", directory=suite.root, environment="test") as stack:
        yield stack


def databases(stack: Stack) -> list[str]:
    """Those that are not PostgreSQL's own."""
    import psycopg

    with psycopg.connect(stack.postgres.socket_url) as connection:
        rows = connection.execute("select datname from pg_database order by 1").fetchall()
    return [name for (name,) in rows if name not in {"postgres", "template0", "template1"}]


TWO_THAT_WOULD_COLLIDE = """
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
def test_each_test_has_a_database_of_its_own(suite: Suite, workers: int) -> None:
    suite.test(TWO_THAT_WOULD_COLLIDE)

    result = suite.run("-n", str(workers))

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["infra: 1 service, *0 processes, 0 ports, 0 sockets left"])


@pytest.mark.parametrize("workers", [0, 2])
def test_only_templates_are_left_in_a_warm_stack(suite: Suite, warm: Stack, workers: int) -> None:
    suite.test(TWO_THAT_WOULD_COLLIDE)

    suite.run("-n", str(workers)).assert_outcomes(passed=8)

    (template,) = databases(warm)
    assert template.startswith("infra_template_")


def test_two_sessions_at_once_share_a_template_and_nothing_else(suite: Suite, warm: Stack) -> None:
    suite.test(TWO_THAT_WOULD_COLLIDE)
    first, second = suite.begin(), suite.begin()

    codes = first.wait(60), second.wait(60)

    assert codes == (0, 0)
    assert len(databases(warm)) == 1


def test_what_a_killed_session_left_the_next_one_removes(suite: Suite, warm: Stack) -> None:
    suite.test("import time\ndef test_it(postgres): time.sleep(600)", "test_hangs")
    suite.test("def test_it(postgres): pass")
    killed = suite.begin("test_hangs.py")
    _until(lambda: any(name.startswith("infra_test_") for name in databases(warm)))
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    left = databases(warm)

    suite.run("test_it.py").assert_outcomes(passed=1)

    assert any(name.startswith("infra_test_") for name in left)
    assert [name for name in databases(warm) if name.startswith("infra_test_")] == []


def test_a_failing_test_gives_its_database_back_too(suite: Suite, warm: Stack) -> None:
    suite.test(
        """
        import psycopg

        def test_it(postgres):
            global connection
            connection = psycopg.connect(postgres.url)  # and it stays open
            raise ValueError
        """
    )

    suite.run("-W", "ignore").assert_outcomes(failed=1)

    assert [name for name in databases(warm) if name.startswith("infra_test_")] == []


# --- migrations ------------------------------------------------------------------------------------

COUNTS = """
import psycopg, pytest

@pytest.mark.parametrize("number", range(4))
def test_it(postgres, number):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("insert into pets values ('Ada')")
        assert connection.execute("select count(*) from pets").fetchone() == (2,)
"""
MIGRATION = "create table pets (name text);\ninsert into pets values ('Grace');\n"


def test_a_folder_of_sql_files_makes_the_template(suite: Suite) -> None:
    (suite.root / "migrations").mkdir()
    (suite.root / "migrations" / "1.sql").write_text("create table pets (name text)")
    (suite.root / "migrations" / "2.sql").write_text("insert into pets values ('Grace')")
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = migrations\n")
    suite.test(COUNTS)

    suite.run("-n", "2").assert_outcomes(passed=4)


def test_a_callable_makes_it_once_for_all_sessions(suite: Suite, warm: Stack) -> None:
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
    suite.test(COUNTS)

    suite.run("-n", "4").assert_outcomes(passed=4)
    suite.run().assert_outcomes(passed=4)

    assert (suite.root / "calls").read_text().splitlines() == ["called"]
    assert len(databases(warm)) == 1


def test_other_migrations_make_another_template(suite: Suite, warm: Stack) -> None:
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = one.sql\n")
    suite.test(COUNTS)
    (suite.root / "one.sql").write_text("create table pets (name text)")
    suite.run().assert_outcomes(failed=4)

    (suite.root / "one.sql").write_text(MIGRATION)

    suite.run().assert_outcomes(passed=4)
    assert len(databases(warm)) == 2


def test_old_templates_go(suite: Suite, warm: Stack) -> None:
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


def test_a_migration_that_fails_is_told_with_its_file(suite: Suite) -> None:
    (suite.root / "wrong.sql").write_text("create tabel pets ()")
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = wrong.sql\n")
    suite.test("def test_one(postgres): pass\n\ndef test_two(postgres): pass")

    result = suite.run()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["infra: */wrong.sql: syntax error*", "*Correct the migration*"])


def test_a_missing_extension_in_a_sql_file_has_a_hint(suite: Suite) -> None:
    (suite.root / "geo.sql").write_text("create extension no_such_extension")
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = geo.sql\n")
    suite.test("def test_it(postgres): pass")

    result = suite.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ['infra: */geo.sql: extension "no_such_extension" is not available*', "*set `binary` in the table*"]
    )


def test_a_missing_extension_in_a_function_has_a_hint(suite: Suite) -> None:
    suite.test(
        """
        import psycopg

        def migrate(database):
            with psycopg.connect(database.url) as connection:
                connection.execute("create extension no_such_extension")

        def test_it(infra_unit):
            with infra_unit("postgres", migrations=migrate):
                pass
        """
    )

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*FeatureNotSupported: extension*", "*set `binary` in the table*"])


def test_alembic_migrates(suite: Suite) -> None:
    pytest.importorskip("alembic")
    scripts = suite.root / "scripts"
    (scripts / "versions").mkdir(parents=True)
    (suite.root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/scripts\n")
    (scripts / "env.py").write_text(ALEMBIC_ENV)
    (scripts / "versions" / "one.py").write_text(
        "from alembic import op\nrevision, down_revision = 'one', None\n"
        f"def upgrade():\n    op.execute({MIGRATION!r})\n"
    )
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = alembic.ini\n")
    suite.test(COUNTS)

    suite.run().assert_outcomes(passed=4)


ALEMBIC_ENV = """
from alembic import context
from sqlalchemy import create_engine

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


# --- trouble ---------------------------------------------------------------------------------------


def test_a_server_that_was_killed_and_came_back_serves_the_next_test(suite: Suite) -> None:
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


def test_a_restored_snapshot_takes_no_later_test_along(suite: Suite) -> None:
    suite.test(
        """
        import psycopg, pytest, time

        @pytest.mark.parametrize("number", range(4))
        def test_it(postgres, infra_stack, number):
            if number == 0:
                infra_stack.snapshot()
            with psycopg.connect(postgres.url) as connection:
                connection.execute("create table pets (name text)")
            time.sleep(0.2)  # until databases are ready for the tests to come
            if number == 2:
                infra_stack.restore()
        """
    )

    suite.run().assert_outcomes(passed=4)


def test_without_psycopg_it_says_what_to_install(suite: Suite) -> None:
    suite.pytester.makeconftest("import sys\nsys.modules['psycopg'] = None")
    suite.test("def test_it(postgres): pass")

    result = suite.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["infra: postgres: *needs psycopg", "Install it with *pytest-infra?postgres?*"]
    )


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
