"""PocketBase: a separate process with a copied folder for each test; the process starts in milliseconds.

If each test only deleted its records through the API, the settings, schemas, files, logs and rate limits
would not be reset.
"""

from __future__ import annotations

from pathlib import Path

from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext

#: the flags whose folders all copies share with the service
SHARED = ("--hooksDir=", "--migrationsDir=", "--publicDir=")


def units(context: KitContext) -> Copies:
    """Return the object that provides isolation units (copies) of a PocketBase service."""
    return Copies(context.endpoint, context.stack.data, context.resolve())


class Copies:
    """The isolation units of PocketBase: copies of the service; one copy is started in advance."""

    def __init__(self, server: Endpoint, stack: Path, resolved: Resolved) -> None:
        self._server = server
        self._copier = Copier(server, stack, resolved, shared=SHARED)
        self._pool = Pool(self._copier, server.name, max_ahead=1)

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a copy of PocketBase with only the superuser and the migrated tables."""
        name = self._pool.take()
        unit = Unit(self._copier.endpoints[name], name, label)
        unit.name = self._server.name
        return unit

    def release(self, unit: Unit) -> None:
        """Stop a test's copy and remove its folder, in the background; a unit whose `keep` is set is kept."""
        if unit.keep:
            self._copier.keep(unit.id)
        else:
            self._pool.give_back(unit.id)

    def close(self) -> list[str]:
        """Stop the copies of PocketBase in the pool; return the names of copies that could not be stopped."""
        return self._pool.close()
