"""The fixtures of MongoDB that return clients of the library PyMongo."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase
    from pymongo.database import Database

#: the name of the database that all tests use if they share the server
SHARED = "test"


def database(context: FixtureContext, unit: Endpoint) -> Iterator[Database[dict[str, Any]]]:
    """Yield the test's database as a `Database` of PyMongo."""
    with context.library("pymongo").MongoClient(unit["url"], appname=context.label.name) as client:
        yield client.get_default_database(SHARED)


async def async_database(
    context: FixtureContext, unit: Endpoint
) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """Yield the test's database as an `AsyncDatabase` of PyMongo."""
    async with context.library("pymongo").AsyncMongoClient(unit["url"], appname=context.label.name) as client:
        yield client.get_default_database(SHARED)
