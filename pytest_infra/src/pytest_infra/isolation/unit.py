"""Isolation units, and the interface of a kit: a unit is acquired for a test, and released after it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError


class Unit(Endpoint):
    """The part of a service that one test uses: the service's exports, except those that differ."""

    def __init__(self, server: Endpoint, unit_id: str, label: str, **exports: str) -> None:
        super().__init__(server.name, {**server, **exports}, server.ports, str(server.data), server.sensitive)
        #: the supervised service with the unit: the shared server, or a copy
        self.process = server.name
        #: its name in the service: that of a database or an account, or a prefix
        self.id = unit_id
        #: the id of the test, module or class that uses it
        self.label = label
        #: do not remove it when it is released
        self.keep = False
        #: why it cannot be kept after its process exits; empty if it can
        self.unkeepable = ""

    def example(self) -> AbstractContextManager[Any]:
        """Return a context manager for an empty part of this unit, for one example of Hypothesis."""
        raise ConfigurationError(
            f"{self.name} does not support `example()`: no part of its units can be made in a millisecond",
            hint=f'Use a separate unit in each example: `with infra_unit("{self.name}") as {self.name}:`.',
        )

    def renew(self) -> None:
        """Restore the parts of the unit that a restart of the server has removed."""

    def describe(self) -> dict[str, str]:
        """Return its service, its id and its label, without secrets."""
        return {"service": self.name, "id": self.id, "label": self.label}

    def __repr__(self) -> str:
        return f"<Unit {self.id} of {self.name}>"


class Units(Protocol):
    """The units of one service in this process."""

    @abstractmethod
    def acquire(self, label: str) -> Unit:
        """Return an empty unit that no other test uses."""

    @abstractmethod
    def release(self, unit: Unit) -> None:
        """Remove a unit, unless its `keep` is set."""

    @abstractmethod
    def close(self) -> list[str]:
        """Remove unused units, end threads and connections, and return the names of units that are left."""


#: the value of the fixture `infra_unit`: `unit_of(service, label="", **parameters)`
UnitOf: TypeAlias = Callable[..., AbstractContextManager[Endpoint]]
