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

    With a wider scope of the fixture, there is one unit for each class, module or session. The hook returns a
    context manager, which is entered before the test; the exit removes the unit.
    """

    def __init__(self, server: Endpoint, owner: Owner, hook: pluggy.HookRelay) -> None:
        self._server, self._owner, self._hook = server, owner, hook
        self._open: dict[str, AbstractContextManager[Mapping[str, str]]] = {}

    def acquire(self, label: str) -> Unit:
        """Return the unit that the hook creates; without a hook or if it returns None, the shared server."""
        name = self._owner.name()
        context_manager = self._hook.pytest_infra_isolate(
            service=self._server.name, endpoint=self._server, label=label
        )
        exports = context_manager.__enter__() if context_manager is not None else {}
        if context_manager is not None:
            self._open[name] = context_manager
        return Unit(self._server, name, label, **exports)

    def release(self, unit: Unit) -> None:
        """Exit the context manager of the hook; the context manager removes the unit."""
        context_manager = self._open.pop(unit.id, None)
        if context_manager is not None:
            context_manager.__exit__(None, None, None)

    def close(self) -> list[str]:
        """Return an empty list: the units of a hook are already removed when they are released."""
        return []
