"""Units that need no preparation: a unit is a new name, such as a key prefix.

After the test, the data under this name are removed, unless the unit is kept or the server is stopped.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit


class ClearedUnit(Unit):
    """A unit whose data can be removed at any time."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all data of this unit from the service."""

    @contextlib.contextmanager
    def example(self) -> Iterator[Any]:
        """Yield this unit without data, for one Hypothesis example."""
        self.clear()
        yield self
        self.clear()


class ClearedUnits:
    """The units of one process. A unit exists only until its test has ended."""

    def __init__(
        self,
        owner: Owner,
        make: Callable[[str, str], ClearedUnit],
        *errors: type[Exception],
        close: Callable[[], object] = lambda: None,
    ) -> None:
        """`make` returns a unit for a new name and a label; `close` closes the connections of the kit.

        `errors` are the exceptions that a request to a stopped server raises. If `clear` raises one of them,
        the exception is ignored, and the data of the unit are not removed.
        """
        self._owner, self._make, self._errors, self._close = owner, make, errors, close

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit with a name that no other test has used."""
        return self._make(self._owner.name(), label)

    def release(self, unit: Unit) -> None:
        """Remove the data of a unit after its test, unless the unit is kept."""
        if isinstance(unit, ClearedUnit) and not unit.keep:
            with contextlib.suppress(*self._errors):
                unit.clear()

    def close(self) -> list[str]:
        """Close connections. Return an empty list: a unit is removed after its test, unless it is kept."""
        self._close()
        return []
