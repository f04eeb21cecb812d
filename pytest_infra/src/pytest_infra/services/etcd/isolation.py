"""etcd: a separate key prefix for each test.

etcd has users and roles, but it checks them only if each client of the server logs in. Therefore the test
itself must put the prefix before each key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.services.etcd import protocol


class Prefix(Unit):
    """An isolation unit of etcd: the keys that begin with `prefix`."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label, prefix=f"{name}/")

    @contextlib.contextmanager
    def example(self) -> Iterator[Prefix]:
        """Yield this unit without keys, for one example of Hypothesis."""
        self.clear()
        yield self
        self.clear()

    def clear(self) -> None:
        """Remove all keys of this unit."""
        protocol.delete_all(self, self["prefix"].encode())


def units(context: KitContext) -> Prefixes:
    """Return the object that creates isolation units (key prefixes) of an etcd server."""
    return Prefixes(context.endpoint, context.owner)


class Prefixes:
    """The prefixes of one process; the server needs no preparation for a new prefix."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a prefix that no other test has used."""
        return Prefix(self._server, self._owner.name(), label)

    def release(self, unit: Unit) -> None:
        """Remove the keys of a prefix after its test, unless the unit is kept."""
        if isinstance(unit, Prefix) and not unit.keep:
            with contextlib.suppress(OSError, CommandError):  # the keys of a stopped server stay
                unit.clear()

    def close(self) -> list[str]:
        """Return an empty list, because no unit exists between two tests."""
        return []
