"""MongoDB: a separate database for each test, which is dropped after the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.cleared import ClearedUnit, ClearedUnits
from pytest_infra.kit_context import KitContext
from pytest_infra.services.mongodb.driver import connect

if TYPE_CHECKING:
    from pymongo import MongoClient


class MongoDatabase(ClearedUnit):
    """An isolation unit of MongoDB: a database, whose name is in `url` and in `database`."""

    def __init__(self, server: Endpoint, client: MongoClient[dict[str, Any]], name: str, label: str) -> None:
        super().__init__(server, name, label, url=f"{server['url'].rstrip('/')}/{name}", database=name)
        self._client = client

    def clear(self) -> None:
        """Drop the database; the server creates it again when a document is inserted."""
        self._client.drop_database(self.id)


def units(context: KitContext) -> ClearedUnits:
    """Return the object that creates isolation units (databases) of a MongoDB server."""
    server, client = context.endpoint, connect(context.endpoint)
    from pymongo.errors import PyMongoError

    def make(name: str, label: str) -> MongoDatabase:
        return MongoDatabase(server, client, f"test-{name.replace('_', '-')}", label)

    return ClearedUnits(context.owner, make, PyMongoError, close=client.close)


def leftover(endpoint: Endpoint) -> list[str]:
    """Return the names of the databases that belong to units."""
    with connect(endpoint) as client:
        return sorted(name for name in client.list_database_names() if name.startswith("test-"))
