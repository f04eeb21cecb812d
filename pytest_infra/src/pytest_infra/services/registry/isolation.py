"""The registry: a separate prefix of repositories for each test.

A registry has no users without a token server, so the test itself must put the prefix before each repository.
"""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.cleared import ClearedUnit, ClearedUnits
from pytest_infra.isolation.connection import CommandError
from pytest_infra.kit_context import KitContext
from pytest_infra.services.registry import protocol


class Prefix(ClearedUnit):
    """An isolation unit of a registry: the repositories below `prefix`."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label, prefix=name, images=f"{server['address']}/{name}")

    def clear(self) -> None:
        """Delete the tagged manifests of this unit; the registry keeps the blobs until garbage collection."""
        for repository in protocol.repositories(self, f"{self['prefix']}/"):
            for digest in {*protocol.tags(self, repository).values()}:
                protocol.delete(self, repository, digest)


def units(context: KitContext) -> ClearedUnits:
    """Return the object that creates isolation units (prefixes of repositories) of a registry."""
    server = context.endpoint
    return ClearedUnits(context.owner, lambda name, label: Prefix(server, name, label), OSError, CommandError)
