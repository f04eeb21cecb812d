"""A user's own services: the hook `pytest_infra_isolate` says what a test has of them for itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import pluggy

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit


class Piece(Unit):
    """What the hook has prepared. It ends with the hook's block, and so with the process."""

    keepable = False


class OwnUnits:
    """What the hook gives, as units."""

    def __init__(self, server: Endpoint, owner: Owner, hook: pluggy.HookRelay) -> None:
        self._server, self._owner, self._hook = server, owner, hook
        self._open: dict[str, AbstractContextManager[Mapping[str, str]]] = {}

    def acquire(self, label: str) -> Unit:
        """What the hook prepares; without a hook that knows the service, all of it."""
        name = self._owner.name()
        piece = self._hook.pytest_infra_isolate(service=self._server.name, endpoint=self._server, label=label)
        exports = piece.__enter__() if piece is not None else {}
        if piece is not None:
            self._open[name] = piece
        return Piece(self._server, name, label, **exports)

    def release(self, unit: Unit) -> None:
        """End the hook's block."""
        piece = self._open.pop(unit.id, None)
        if piece is not None:
            piece.__exit__(None, None, None)

    def close(self) -> list[str]:
        """Nothing is open between two calls."""
        return []
