"""The client fixtures of PostgreSQL, for the test's database; `transaction` uses one for the session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.isolation.unit import UnitOf
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import asyncpg
    import psycopg


def connection(context: FixtureContext, unit: Endpoint) -> Iterator[psycopg.Connection[Any]]:
    """Yield a psycopg connection to the test's database; uncommitted changes are rolled back at the end."""
    library = context.library("psycopg")
    open_connection = library.connect(_fastest_url(unit), application_name=context.label.name)
    try:
        yield open_connection
    finally:
        open_connection.close()


def session_database(
    context: FixtureContext, unit_of: UnitOf, migrations: Migrations | None
) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection to a database that all tests of the session share, for the fixture `transaction`."""
    library = context.library("psycopg")
    with unit_of(context.service, f"{context.service}_transaction", migrations=migrations) as database:
        open_connection = library.connect(_fastest_url(database))
        try:
            yield open_connection
        finally:
            open_connection.close()


def transaction(
    context: FixtureContext, connection: psycopg.Connection[Any]
) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection inside a transaction that is rolled back after the test.

    This is the fastest isolation. The tested code has to use this connection and must not call `commit`. The
    code can use `connection.transaction()`, which creates a savepoint.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("select set_config('application_name', %s, true)", [context.label.name])
        yield connection


async def asyncpg_connection(context: FixtureContext, unit: Endpoint) -> AsyncIterator[asyncpg.Connection]:
    """Yield an asyncpg connection to the database of the test; it is closed after the test."""
    library = context.library("asyncpg")
    settings = {"application_name": context.label.name}
    open_connection = await library.connect(unit.url, server_settings=settings)
    try:
        yield open_connection
    finally:
        await open_connection.close()


def _fastest_url(database: Endpoint) -> str:
    """Return the URL of the socket if the server has one, otherwise the URL with the port.

    A connection to the socket does not need a password and takes half the time.
    """
    return database.get("socket_url", database.url)
