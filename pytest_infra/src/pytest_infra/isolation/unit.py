"""The contract that all services keep: a unit is acquired for somebody, and given back."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError


class Unit(Endpoint):
    """A test's own piece of a service: the service's exports, those replaced that differ."""

    #: whether it can outlive the process that has it
    keepable = True

    def __init__(self, whole: Endpoint, unit_id: str, label: str, **exports: str) -> None:
        super().__init__(whole.name, {**whole, **exports}, whole.ports, str(whole.data))
        #: the supervised service that it lives in: the whole one, or a copy
        self.process = whole.name
        #: the piece's name in the service: a database, an account, a prefix
        self.id = unit_id
        #: whose it is: the id of a test, a module, a class
        self.label = label
        #: leave it in place when it is given back
        self.keep = False

    def example(self) -> AbstractContextManager[Any]:
        """A fresh piece of this piece, for one example of Hypothesis: cheap, and gone afterwards."""
        raise ConfigurationError(
            f"{self.name} has nothing that is made anew in a millisecond",
            hint=f'Ask for a whole unit in the example: `with infra_unit("{self.name}") as {self.name}:`.',
        )

    def renew(self) -> None:
        """Put back what a restart of the server has taken from it."""

    def describe(self) -> dict[str, str]:
        """What it is and whose, without any secret."""
        return {"service": self.name, "id": self.id, "label": self.label}

    def dump(self, folder: Path) -> list[Path]:
        """Write what is in it into a folder, for people; returns the files. May raise anything."""
        del folder
        return []

    def __repr__(self) -> str:
        return f"<Unit {self.id} of {self.name}>"


class Units(Protocol):
    """One service's units in this process."""

    @abstractmethod
    def acquire(self, label: str) -> Unit:
        """A unit that nobody else has."""

    @abstractmethod
    def release(self, unit: Unit) -> None:
        """Take it back; one with `keep` stays as it is."""

    @abstractmethod
    def close(self) -> list[str]:
        """Remove what is ready and unused, and end every thread and connection. Returns what is left."""
