"""The limits on the stored rows of a run: the oldest rows are deleted, and old metric points are thinned."""

# ruff: noqa: S608 - the names of tables are constants of this module

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from infra_runtime.telemetry.limits import Limits

#: the number of rows that one deletion removes (of a small table, a quarter; above a limit, at least all
#: excess rows), and that one step of the thinning reads
SLICE = 5_000
#: the nanoseconds between two searches for old points
_PAUSE = 60 * 10**9
COUNT_DROPPED = "INSERT INTO dropped VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"


class _Series(NamedTuple):
    """The attributes that identify the points of a series."""

    resource: int
    name: str
    type: str
    unit: str
    attributes: str


class Retention:
    """Deletes old rows; stores the numbers of rows, and the metric point at which the thinning continues."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection, self._limits = connection, limits
        self._tables = {"span": limits.spans, "log": limits.logs, "point": limits.points}
        self.restart()

    def restart(self) -> None:
        """Reset this object after a transaction that was not committed."""
        self._counts: dict[str, int] = {}
        #: the number of the last point that the thinning has read, and the time of its next search
        self._position, self._resumes = 0, 0
        #: series → the last period with a point that was read, and the number of this point
        self._latest: dict[_Series, tuple[int, int]] = {}

    def apply(self, inserted: dict[str, int], now: int) -> None:
        """Apply the limits, and thin points; `inserted` maps tables to numbers of rows that arrived at `now`.

        The caller has begun a transaction.
        """
        if not self._counts:
            self._counts = {
                table: self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in self._tables
            }
        else:
            for table, number in inserted.items():
                self._counts[table] += number
        self._delete_oldest()
        if not self._resumes - _PAUSE <= now < self._resumes:
            self._thin(now)

    def _delete_oldest(self) -> None:
        """Delete the oldest rows of each table above its limit; if the file is too large, of every table."""
        pages, unused, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        is_large = (pages - unused) * size > self._limits.run_bytes
        for table, limit in self._tables.items():
            count = self._counts[table]
            if count > limit or (is_large and count):
                number = max(count - limit, min(SLICE, count // 4 + 1))
                oldest = f"SELECT seq FROM {table} ORDER BY seq LIMIT ?"
                deleted = self._connection.execute(
                    f"DELETE FROM {table} WHERE seq IN ({oldest})", [number]
                ).rowcount
                self._counts[table] -= deleted
                self._connection.execute(COUNT_DROPPED, [table, deleted])

    def _thin(self, now: int) -> None:
        """Read a slice of old points, and delete all except the last point of each series and period.

        A change (delta) is never deleted, because the sum of the changes would be wrong. A point with an
        arrival time in the future counts as old, because the clock was set back.
        """
        period = round(self._limits.point_period * 1e9)
        oldest_exact = now - round(self._limits.point_exact * 1e9)
        rows = self._connection.execute(
            "SELECT seq, arrival, delta, resource, name, type, unit, attributes FROM point "
            "WHERE seq > ? ORDER BY seq LIMIT ?",
            [self._position, SLICE],
        ).fetchall()
        self._resumes = now + _PAUSE
        superseded: list[tuple[int]] = []
        current = 0
        for seq, arrival, delta, *series in rows:
            if oldest_exact <= arrival <= now:
                break
            self._position, current = seq, arrival // period
            if delta:
                continue
            key = _Series(*series)
            earlier = self._latest.get(key)
            if earlier and earlier[0] == current:
                superseded.append((earlier[1],))
            self._latest[key] = current, seq
        else:
            if len(rows) == SLICE:
                self._resumes = now  # further points can be old
        deleted = self._connection.executemany("DELETE FROM point WHERE seq = ?", superseded).rowcount
        self._counts["point"] -= max(deleted, 0)
        if current:
            self._latest = {key: last for key, last in self._latest.items() if last[0] == current}
