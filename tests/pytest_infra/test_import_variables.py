"""Applications that read a URL when they are imported use the database of the running test."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

APP = """
import os
import psycopg_pool
pool = psycopg_pool.ConnectionPool(os.environ["DATABASE_URL"], min_size=0, max_size=1, open=True)
"""


def settings(suite: Suite, *lines: str) -> None:
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\n" + "".join(f"{line}\n" for line in lines))


@pytest.mark.real("postgres")
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_pool_that_was_created_by_an_import_is_connected_to_the_database_of_each_test(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    """The connection stays open between the tests, with its settings and prepared statements."""
    pytest.importorskip("psycopg_pool", reason="the minimal profile has no clients")
    settings(suite, "infra_variables = DATABASE_URL: postgres")
    suite.stack("[services.postgres]\n")
    suite.pytester.makepyfile(app=APP)
    suite.test(
        """
        import pytest, psycopg, app

        @pytest.mark.parametrize("number", range(6))
        def test_it(postgres, number):
            with app.pool.connection() as connection:
                for _ in range(7):  # psycopg prepares a statement that is executed often
                    row = connection.execute("select %s::int, current_database()", [number]).fetchone()
                assert row == (number, postgres.database)
                connection.execute("create table pets (name text)")
                with connection.cursor().copy("copy pets from stdin") as copy:
                    copy.write_row(["Ada"])
                connection.execute("set timezone = 'Asia/Tokyo'")
            with psycopg.connect(postgres.url) as connection:
                assert connection.execute("select * from pets").fetchall() == [("Ada",)]

        @pytest.fixture(scope="module", autouse=True)
        def closed():
            yield
            app.pool.close()
        """
    )

    suite.run(*workers).assert_outcomes(passed=6)


@pytest.mark.real("postgres")
def test_a_pool_of_asyncpg_is_connected_to_the_database_of_each_test(suite: Suite) -> None:
    """asyncpg keeps its prepared statements, also for tables that only one test has created."""
    pytest.importorskip("asyncpg", reason="the minimal profile has no clients")
    settings(suite, "infra_variables = DATABASE_URL: postgres asyncpg")
    suite.stack("[services.postgres]\n")
    suite.test(
        """
        import asyncio, os, asyncpg, pytest

        @pytest.fixture(scope="module")
        def runner():
            with asyncio.Runner() as runner:
                yield runner

        pools = []

        async def use(number, database):
            if not pools:
                pools.append(await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=1))
            async with pools[0].acquire() as connection:
                assert await connection.fetchval("select current_database()") == database
                await connection.execute("create table pets (number int)")
                await connection.executemany("insert into pets values ($1)", [(number,), (number,)])
                with pytest.raises(TimeoutError):
                    await connection.execute("select pg_sleep(60)", timeout=0.2)
                assert len(await connection.fetch("select * from pets where number = $1", number)) == 2
            if number == 2:
                await pools[0].close()

        @pytest.mark.parametrize("number", range(3))
        def test_it(postgres, runner, number):
            runner.run(use(number, postgres.database))
        """
    )

    suite.run().assert_outcomes(passed=3)


@pytest.mark.real("postgres")
def test_a_connection_outside_a_test_with_the_fixture_gets_an_error(suite: Suite) -> None:
    pytest.importorskip("psycopg", reason="the minimal profile has no clients")
    settings(suite, "infra_variables = DATABASE_URL: postgres")
    suite.stack("[services.postgres]\n")
    suite.test(
        """
        import os, psycopg, pytest

        connection = None

        def test_with_fixture(postgres):
            global connection
            connection = psycopg.connect(os.environ["DATABASE_URL"])
            connection.execute("create table pets (name text)")

        def test_without_fixture():
            with pytest.raises(psycopg.OperationalError, match="needs the fixture `postgres`"):
                psycopg.connect(os.environ["DATABASE_URL"])

        def test_with_the_connection_of_an_ended_test(postgres):
            with pytest.raises(psycopg.OperationalError):
                connection.execute("select * from pets")
            connection.close()
        """
    )

    suite.run().assert_outcomes(passed=3)


@pytest.mark.real("postgres")
def test_a_client_without_the_password_of_the_variable_gets_an_error(suite: Suite) -> None:
    """Every user of the machine can connect to the port of the proxy."""
    pytest.importorskip("psycopg", reason="the minimal profile has no clients")
    settings(suite, "infra_variables = DATABASE_URL: postgres")
    suite.stack("[services.postgres]\n")
    suite.test(
        """
        import os, socket, struct
        from urllib.parse import urlsplit
        import psycopg, pytest

        URL = os.environ["DATABASE_URL"]

        @pytest.mark.parametrize("password", ["infra", "postgres", ""])
        def test_password(postgres, password):
            url = URL.replace(urlsplit(URL).password, password)
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(url)

        def test_long_message(postgres):
            parts = urlsplit(URL)
            with socket.create_connection((parts.hostname, parts.port), timeout=60) as client:
                client.sendall(struct.pack("!I", 1 << 31))
                assert client.recv(1) == b""

        def test_right_password(postgres):
            with psycopg.connect(URL) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
        """
    )

    suite.run().assert_outcomes(passed=5)


def test_nothing_is_started_by_the_variables_and_the_old_value_is_restored(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "before")
    settings(
        suite, "infra_variables =", "    DATABASE_URL: postgres", "    ASYNC_URL: postgres sqlalchemy+asyncpg"
    )
    suite.test(
        """
        import os

        def test_it():
            assert os.environ["DATABASE_URL"].startswith("postgresql://")
            assert os.environ["ASYNC_URL"].startswith("postgresql+asyncpg://")
        """
    )

    suite.run().assert_outcomes(passed=1)

    assert not (suite.root / ".data-test").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("DATABASE_URL", "*'DATABASE_URL' must have the form `VARIABLE: SERVICE *DRIVER*`"),
        ("URL: valkey", "*valkey has no fixed address; kinds with a fixed address: postgres"),
        ("URL: postgres jpa", "*postgres has no URL for the driver 'jpa'; its drivers are: psycopg, *"),
    ],
    ids=["form", "kind", "driver"],
)
def test_an_invalid_line_is_an_error(suite: Suite, line: str, message: str) -> None:
    settings(suite, f"infra_variables = {line}")
    suite.test("def test_it(): ...")

    suite.run().stderr.fnmatch_lines([f"*infra_variables: {message.lstrip('*')}"])
