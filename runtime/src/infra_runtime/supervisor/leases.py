"""Who holds the stack: it lives as long as somebody does, or as long as it was told to stay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from infra_runtime.supervisor.control import Connection

#: seconds that a supervisor without any lease waits for its first one
FIRST_LEASE = 10.0


class Leases:
    """The open connections that hold the stack. `end` is called when nobody does any more."""

    def __init__(self, end: Callable[[], object]) -> None:
        self._end = end
        self._holders: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(FIRST_LEASE, self._look)
        #: whether the stack outlives its last lease, and for how many seconds; None: for good
        self.stays = False
        self.stay_seconds: float | None = None

    def __len__(self) -> int:
        return len(self._holders)

    def take(self, connection: Connection) -> None:
        """Hold the stack until the connection closes, however it does."""
        self._holders.add(connection)
        self._cancel()
        connection.at_end(lambda: self.give_back(connection))

    def give_back(self, connection: Connection) -> None:
        """One holder less."""
        self._holders.discard(connection)
        self._look()

    def stay(self, *, on: bool, seconds: float | None) -> None:
        """Outlive the last lease, or no longer."""
        self.stays, self.stay_seconds = on, seconds if on else None
        self._look()

    def _look(self) -> None:
        self._cancel()
        if self._holders:
            return
        if not self.stays:
            self._end()
        elif self.stay_seconds is not None:
            self._timer = self._loop.call_later(self.stay_seconds, self._end_of_stay)

    def _end_of_stay(self) -> None:
        self.stays = False
        self._look()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
