"""MongoDB: a separate database for each test, which is dropped after the test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.services.mongodb.driver import connect


class MongoDatabase(Unit):
    """An isolation unit of MongoDB: a database, whose name is in `url` and in `database`."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label, url=f"{server['url'].rstrip('/')}/{name}", database=name)

    @contextlib.contextmanager
    def example(self) -> Iterator[MongoDatabase]:
        """Yield this database without collections, for one example of Hypothesis."""
        self.drop()
        yield self
        self.drop()

    def drop(self) -> None:
        """Drop the database; the server creates it again when a document is inserted."""
        with connect(self) as client:
            client.drop_database(self.id)


def units(context: KitContext) -> Databases:
    """Return the object that creates isolation units (databases) of a MongoDB server."""
    return Databases(context.endpoint, context.owner)


class Databases:
    """The databases of one process; the server needs no preparation for a new database."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner, self._client = server, owner, connect(server)

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a database that no other test has used."""
        return MongoDatabase(self._server, f"test-{self._owner.name().replace('_', '-')}", label)

    def release(self, unit: Unit) -> None:
        """Drop a database after its test, unless the unit is kept."""
        from pymongo.errors import PyMongoError

        if not unit.keep:
            with contextlib.suppress(PyMongoError):  # the server was stopped
                self._client.drop_database(unit.id)

    def close(self) -> list[str]:
        """Close the connections with which databases are dropped."""
        self._client.close()
        return []


def leftover(endpoint: Endpoint) -> list[str]:
    """Return the names of the databases that belong to units."""
    with connect(endpoint) as client:
        return sorted(name for name in client.list_database_names() if name.startswith("test-"))
