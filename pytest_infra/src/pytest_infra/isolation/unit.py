"""The class of isolation units, and the interface of the objects that create and remove units.

A unit is acquired before a test, and released after the test.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError


class Unit(Endpoint):
    """The part of a service that belongs to one test.

    A unit has the exports of the service. Some exports, such as `url`, have other values, and a unit can have
    further exports, such as `prefix`.
    """

    def __init__(self, server: Endpoint, unit_id: str, label: str, **exports: str) -> None:
        all_exports = {**server, **exports}
        super().__init__(
            server.name, all_exports, server.ports, str(server.data), server.sensitive, server.driver_urls
        )
        #: the service that contains the unit: the shared server, or a copy of it
        self.process = server.name
        #: the name of the unit in the service, such as the name of a database or an account, or a prefix
        self.id = unit_id
        #: the id of the test, module or class that uses the unit, or the argument `label` of `infra_unit`
        self.label = label
        #: whether the unit is not removed when it is released
        self.keep = False
        #: the reason why the unit cannot be kept after its process exits; empty if it can be kept
        self.unkeepable = ""

    def example(self) -> AbstractContextManager[Any]:
        """Return a context manager for an empty part of this unit, for one Hypothesis example.

        Raises `ConfigurationError` if the units of this kind cannot be divided: the class of the unit does
        not replace this method.
        """
        raise ConfigurationError(
            f"{self.name} does not support `example()`, because its isolation units cannot be divided",
            hint=f'Use a separate unit in each example: `with infra_unit("{self.name}") as {self.name}:`.',
        )

    def renew(self) -> None:
        """Create the parts of this unit again that the server has lost in a restart, such as its user."""

    def describe(self) -> dict[str, str]:
        """Return the service, the id and the label of the unit as JSON data for reports, without secrets."""
        return {"service": self.name, "id": self.id, "label": self.label}

    def __repr__(self) -> str:
        return f"<Unit {self.id} of {self.name}>"


class Units(Protocol):
    """The interface of an object that provides and removes the isolation units of one service."""

    @abstractmethod
    def acquire(self, label: str) -> Unit:
        """Return an isolation unit that no other test uses and that contains no changes of earlier tests.

        The units of kinds that cannot be divided are exceptions: they contain the data of all tests.

        `label` is the id of the test, module or class that uses the unit, or the argument `label` of
        `infra_unit`.
        """

    @abstractmethod
    def release(self, unit: Unit) -> None:
        """Remove or reset an isolation unit after its test, unless the attribute `keep` of the unit is set.

        This can happen later, in the background; data that cannot be removed remain.
        """

    @abstractmethod
    def close(self) -> list[str]:
        """Remove unused units, end threads, close connections; return the names of units that remain."""


#: The type of the fixture `infra_unit`, a function `unit_of(service, label="", **parameters)`.
UnitOf: TypeAlias = Callable[..., AbstractContextManager[Endpoint]]
