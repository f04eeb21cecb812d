"""Units, such as databases, that a pool creates before tests, and resets or removes after the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.unit import Unit

#: the file with the process id of the server in the server's data folder, which MariaDB and RabbitMQ write at
#: each start; a restart of a server without this file is not detected
PID_FILE = "server.pid"


class PooledUnits:
    """The units of one process. After its test, a unit is reset or removed, unless it is kept."""

    def __init__(
        self,
        server: Endpoint,
        pool: Pool,
        *,
        unit: Callable[[str, str], Unit],
        keep: Callable[[str], object],
        stops: Callable[[], bool],
        leftover: Iterable[str] = (),
    ) -> None:
        """`unit` returns the unit for a name and a label; `keep` marks the unit with this name as kept.

        `leftover` are the names of units whose processes have exited; the pool removes or resets them.
        `stops` returns whether, after this process has exited, the server will stop and its data will be
        deleted.
        """
        self._server, self._pool = server, pool
        self._unit, self._keep, self._stops = unit, keep, stops
        self._start_number = _start_number(server)
        for name in leftover:
            pool.give_back(name)

    def acquire(self, label: str) -> Unit:
        """Return a unit that the pool has made, or reset after an earlier test."""
        # After a restart of the server, its data may come from an older snapshot.
        if (start_number := _start_number(self._server)) != self._start_number:
            self._start_number = start_number
            self._pool.renew()
        return self._unit(self._pool.take(), label)

    def release(self, unit: Unit) -> None:
        """Reset or remove the unit of a test in the background; a unit whose `keep` is set is kept."""
        if unit.keep:
            self._keep(unit.id)
        else:
            self._pool.give_back(unit.id)

    def close(self) -> list[str]:
        """Remove the units of this process that are not kept; return the names of those that remain.

        If the server stops now and its data are removed, no unit is removed.
        """
        return self._pool.close(remove=not self._stops())


def _start_number(server: Endpoint) -> int:
    """Return a number that differs for each start of the server; 0 if its file with the pid is missing."""
    try:
        return (server.data / PID_FILE).stat().st_mtime_ns
    except OSError:
        return 0
