"""Clients as fixtures: each connected to the test's unit, and closed when the test is over.

A library is imported when a test asks for its client. The asynchronous ones run in the test's loop.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_infra.fixtures import label_of
from pytest_infra.isolation.loops import Loops

if TYPE_CHECKING:
    import asyncpg
    import httpx
    import psycopg
    import valkey
    import valkey.asyncio
    from nats.aio.client import Client as NatsClient

    from infra_runtime.engines.local.stack import Endpoint
    from pytest_infra.services.postgres.migrations import Source
    from pytest_infra.types import AsyncHttpClient, HttpClient, UnitOf

#: module → what to install
INSTALL = {
    "psycopg": "pytest-infra[postgres]",
    "asyncpg": "asyncpg",
    "nats": "pytest-infra[nats]",
    "valkey": "pytest-infra[valkey]",
    "httpx": "pytest-infra[clients]",
    "pytest_asyncio": "pytest-infra[clients]",
}


def of(config: pytest.Config) -> ModuleType:
    """A plugin with all of them; where nothing runs the asynchronous ones they say what is missing."""
    synchronous = (postgres_connection, postgres_transaction, valkey_client, http_client)
    asynchronous = (postgres_asyncpg, nats_client, valkey_async_client, http_async_client)
    loops = Loops(config)
    plugin = ModuleType("pytest_infra.clients")
    plugin.__dict__.update(
        {function.__name__: pytest.fixture(function) for function in synchronous},
        _postgres_rehearsal=pytest.fixture(scope="session")(_postgres_rehearsal),
        pytest_fixture_setup=loops.pytest_fixture_setup,
        **{function.__name__: loops.fixture(function, _missing(function)) for function in asynchronous},
    )
    return plugin


def _missing(function: Callable[..., AsyncIterator[Any]]) -> Callable[[], None]:
    def missing() -> None:
        _library("pytest_asyncio", function.__name__)
        pytest.fail(
            f"{function.__name__} needs pytest-asyncio, which `-p no:asyncio` leaves out, or anyio's marker",
            pytrace=False,
        )

    missing.__doc__ = function.__doc__
    return missing


def _library(name: str, fixture: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.fail(
            f"{fixture} needs {name.replace('_', '-')}: python -m pip install '{INSTALL[name]}'",
            pytrace=False,
        )


# --- PostgreSQL ------------------------------------------------------------------------------------


def postgres_connection(
    request: pytest.FixtureRequest, postgres: Endpoint
) -> Iterator[psycopg.Connection[Any]]:
    """A psycopg connection to the test's database. What was not committed is rolled back."""
    library = _library("psycopg", "postgres_connection")
    connection = library.connect(_nearest(postgres), application_name=label_of(request.node).name)
    try:
        yield connection
    finally:
        connection.close()


def _postgres_rehearsal(
    infra_unit: UnitOf, infra_postgres_migrations: Source
) -> Iterator[psycopg.Connection[Any]]:
    library = _library("psycopg", "postgres_transaction")
    with infra_unit("postgres", "postgres_transaction", migrations=infra_postgres_migrations) as database:
        connection = library.connect(_nearest(database))
        try:
            yield connection
        finally:
            connection.close()


def postgres_transaction(
    request: pytest.FixtureRequest, _postgres_rehearsal: psycopg.Connection[Any]
) -> Iterator[psycopg.Connection[Any]]:
    """A psycopg connection inside a transaction that is rolled back after the test.

    The cheapest there is, for code that takes a connection and leaves `commit` to others: it may use
    `connection.transaction()`, which makes a savepoint. The database is one for the session.
    """
    connection = _postgres_rehearsal
    with connection.transaction(force_rollback=True):
        connection.execute("select set_config('application_name', %s, true)", [label_of(request.node).name])
        yield connection


async def postgres_asyncpg(
    request: pytest.FixtureRequest, postgres: Endpoint
) -> AsyncIterator[asyncpg.Connection]:
    """An asyncpg connection to the test's database."""
    library = _library("asyncpg", "postgres_asyncpg")
    settings = {"application_name": label_of(request.node).name}
    connection = await library.connect(postgres.url, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


def _nearest(database: Endpoint) -> str:
    """The socket, where there is one: it needs no password, and half the time."""
    return database.get("socket_url", database.url)


# --- NATS, Valkey ----------------------------------------------------------------------------------


async def nats_client(request: pytest.FixtureRequest, nats: Endpoint) -> AsyncIterator[NatsClient]:
    """A nats-py client in the test's account: `await nats_client.publish("orders", b"1")`."""
    library = _library("nats", "nats_client")
    client = await library.connect(nats.url, name=label_of(request.node).name)
    try:
        yield client
    finally:
        await client.close()


def valkey_client(request: pytest.FixtureRequest, valkey: Endpoint) -> Iterator[valkey.Valkey]:
    """A client of valkey-py, or of redis-py, that answers texts: `valkey_client.set("stock", 1)`."""
    library, name = _valkey("", "valkey_client"), label_of(request.node).name
    client = library.from_url(valkey.url, decode_responses=True, client_name=name)
    try:
        yield client
    finally:
        client.close()


async def valkey_async_client(
    request: pytest.FixtureRequest, valkey: Endpoint
) -> AsyncIterator[valkey.asyncio.Valkey]:
    """The same for `await`."""
    library, name = _valkey(".asyncio", "valkey_async_client"), label_of(request.node).name
    client = library.from_url(valkey.url, decode_responses=True, client_name=name)
    try:
        yield client
    finally:
        await client.aclose()


def _valkey(part: str, fixture: str) -> Any:
    for library in ("valkey", "redis"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(library + part)
    return _library("valkey", fixture)


# --- HTTP ------------------------------------------------------------------------------------------


def http_client(request: pytest.FixtureRequest) -> Iterator[HttpClient]:
    """Makes httpx clients bound to a service, by name or endpoint: `http_client("api").get("/orders")`."""
    library = _library("httpx", "http_client")
    made: list[httpx.Client] = []

    def client(service: str | Endpoint, **options: Any) -> httpx.Client:
        made.append(library.Client(**_bound(request, service, options)))
        return made[-1]

    try:
        yield client
    finally:
        for each in made:
            each.close()


async def http_async_client(request: pytest.FixtureRequest) -> AsyncIterator[AsyncHttpClient]:
    """The same for `await`."""
    library = _library("httpx", "http_async_client")
    made: list[httpx.AsyncClient] = []

    def client(service: str | Endpoint, **options: Any) -> httpx.AsyncClient:
        made.append(library.AsyncClient(**_bound(request, service, options)))
        return made[-1]

    try:
        yield client
    finally:
        for each in made:
            await each.aclose()


def _bound(
    request: pytest.FixtureRequest, service: str | Endpoint, options: dict[str, Any]
) -> dict[str, Any]:
    endpoint: Endpoint = (
        request.getfixturevalue(service.replace("-", "_")) if isinstance(service, str) else service
    )
    own = {"Host": endpoint["host_name"]} if "host_name" in endpoint else {}
    # What the environment says of proxies is not meant for this machine.
    return {
        "base_url": endpoint.url,
        "trust_env": False,
        **options,
        "headers": {**label_of(request.node).headers, **own, **options.get("headers", {})},
    }
