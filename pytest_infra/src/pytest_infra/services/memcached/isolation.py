"""memcached: a separate key prefix for each test.

memcached has no databases and no users, so the test itself must put the prefix before each key.
"""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.cleared import ClearedUnit, ClearedUnits
from pytest_infra.isolation.connection import CommandConnection, CommandError
from pytest_infra.kit_context import KitContext
from pytest_infra.services.memcached.protocol import MemcachedConnection


class Prefix(ClearedUnit):
    """An isolation unit of memcached: the keys that begin with `prefix`."""

    def __init__(
        self, server: Endpoint, connection: CommandConnection[MemcachedConnection], name: str, label: str
    ) -> None:
        super().__init__(server, name, label, prefix=f"{name}:")
        self._connection = connection

    def clear(self) -> None:
        """Remove all items of this unit."""
        self._connection.run(self._clear)

    def _clear(self, connection: MemcachedConnection) -> None:
        connection.remove(connection.keys(self["prefix"].encode()))


def units(context: KitContext) -> ClearedUnits:
    """Return the object that creates isolation units (key prefixes) of a memcached server."""
    server = context.endpoint
    connection = CommandConnection(lambda: MemcachedConnection(server))

    def make(name: str, label: str) -> Prefix:
        return Prefix(server, connection, name, label)

    return ClearedUnits(context.owner, make, OSError, CommandError, close=connection.close)
