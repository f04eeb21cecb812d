"""etcd: a separate key prefix for each test.

etcd has users and roles, but it checks them only if each client of the server logs in. Therefore the test
itself must put the prefix before each key.
"""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.cleared import ClearedUnit, ClearedUnits
from pytest_infra.isolation.connection import CommandError
from pytest_infra.kit_context import KitContext
from pytest_infra.services.etcd import protocol


class Prefix(ClearedUnit):
    """An isolation unit of etcd: the keys that begin with `prefix`."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label, prefix=f"{name}/")

    def clear(self) -> None:
        """Remove all keys of this unit."""
        protocol.delete_all(self, self["prefix"].encode())


def units(context: KitContext) -> ClearedUnits:
    """Return the object that creates isolation units (key prefixes) of an etcd server."""
    server = context.endpoint
    return ClearedUnits(context.owner, lambda name, label: Prefix(server, name, label), OSError, CommandError)
