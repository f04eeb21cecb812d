"""Migrations in suites of users: sources in ini values and fixtures, and errors that are reported once."""

from __future__ import annotations

import pytest

from fakes.suite import Suite
from infra_runtime.engines.local import engine as stacks

pytestmark = pytest.mark.real("postgres")

#: a test in three copies, for which a migration has created the table
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_it(postgres_connection, number):
    assert postgres_connection.execute("select * from pets").fetchall() == [("Grace",)]
"""
#: migrations that record their call in a file and fail
FAILING = """
import psycopg, pytest

def migrate(database):
    with open("calls", "a") as file:
        print("called", file=file)
    with psycopg.connect(database.url) as connection:
        connection.execute("insert into nowhere values (1)")

@pytest.fixture(scope="session")
def infra_postgres_migrations():
    return migrate
"""


@pytest.fixture(autouse=True)
def _with_driver(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.stack("[services.postgres]\n")
    (suite.root / "a.sql").write_text("create table pets (name text)")
    (suite.root / "b.sql").write_text("insert into pets values ('Grace')")


def write_ini(suite: Suite, *lines: str) -> None:
    suite.pytester.makeini("\n".join(["[pytest]", "filterwarnings = error", *lines]))


# --- sources ---------------------------------------------------------------------------------------


def test_a_fixture_may_return_a_list_of_migrations(suite: Suite) -> None:
    suite.pytester.makeconftest(
        """
        import pytest
        from pathlib import Path

        @pytest.fixture(scope="session")
        def infra_postgres_migrations():
            return ["a.sql", Path("b.sql")]
        """
    )
    suite.test(TESTS)

    suite.run().assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\ninfra_postgres_migrations =\n    a.sql\n    b.sql\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\ninfra_postgres_migrations = ['a.sql', 'b.sql']\n"),
        ("pyproject.toml", "[tool.pytest]\ninfra_postgres_migrations = ['a.sql', 'b.sql']\n"),
        ("pyproject.toml", "[tool.pytest]\ninfra_postgres_migrations = 'both.sql'\n"),
    ],
    ids=["lines", "toml as ini", "toml", "text in toml"],
)
def test_the_ini_value_is_a_list(suite: Suite, file: str, text: str) -> None:
    if "[tool.pytest]" in text and int(pytest.__version__.partition(".")[0]) < 9:
        pytest.skip("the table [tool.pytest] requires pytest 9")
    (suite.root / "tox.ini").unlink()  # pytester has written it
    (suite.root / file).write_text(text)
    (suite.root / "both.sql").write_text("create table pets (name text); insert into pets values ('Grace')")
    suite.test(TESTS)

    suite.run("-W", "error").assert_outcomes(passed=3)


def test_a_missing_source_is_reported_once_with_its_index(suite: Suite) -> None:
    write_ini(suite, "infra_postgres_migrations =", "    a.sql", "    c.sql")
    suite.test(TESTS)

    result = suite.run("-rN")

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        ["infra: infra_postgres_migrations?1?: 'c.sql' is not a source of migrations: *c.sql does not exist"]
    )
    assert result.stdout.str().count("(see the error of test_it.py::test_it?0?)".replace("?0?", "[0]")) == 2


def test_migrations_are_read_once_for_all_tests(suite: Suite) -> None:
    suite.pytester.makeconftest(
        """
        import sys

        def opened(event, arguments):
            if event == "open" and str(arguments[0]).endswith("a.sql"):
                with open("opened", "a") as file:
                    print("opened", file=file)

        sys.addaudithook(opened)
        """
    )
    write_ini(suite, "infra_postgres_migrations =", "    a.sql", "    b.sql")
    suite.test(TESTS)

    suite.run().assert_outcomes(passed=3)

    # The file is read for the names of other files, for the key, and when the template is made.
    assert len((suite.root / "opened").read_text().splitlines()) == 3


# --- failures --------------------------------------------------------------------------------------


def calls(suite: Suite) -> int:
    return len((suite.root / "calls").read_text().splitlines())


def test_a_failing_migration_runs_once_and_is_reported_once(suite: Suite) -> None:
    suite.pytester.makeconftest(FAILING)
    suite.test(TESTS)

    result = suite.run("-rN")

    result.assert_outcomes(errors=3)
    text = result.stdout.str()
    assert calls(suite) == 1
    assert text.count("Statement:\n    insert into nowhere values (1)\n") == 1
    first = f'infra: {suite.root}/conftest.py:7: UndefinedTable: relation "nowhere" does not exist'
    assert [line for line in text.splitlines() if line.startswith(first)] == [
        first,
        f"{first} (see the error of test_it.py::test_it[0])",
        f"{first} (see the error of test_it.py::test_it[0])",
    ]


def test_a_failing_migration_runs_once_for_all_workers(suite: Suite) -> None:
    suite.pytester.makeconftest(FAILING)
    suite.test(TESTS.replace("range(3)", "range(12)"))

    # The stack stays, so that a worker that starts late finds it when the others have ended.
    result = suite.run("-rN", "-n", "3", "--infra-reuse-for=60")
    suite.down()

    result.assert_outcomes(errors=12)
    text = result.stdout.str()
    assert calls(suite) == 1
    assert text.count("Statement:\n    insert into nowhere values (1)\n") == 1
    assert text.count("(see the error of test_it.py::test_it[") == 11


def test_the_next_run_runs_a_failed_migration_again(suite: Suite) -> None:
    suite.pytester.makeconftest(FAILING)
    suite.test(TESTS)
    with stacks.start("postgres", directory=suite.root, environment="test"):
        suite.run().assert_outcomes(errors=3)
        suite.run().assert_outcomes(errors=3)

    assert calls(suite) == 2


def test_the_error_of_a_failed_migration_names_its_file(suite: Suite) -> None:
    (suite.root / "wrong.sql").write_text("create tabel pets ()")
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = wrong.sql\n")
    suite.test("def test_one(postgres): pass\n\ndef test_two(postgres): pass")

    result = suite.run()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["infra: */wrong.sql:1: syntax error*", "*Correct the migration*"])
    result.stdout.no_fnmatch_line("*already exists*")


def test_a_missing_extension_in_a_sql_file_has_a_hint(suite: Suite) -> None:
    (suite.root / "geo.sql").write_text("create extension no_such_extension")
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = geo.sql\n")
    suite.test("def test_it(postgres): pass")

    result = suite.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ['infra: */geo.sql:1: extension "no_such_extension" is not available*', "*set `binary` in the table*"]
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
    result.stdout.fnmatch_lines(
        ["infra: */test_it.py:?: FeatureNotSupported: extension*", "*set `binary` in the table*"]
    )
