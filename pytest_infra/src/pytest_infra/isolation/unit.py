"""The interface of all kinds: a unit is acquired for a test, and released."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError


class Unit(Endpoint):
    """A test's own part of a service: the exports of the service, except those that differ."""

    def __init__(self, whole: Endpoint, unit_id: str, label: str, **exports: str) -> None:
        super().__init__(whole.name, {**whole, **exports}, whole.ports, str(whole.data))
        #: the supervised service that it is part of: the whole one, or a copy
        self.process = whole.name
        #: its name in the service: a database, an account, a prefix
        self.id = unit_id
        #: the id of the test, module or class that has it
        self.label = label
        #: leave it in place when it is released
        self.keep = False
        #: why it cannot outlive the process that has it; empty when it can
        self.unkeepable = ""

    def example(self) -> AbstractContextManager[Any]:
        """Return a block with an empty part of this unit, for one example of Hypothesis."""
        raise ConfigurationError(
            f"{self.name} has nothing that can be made in a millisecond",
            hint=f'Ask for a whole unit in the example: `with infra_unit("{self.name}") as {self.name}:`.',
        )

    def renew(self) -> None:
        """Restore what a restart of the server has removed from it."""

    def describe(self) -> dict[str, str]:
        """Return what it is and which test has it, without secrets."""
        return {"service": self.name, "id": self.id, "label": self.label}

    def __repr__(self) -> str:
        return f"<Unit {self.id} of {self.name}>"


class Units(Protocol):
    """The units of one service in this process."""

    @abstractmethod
    def acquire(self, label: str) -> Unit:
        """Return an empty unit that no other test has."""

    @abstractmethod
    def release(self, unit: Unit) -> None:
        """Remove a unit, unless its `keep` is set."""

    @abstractmethod
    def close(self) -> list[str]:
        """Remove unused units, end every thread and connection, and return the names of what is left."""


#: what `infra_unit` is: `unit_of(service, label="", **parameters)`
UnitOf: TypeAlias = Callable[..., AbstractContextManager[Endpoint]]
