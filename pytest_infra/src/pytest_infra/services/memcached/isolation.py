"""memcached: a separate key prefix for each test.

memcached has no databases and no users, so the test itself must put the prefix before each key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandConnection, CommandError
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.services.memcached.protocol import MemcachedConnection


class Prefix(Unit):
    """An isolation unit of memcached: the keys that begin with `prefix`."""

    def __init__(
        self, server: Endpoint, connection: CommandConnection[MemcachedConnection], name: str, label: str
    ) -> None:
        super().__init__(server, name, label, prefix=f"{name}:")
        self._connection = connection

    @contextlib.contextmanager
    def example(self) -> Iterator[Prefix]:
        """Yield this unit without items, for one example of Hypothesis."""
        self.clear()
        yield self
        self.clear()

    def clear(self) -> None:
        """Remove all items of this unit."""
        self._connection.run(self._clear)

    def _clear(self, connection: MemcachedConnection) -> None:
        connection.remove(connection.keys(self["prefix"].encode()))


def units(context: KitContext) -> Prefixes:
    """Return the object that creates isolation units (key prefixes) of a memcached server."""
    return Prefixes(context.endpoint, context.owner)


class Prefixes:
    """The prefixes of one process; the server needs no preparation for a new prefix."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner
        self._connection = CommandConnection(lambda: MemcachedConnection(server))

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a prefix that no other test has used."""
        return Prefix(self._server, self._connection, self._owner.name(), label)

    def release(self, unit: Unit) -> None:
        """Remove the items of a prefix after its test, unless the unit is kept."""
        if isinstance(unit, Prefix) and not unit.keep:
            with contextlib.suppress(OSError, CommandError):  # a stopped server has no items
                unit.clear()

    def close(self) -> list[str]:
        """Close this process's connection to the server, with which items are removed."""
        self._connection.close()
        return []
