"""PocketBase: a copy of its own for each test, a process of a few milliseconds' start on a copied folder.

To empty collections by the API would leave settings, schemas, files, logs and rate limits as they were.
"""

from __future__ import annotations

from pathlib import Path

from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext

SHARED = ("--hooksDir=", "--migrationsDir=", "--publicDir=")


def units(context: KitContext) -> Copies:
    """Return the copies of an instance."""
    return Copies(context.endpoint, context.stack.data, context.resolve())


class Copies:
    """Processes, one of them ready ahead."""

    def __init__(self, server: Endpoint, stack: Path, resolved: Resolved) -> None:
        self._server = server
        self._copier = Copier(server, stack, resolved, shared=SHARED)
        self._pool = Pool(self._copier, server.name, most=1)

    def acquire(self, label: str) -> Unit:
        """A copy as it was prepared: the superuser, and what the migrations made."""
        name = self._pool.take()
        unit = Unit(self._copier.endpoints[name], name, label)
        unit.name = self._server.name
        return unit

    def release(self, unit: Unit) -> None:
        """End it in the background, and remove its folder."""
        if unit.keep:
            self._copier.keep(unit.id)
        else:
            self._pool.give_back(unit.id)

    def close(self) -> list[str]:
        """End what is left."""
        return self._pool.close()
