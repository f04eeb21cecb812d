"""Isolation units that the user's hook `pytest_infra_isolate` prepares."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import pluggy

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext


def units(context: KitContext) -> HookUnits:
    """Return the units of a service without a kit."""
    return HookUnits(context.endpoint, context.owner, context.config.hook)


class HookUnits:
    """The units that the hook prepares, one for each test; a unit ends with the hook's block."""

    def __init__(self, server: Endpoint, owner: Owner, hook: pluggy.HookRelay) -> None:
        self._server, self._owner, self._hook = server, owner, hook
        self._open: dict[str, AbstractContextManager[Mapping[str, str]]] = {}

    def acquire(self, label: str) -> Unit:
        """Return the unit that the hook prepares; if no hook isolates the service, the shared server."""
        name = self._owner.name()
        block = self._hook.pytest_infra_isolate(service=self._server.name, endpoint=self._server, label=label)
        exports = block.__enter__() if block is not None else {}
        if block is not None:
            self._open[name] = block
        return Unit(self._server, name, label, **exports)

    def release(self, unit: Unit) -> None:
        """End the hook's block."""
        block = self._open.pop(unit.id, None)
        if block is not None:
            block.__exit__(None, None, None)

    def close(self) -> list[str]:
        """Return an empty list: no block is open between two tests."""
        return []
