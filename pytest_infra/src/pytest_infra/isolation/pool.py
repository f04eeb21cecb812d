"""A pool of units that are created before a test needs them; one thread creates and removes them."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Protocol

from infra_runtime.errors import InfraError

#: The number of units that are created in advance: its initial value, which doubles whenever a test has to
#: wait, and its maximum.
AHEAD, MAX_AHEAD = 1, 8
#: The number of used units that can wait for their removal. If there are more of them, removing units has
#: priority over creating units.
MAX_USED = 16
#: The seconds that a test waits for a unit.
PATIENCE = 60.0


class Factory(Protocol):
    """Creates and removes units; only the thread of the pool calls the methods."""

    @abstractmethod
    def make(self) -> str:
        """Create a unit and return its name."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a unit."""

    @abstractmethod
    def close(self) -> None:
        """Close open connections; the next call of a method opens them again."""


class Pool:
    """The names of units that are ready.

    Creating units has priority over removing units, because a test can be waiting.
    """

    def __init__(self, factory: Factory, name: str, *, max_ahead: int = MAX_AHEAD) -> None:
        self._factory = factory
        self._ready: deque[str] = deque()
        self._used: deque[str] = deque()
        self._ahead, self._max_ahead = AHEAD, max_ahead
        self._waiting = 0
        self._closing = False
        self._failure: Exception | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"infra-{name}", daemon=True)
        self._thread.start()

    def take(self) -> str:
        """Return the name of a unit; if no unit is ready, wait until one is created.

        Raises the error of the factory.
        """
        with self._change:
            if not self._ready:
                self._ahead = min(self._ahead * 2, self._max_ahead)
                self._wait()
            self._change.notify_all()
            return self._ready.popleft()

    def _wait(self) -> None:
        self._failure = None  # the error is from an earlier attempt, and the server can be running again
        self._waiting += 1
        self._change.notify_all()
        deadline = time.monotonic() + PATIENCE
        try:
            while not self._ready:
                if self._failure is not None:
                    raise self._failure
                if not self._change.wait(deadline - time.monotonic()):
                    raise InfraError(f"no unit was ready within {PATIENCE:g} s")
        finally:
            self._waiting -= 1

    def give_back(self, name: str) -> None:
        """Remove a unit in the background."""
        with self._change:
            self._used.append(name)
            self._change.notify_all()

    def renew(self) -> None:
        """Replace the units that are ready by new units, because the server can have lost them."""
        with self._change:
            self._used += self._ready
            self._ready.clear()

    def close(self) -> list[str]:
        """Remove all units, end the thread, and return the names of units that could not be removed."""
        with self._change:
            self._closing = True
            self._used += self._ready
            self._ready.clear()
            self._failure = None
            self._change.notify_all()
        self._thread.join()
        return list(self._used)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._try(job)
            except Exception as error:  # noqa: BLE001 - raised again in the test that waits
                with self._change:
                    self._failure = error
                    self._change.notify_all()
        self._factory.close()

    def _try(self, job: Callable[[], None]) -> None:
        """Run a job; if it fails, run it again on a new connection.

        A job can fail because the server was restarted, which closes the connection.
        """
        try:
            job()
        except Exception:  # noqa: BLE001 - a permanent error also fails the second attempt
            self._factory.close()
            job()

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next job, and return it; None if the pool is closed."""
        with self._change:
            while True:
                too_few = not self._closing and len(self._ready) < max(self._ahead, self._waiting)
                if self._failure is None:
                    if too_few and len(self._used) <= MAX_USED:
                        return self._make
                    if self._used:
                        return self._remove
                    if too_few:
                        return self._make
                if self._closing:
                    return None
                self._change.wait()

    def _make(self) -> None:
        name = self._factory.make()
        with self._change:
            # `close` has already moved the ready units to the used ones.
            (self._used if self._closing else self._ready).append(name)
            self._change.notify_all()

    def _remove(self) -> None:
        self._factory.remove(self._used[0])
        with self._change:
            self._used.popleft()
