"""Leases: a stack runs until its last lease ends, or longer if a client has sent the request `stay`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from infra_runtime.host import processes
from infra_runtime.supervisor.control import Connection

#: seconds that a new supervisor waits for its first lease, while the process that started it runs
FIRST_LEASE = 10.0
#: seconds between two checks whether the process that started the supervisor runs
LAUNCHER_INTERVAL = 0.25


class Leases:
    """The open connections that hold a lease. When the last lease ends, the function `end` is called.

    After a call of `stay`, `end` is called later or not at all. `launcher` is the pid of the process that
    started the supervisor, and normally takes the first lease. If it exits before this, or no client takes a
    lease in `FIRST_LEASE` seconds, `end` is called, too.
    """

    def __init__(self, end: Callable[[], object], launcher: int) -> None:
        self._end, self._launcher = end, launcher
        self._holders: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._first_lease_until = self._loop.time() + FIRST_LEASE
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(
            LAUNCHER_INTERVAL, self._check_launcher
        )
        #: whether the stack keeps running after its last lease, and for how many seconds; None: until `down`
        self.stays = False
        self.stay_seconds: float | None = None

    def __len__(self) -> int:
        return len(self._holders)

    def take(self, connection: Connection) -> None:
        """Add a lease for a connection; the lease ends when the connection closes for any reason."""
        self._holders.add(connection)
        self._cancel()
        connection.at_end(lambda: self.give_back(connection))

    def give_back(self, connection: Connection) -> None:
        """End the lease of a connection before it closes; do nothing if the connection holds no lease."""
        if connection in self._holders:
            self._holders.remove(connection)
            self._check()

    def stay(self, *, on: bool, seconds: float | None) -> None:
        """Set whether the stack keeps running after its last lease, and for how many seconds.

        Without a lease, the seconds begin now, or, if `on` is false, the stack stops now.
        """
        self.stays, self.stay_seconds = on, seconds if on else None
        self._check()

    def _check_launcher(self) -> None:
        launcher = processes.look(self._launcher)
        runs = launcher is not None and launcher.state != processes.ZOMBIE
        if runs and self._loop.time() < self._first_lease_until:
            self._timer = self._loop.call_later(LAUNCHER_INTERVAL, self._check_launcher)
        else:
            self._check()

    def _check(self) -> None:
        self._cancel()
        if self._holders:
            return
        if not self.stays:
            self._end()
        elif self.stay_seconds is not None:
            self._timer = self._loop.call_later(self.stay_seconds, self._end_of_stay)

    def _end_of_stay(self) -> None:
        self.stays = False
        self._check()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
