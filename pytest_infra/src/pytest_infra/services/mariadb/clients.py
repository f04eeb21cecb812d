"""The client fixtures of MariaDB; the clients are connected to the database of the test, as its user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext
from pytest_infra.services.mariadb.driver import WITHOUT_TLS, address

if TYPE_CHECKING:
    import aiomysql
    import pymysql


def connection(context: FixtureContext, unit: Endpoint) -> Iterator[pymysql.Connection[Any]]:
    """Yield a PyMySQL connection to the test's database; uncommitted changes are rolled back at the end."""
    library = context.library("pymysql")
    open_connection = library.connect(**address(unit), **WITHOUT_TLS, database=unit["database"])
    try:
        yield open_connection
    finally:
        if open_connection.open:
            open_connection.close()


async def aiomysql_connection(context: FixtureContext, unit: Endpoint) -> AsyncIterator[aiomysql.Connection]:
    """Yield an aiomysql connection to the test's database; uncommitted changes are rolled back at the end."""
    library = context.library("aiomysql")
    open_connection = await library.connect(**address(unit), db=unit["database"])
    try:
        yield open_connection
    finally:
        await open_connection.ensure_closed()
