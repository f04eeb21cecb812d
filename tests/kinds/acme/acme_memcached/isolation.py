"""A key prefix for each test, or a separate process."""

from __future__ import annotations

import json
from pathlib import Path

from acme_memcached.client import connected
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.slots import Slots
from pytest_infra.isolation.unit import Unit, Units
from pytest_infra.kit_context import KitContext

HINT = "Give its fixture a wider scope."


def units(context: KitContext) -> Units:
    """Return the prefixes or the processes of an instance."""
    return Prefixes(context) if context.variant == "prefix" else Processes(context)


class Prefixes:
    """Numbered prefixes, which the workers of a run share."""

    def __init__(self, context: KitContext) -> None:
        self._server = context.endpoint
        self._slots = Slots(context.stack.data, f"{self._server.name}.prefix", range(1, 257), HINT)

    def acquire(self, label: str) -> Unit:
        """Return a prefix without keys."""
        return self._unit(self._slots.take(self._clean), label)

    def release(self, unit: Unit) -> None:
        """Remove the keys of a unit."""
        self._slots.release(int(unit.id.rpartition("-")[2]), self._clean, keep=unit.keep)

    def close(self) -> list[str]:
        """Return an empty list, because no connection must be closed."""
        return []

    def _unit(self, number: int, label: str = "") -> Unit:
        return Unit(self._server, f"prefix-{number}", label, prefix=f"{number}:")

    def _clean(self, number: int) -> bool:
        with connected(self._unit(number)) as client:
            for key in client.names():
                client.delete(key)
        return True


class Processes:
    """A copy of the server for each test."""

    def __init__(self, context: KitContext) -> None:
        self._server: Endpoint = context.endpoint
        self._copier = Copier(context.endpoint, context.stack.data, context.resolve())

    def acquire(self, label: str) -> Unit:
        """Start a server without items."""
        name = self._copier.make()
        unit = Unit(self._copier.endpoints[name], name, label)
        unit.name = self._server.name
        return unit

    def release(self, unit: Unit) -> None:
        """Stop the server of a unit."""
        if unit.keep:
            self._copier.keep(unit.id)
        else:
            self._copier.remove(unit.id)

    def close(self) -> list[str]:
        """Close the connection to the supervisor."""
        self._copier.close()
        return []


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the keys with their values."""
    with connected(unit) as client:
        items = {key: client.get(key) for key in client.names()}
    path = folder / f"{unit.id}.json"
    path.write_text(json.dumps(items, indent=2), encoding="utf-8")
    return [path]
