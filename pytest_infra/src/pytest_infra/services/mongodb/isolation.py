"""MongoDB: a separate database for each test, which is dropped after the test."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.services.mongodb_indexes import FILE
from pytest_infra.isolation.cleared import ClearedUnit, ClearedUnits
from pytest_infra.kit_context import KitContext
from pytest_infra.services.mongodb.driver import connect

if TYPE_CHECKING:
    from pymongo import MongoClient


class MongoDatabase(ClearedUnit):
    """An isolation unit of MongoDB: a database, whose name is in `url` and in `database`.

    `indexes` contains the commands that create the indexes that the stack file declares.
    """

    def __init__(
        self,
        server: Endpoint,
        client: MongoClient[dict[str, Any]],
        name: str,
        label: str,
        indexes: Sequence[Mapping[str, Any]],
    ) -> None:
        url = f"mongodb://{server['host']}:{server['port']}/{name}"
        super().__init__(server, name, label, url=url, database=name)
        self._client, self._indexes = client, indexes
        self._create_indexes()

    def _create_indexes(self) -> None:
        for command in self._indexes:
            self._client[self.id].command(dict(command))

    def clear(self) -> None:
        """Drop the database; the server creates it again when a document is inserted."""
        self._client.drop_database(self.id)

    @contextlib.contextmanager
    def example(self) -> Iterator[Any]:
        """Yield this database with its indexes and without documents, for one Hypothesis example."""
        self._empty()
        yield self
        self._empty()

    def _empty(self) -> None:
        self.clear()
        self._create_indexes()


def units(context: KitContext) -> ClearedUnits:
    """Return the object that creates isolation units (databases) of a MongoDB server."""
    server, client = context.endpoint, connect(context.endpoint)
    indexes = json.loads((server.data / FILE).read_bytes())
    from pymongo.errors import PyMongoError

    def make(name: str, label: str) -> MongoDatabase:
        return MongoDatabase(server, client, f"test-{name.replace('_', '-')}", label, indexes)

    return ClearedUnits(context.owner, make, PyMongoError, close=client.close)


def leftover(endpoint: Endpoint) -> list[str]:
    """Return the names of the databases that belong to units."""
    with connect(endpoint) as client:
        return sorted(name for name in client.list_database_names() if name.startswith("test-"))
