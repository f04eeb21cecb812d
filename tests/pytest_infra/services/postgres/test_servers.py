"""The variant `server`: each test has a separate PostgreSQL server."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytest.importorskip("psycopg", reason="the minimal profile has no clients")
pytestmark = pytest.mark.real("postgres")


@pytest.fixture(autouse=True)
def _with_migrations(suite: Suite) -> None:
    suite.stack("[services.postgres]\n")
    (suite.root / "pets.sql").write_text("create table pets (name text); insert into pets values ('Ada');")


def settings(suite: Suite, *lines: str) -> None:
    head = "[pytest]\nfilterwarnings = error\ninfra_postgres_migrations = pets.sql\n"
    suite.pytester.makeini(head + "".join(f"{line}\n" for line in lines))


def test_each_test_with_the_marker_has_its_own_migrated_server(suite: Suite) -> None:
    settings(suite)
    suite.test(
        """
        import psycopg, pytest

        @pytest.mark.infra_isolation(postgres="server")
        @pytest.mark.parametrize("number", range(3))
        def test_own(postgres, postgres_connection, infra_stack, number):
            assert postgres.port != infra_stack.postgres.port
            assert postgres_connection.execute("select name from pets").fetchall() == [("Ada",)]
            postgres_connection.execute("delete from pets")
            postgres_connection.execute("create role ada")
            postgres_connection.commit()
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("create database tenant")
                connection.execute("alter system set work_mem = '65MB'")

        def test_shared(postgres, postgres_connection, infra_stack):
            assert postgres.port == infra_stack.postgres.port
            roles = postgres_connection.execute("select rolname from pg_roles").fetchall()
            assert ("ada",) not in roles
        """
    )

    result = suite.run("-n", "2")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["infra: 1 service, *; 0 processes, 0 ports, 0 sockets left"])
    result.stdout.no_fnmatch_line("*changed the server*")


def test_the_tests_of_a_scope_share_a_server(suite: Suite) -> None:
    settings(suite, "infra_isolation = postgres: server", "infra_scope = postgres: module")
    text = """
        import psycopg

        def test_one(postgres):
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("create role ada")

        def test_two(postgres):
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("drop role ada")
        """
    suite.test(text, "test_first")
    suite.test(text, "test_second")

    suite.run().assert_outcomes(passed=4)


def test_a_failed_test_has_the_log_and_the_dump_of_its_server(suite: Suite) -> None:
    settings(suite, "infra_isolation = postgres: server")
    suite.test(
        """
        def test_it(postgres_connection):
            postgres_connection.execute("insert into pets values ('Grace')")
            postgres_connection.commit()
            postgres_connection.execute("select * from missing")
        """
    )

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured log of postgres.1*", "*missing*does not exist*"])
    (dump,) = (suite.root / ".data-test" / "capsules").rglob("dumps/postgres/postgres.1.sql")
    assert "Grace" in dump.read_text()


def test_a_migration_function_has_the_urls_of_its_server_for_drivers(suite: Suite) -> None:
    suite.stack("[services.postgres]\n")
    suite.test(
        """
        import psycopg, pytest

        pytestmark = pytest.mark.infra_isolation(postgres="server")

        @pytest.fixture(scope="session")
        def infra_postgres_migrations():
            return migrate

        def migrate(database):
            with psycopg.connect(database.url_for("psycopg")) as connection:
                connection.execute("create table pets (name text)")

        def test_it(postgres, infra_url):
            assert infra_url(postgres, "psycopg") == postgres.url_for("psycopg")
            with psycopg.connect(postgres.url_for("psycopg")) as connection:
                assert connection.execute("select * from pets").fetchall() == []
        """
    )

    suite.run().assert_outcomes(passed=1)


def test_a_failing_migration_runs_once_and_leaves_no_server(suite: Suite) -> None:
    settings(suite, "infra_isolation = postgres: server")
    suite.test(
        """
        import pytest

        @pytest.fixture(scope="session")
        def infra_postgres_migrations():
            return migrate

        def migrate(database):
            with open("calls", "a") as file:
                print("called", file=file)
            raise ValueError("no pets")

        def test_one(postgres): ...
        def test_two(postgres): ...
        """
    )

    result = suite.run()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "infra: *test_it.py:10: ValueError: no pets",
            "infra: *test_it.py:10: ValueError: no pets (see the error of test_it.py::test_one)",
            "infra: *; 0 processes, 0 ports, 0 sockets left",
        ]
    )
    assert (suite.root / "calls").read_text().splitlines() == ["called"]


def test_the_migrations_of_each_module_run_once_for_all_workers(suite: Suite) -> None:
    suite.stack("[services.postgres]\n")
    for name in ("pets", "plants"):
        suite.test(
            f"""
            import psycopg, pytest

            pytestmark = pytest.mark.infra_isolation(postgres="server")

            @pytest.fixture(scope="session")
            def infra_postgres_migrations():
                return migrate

            def migrate(database):
                with open("calls", "a") as file:
                    print("{name}", file=file)
                with psycopg.connect(database.url) as connection:
                    connection.execute("create table {name} ()")

            def test_it(postgres_connection):
                query = "select tablename from pg_tables where schemaname = 'public'"
                assert postgres_connection.execute(query).fetchall() == [("{name}",)]
            """,
            f"test_{name}",
        )

    result = suite.run("--tx", "2*popen", "--dist", "each")  # each worker runs all tests

    result.assert_outcomes(passed=4)
    assert sorted((suite.root / "calls").read_text().split()) == ["pets", "plants"]
    result.stdout.fnmatch_lines(["infra: 1 service, *; 0 processes, 0 ports, 0 sockets left"])


def test_a_kind_without_the_variant_is_an_error_that_names_the_kinds_with_it(suite: Suite) -> None:
    suite.test(
        """
        import pytest

        @pytest.mark.infra_isolation(valkey="server")
        def test_it(valkey): ...
        """
    )
    message = (
        "*valkey has no variant 'server'; choose one of *, off; these kinds have this variant: *postgres*"
    )

    suite.run().stdout.fnmatch_lines([f"the marker `infra_isolation`: {message}"])
    settings(suite, "infra_isolation = valkey: server")
    suite.run().stderr.fnmatch_lines([f"*infra_isolation: {message}"])
