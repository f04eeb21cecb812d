"""The isolation units that the user's hook `pytest_infra_isolate` creates."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import pluggy

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext


def units(context: KitContext) -> HookUnits:
    """Return the units of a service that has no service kit."""
    return HookUnits(context.endpoint, context.owner, context.config.hook)


class HookUnits:
    """The isolation units that the hook `pytest_infra_isolate` creates, one unit for each test.

    The hook returns a context manager, which is entered before the test; the exit removes the unit.
    """

    def __init__(self, server: Endpoint, owner: Owner, hook: pluggy.HookRelay) -> None:
        self._server, self._owner, self._hook = server, owner, hook
        self._open: dict[str, AbstractContextManager[Mapping[str, str]]] = {}

    def acquire(self, label: str) -> Unit:
        """Return the isolation unit that the hook creates for a test; without a hook, the shared server."""
        name = self._owner.name()
        block = self._hook.pytest_infra_isolate(service=self._server.name, endpoint=self._server, label=label)
        exports = block.__enter__() if block is not None else {}
        if block is not None:
            self._open[name] = block
        return Unit(self._server, name, label, **exports)

    def release(self, unit: Unit) -> None:
        """Exit the context manager of the hook; the context manager removes the unit."""
        block = self._open.pop(unit.id, None)
        if block is not None:
            block.__exit__(None, None, None)

    def close(self) -> list[str]:
        """Return an empty list: the units of a hook are already removed after each test."""
        return []
