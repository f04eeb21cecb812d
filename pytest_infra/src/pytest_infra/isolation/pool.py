"""A pool of isolation units that are ready before a test needs them; a thread makes and removes them."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from infra_runtime.errors import InfraError

#: the number of units that the pool keeps ready at the beginning, and the maximum of this number; the number
#: doubles when a test has to wait for a unit
AHEAD, MAX_AHEAD = 1, 8
#: if more units than this number wait for their removal, the thread removes units before it makes new units
MAX_DISCARDED = 16
#: the seconds for which a test waits for a unit
PATIENCE = 60.0

T = TypeVar("T")


class Factory(Protocol):
    """The interface of an object that makes, resets and removes the isolation units of a pool.

    Only the thread of the pool calls the methods.
    """

    @abstractmethod
    def make(self) -> str:
        """Make an isolation unit, such as a database, and return the name of the unit."""

    @abstractmethod
    def reset(self, name: str) -> str | None:
        """Reset a used unit to the state of a new unit, and return the unit's new name.

        Return None if this is not possible; the pool then removes the unit.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove an isolation unit from its server."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections to the server; the next call of a method opens a new connection."""


class Pool:
    """The names of the isolation units that are ready, and a thread that makes, resets and removes units.

    The thread resets used units before it makes new units, because a reset is faster. It makes new units
    before it removes units, because a test may be waiting; with more than `MAX_DISCARDED` units to remove,
    the removal is first. `report` is called with a message when a unit cannot be removed; `close` returns the
    names of such units instead.
    """

    def __init__(
        self,
        factory: Factory,
        name: str,
        *,
        max_ahead: int = MAX_AHEAD,
        report: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._factory, self._name, self._report = factory, name, report
        self._ready: deque[str] = deque()
        #: units that a test has used
        self._used: deque[str] = deque()
        #: units that are to be removed
        self._discarded: deque[str] = deque()
        #: units whose removal has failed once, for example because the server was being restarted; the
        #: removal is attempted again after the next unit was made or reset
        self._delayed: list[str] = []
        #: all units whose removal has failed at least once
        self._failed: set[str] = set()
        #: units that could not be removed
        self._left: list[str] = []
        self._ahead, self._max_ahead = AHEAD, max_ahead
        self._waiting = 0
        self._closing = False
        self._failure: Exception | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"infra-{name}", daemon=True)
        self._thread.start()

    def take(self) -> str:
        """Wait until a unit is ready, and return its name.

        Raises the exception of `Factory.make` if no unit can be made, and `InfraError` if no unit is ready
        within `PATIENCE` seconds.
        """
        with self._change:
            if not self._ready:
                self._ahead = min(self._ahead * 2, self._max_ahead)
                self._wait()
            self._change.notify_all()
            return self._ready.popleft()

    def _wait(self) -> None:
        self._failure = None  # the error of an earlier attempt; a new attempt may succeed
        self._waiting += 1
        self._change.notify_all()
        deadline = time.monotonic() + PATIENCE
        try:
            while not self._ready:
                if self._failure is not None:
                    raise self._failure
                if not self._change.wait(deadline - time.monotonic()):
                    raise InfraError(f"{self._name}: no isolation unit was ready within {PATIENCE:g} s")
        finally:
            self._waiting -= 1

    def give_back(self, name: str) -> None:
        """Return a used unit to the pool. In the background, the pool's thread resets or removes it."""
        with self._change:
            self._used.append(name)
            self._change.notify_all()

    def renew(self) -> None:
        """Discard the units that are ready, because a restarted server may have lost them.

        The thread makes new units after the next call of `take`.
        """
        with self._change:
            self._discarded += self._ready
            self._ready.clear()

    def close(self, *, remove: bool = True) -> list[str]:
        """Remove all units in the pool, end the thread, and return the names of units that were not removed.

        If `remove` is false, no unit is removed: the server stops now, and its data are deleted.
        """
        with self._change:
            self._closing = True
            self._discarded += (*self._used, *self._ready, *self._delayed, *self._left)
            for units in (self._used, self._ready, self._delayed, self._left):
                units.clear()
            if not remove:
                self._discarded.clear()
            self._failure = None
            self._change.notify_all()
        self._thread.join()
        return [*self._left]

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job()
        self._factory.close()

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next task of the thread, and return it as a function; None if the pool is closed."""
        with self._change:
            while True:
                if self._used:
                    return self._reset
                too_few = not self._closing and len(self._ready) < max(self._ahead, self._waiting)
                may_make = too_few and self._failure is None
                if may_make and len(self._discarded) <= MAX_DISCARDED:
                    return self._make
                if self._discarded:
                    return self._remove
                if may_make:
                    return self._make
                if self._closing:
                    return None
                self._change.wait()

    def _make(self) -> None:
        try:
            name = self._twice(self._factory.make)
        except Exception as error:  # noqa: BLE001 - raised again in the test that waits
            with self._change:
                self._failure = error
                self._change.notify_all()
            return
        self._add(name)

    def _reset(self) -> None:
        with self._change:
            used = self._used.popleft()
        try:
            name = self._factory.reset(used)
        except Exception:  # noqa: BLE001 - whatever the reason is, a new unit can replace this one
            self._factory.close()
            name = None
        if name is None:
            with self._change:
                self._discarded.append(used)
        else:
            self._add(name)

    def _add(self, name: str) -> None:
        with self._change:
            # `close` has already discarded the units that were ready.
            (self._discarded if self._closing else self._ready).append(name)
            self._discarded += self._delayed
            self._delayed.clear()
            self._change.notify_all()

    def _remove(self) -> None:
        """Remove a unit; if the removal fails twice, record the unit as not removed.

        The method raises no error, because an error would affect a test that waits for another unit.
        """
        with self._change:
            name = self._discarded.popleft()
        try:
            self._factory.remove(name)
        except Exception as error:  # noqa: BLE001 - it is reported
            self._factory.close()
            with self._change:
                if name not in self._failed:
                    self._failed.add(name)
                    (self._discarded if self._closing else self._delayed).append(name)
                    return
            self._left.append(name)
            if not self._closing:
                reason = str(error).partition("\n")[0]
                self._report(f"{self._name}: the unit {name} could not be removed: {reason}")

    def _twice(self, job: Callable[[], T]) -> T:
        """Call a function; if it fails, call it again with a new connection.

        The first call may fail because the server was restarted.
        """
        try:
            return job()
        except Exception:  # noqa: BLE001 - a permanent error also fails the second attempt
            self._factory.close()
            return job()
