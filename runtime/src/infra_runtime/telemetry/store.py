"""The store of the telemetry service: one SQLite file for each run, with one writer.

Records are queued and written in transactions of many rows. A query uses its own connection to the file, so
that it does not delay the writer. `retention` deletes rows above the limits.

Source: SQLite documentation, "Write-Ahead Logging", "PRAGMA statements".
"""

# ruff: noqa: S608 - the names of tables are constants of this module

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from infra_runtime.telemetry import alerts, errors
from infra_runtime.telemetry.admission import Admission
from infra_runtime.telemetry.alerts import StoredAlert
from infra_runtime.telemetry.errors import ErrorGroup
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import LogRecord, Point, Records, Resource, Span
from infra_runtime.telemetry.retention import COUNT_DROPPED, Retention

#: the largest number of rows that one transaction writes
TRANSACTION = 500
#: the largest number of resources whose ids are in memory
RESOURCES = 1_000
#: the seconds for which a query or the writer waits for a lock on the file
_PATIENCE = 10.0
_SUFFIX = ".sqlite3"
#: the name in the table `dropped` for the number of kills of the process during a run
INTERRUPTION = "interruption"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resource (
    id INTEGER PRIMARY KEY, service TEXT, attributes TEXT, UNIQUE (service, attributes)
);
CREATE TABLE IF NOT EXISTS span (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, resource INTEGER, trace BLOB, id BLOB, parent BLOB, name TEXT,
    scope TEXT, kind INTEGER, start INTEGER, end INTEGER, status INTEGER, message TEXT, attributes TEXT,
    events TEXT, links TEXT, arrival INTEGER, UNIQUE (trace, id)
);
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, resource INTEGER, time INTEGER, severity INTEGER, level TEXT,
    body TEXT, scope TEXT, event TEXT, trace BLOB, span BLOB, attributes TEXT, arrival INTEGER
);
CREATE INDEX IF NOT EXISTS log_trace ON log (trace) WHERE trace <> x'';
CREATE TABLE IF NOT EXISTS point (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, resource INTEGER, name TEXT, type TEXT, unit TEXT, delta INTEGER,
    attributes TEXT, start INTEGER, time INTEGER, value REAL, data TEXT, arrival INTEGER
);
CREATE INDEX IF NOT EXISTS point_name ON point (name);
CREATE TABLE IF NOT EXISTS dropped (name TEXT PRIMARY KEY, count INTEGER);
CREATE TABLE IF NOT EXISTS closed (time REAL);
"""
_SCHEMA += alerts.SCHEMA + errors.SCHEMA
#: A span that a client sends again, for example after a lost response, does not replace the stored span.
_INSERT = {
    "span": f"INSERT OR IGNORE INTO span VALUES (NULL{', ?' * 15})",
    "log": f"INSERT INTO log VALUES (NULL{', ?' * 11})",
    "point": f"INSERT INTO point VALUES (NULL{', ?' * 11})",
}


class StoreUnavailableError(Exception):
    """The store does not accept new records now, because its queue is full or its file cannot be written."""


class Row(NamedTuple):
    """A row for one of the tables, without the id of its resource."""

    table: str
    record: Span | LogRecord | Point
    arrival: int


class Store:
    """Stores the records of the current run, and reads the files of earlier runs."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Open the file of the run. Raises `OSError` or `sqlite3.Error` if it cannot be written."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.limits = folder, limits
        self._rows: list[Row] = []
        #: the number of rows that were added to the queue, and of rows that were removed from it
        self.added = self.settled = 0
        self._errors: list[ErrorGroup] = []
        self.queued_bytes = 0
        #: the error of the last transaction; empty if it succeeded
        self.problem = ""
        self.path, self._writer = self._opened()
        self._resources: dict[Resource, int] = {}
        self._retention = Retention(self._writer, limits)
        self._admission = Admission(limits, self._number_of_spans)
        #: `spans` or `points` → number of records that this process has rejected because of a limit
        self.rejected = self._admission.rejected
        self._prune_runs()

    def _opened(self) -> tuple[Path, sqlite3.Connection]:
        """Return the file of the newest run if its process was killed, and otherwise a new file."""
        newest = max(self.runs(), default=None)
        if newest is not None:
            with contextlib.suppress(sqlite3.Error), contextlib.ExitStack() as opened:
                connection = opened.enter_context(contextlib.closing(_connect(newest)))
                if connection.execute("SELECT count(*) FROM closed").fetchone()[0] == 0:
                    connection.executescript(_SCHEMA)
                    with connection:
                        connection.execute(COUNT_DROPPED, [INTERRUPTION, 1])
                    opened.pop_all()
                    return newest, connection
        path = self.folder / f"{_next_name(run_name(newest) if newest else '')}{_SUFFIX}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = _connect(path)
        connection.executescript(_SCHEMA)
        return path, connection

    def runs(self) -> list[Path]:
        """Return the files of all runs, the oldest first."""
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def add(self, records: Records, size: int, arrival: int) -> Records:
        """Put the records within the limits into the queue, and return them; other records are rejected.

        `size` is the number of bytes of their request. When `settled` has reached the value that `added` has
        after this call, the records are stored if `problem` is empty, and otherwise discarded.

        Raises `StoreUnavailableError` if the queue is full, if the last transaction has failed, or if the
        file cannot be read.
        """
        if self.problem:
            raise StoreUnavailableError(self.problem)
        if self._rows and self.queued_bytes + size > self.limits.queue_bytes:
            raise StoreUnavailableError(f"{self.queued_bytes} bytes are not written yet")
        records = self._admission.admitted(records)
        rows = [Row("span", span, arrival) for span in records.spans]
        rows += [Row("log", log, arrival) for log in records.logs]
        rows += [Row("point", point, arrival) for point in records.points]
        self._rows += rows
        self.added += len(rows)
        self.queued_bytes += size
        return records

    def _number_of_spans(self, trace: bytes) -> int:
        query = "SELECT count(*) FROM span WHERE trace = ?"
        try:
            return int(self._writer.execute(query, [trace]).fetchone()[0])
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"the store cannot read {self.path.name}: {error}") from error

    @property
    def is_empty(self) -> bool:
        """Whether the queue is empty, so that all records are written."""
        return not self._rows

    def write(self) -> bool:
        """Write at most `TRANSACTION` queued records; return whether a transaction was committed.

        If the transaction fails, for example because the disk is full, the queue is emptied, because the
        clients send the records again. The next call then only tests whether a transaction succeeds.
        """
        rows = self._rows[:TRANSACTION]
        if not rows and not self.problem:
            return False
        groups = errors.grouped(row.record for row in rows)
        try:
            with self._writer:
                if rows:
                    self._retention.apply(self._insert(rows), rows[-1].arrival)
                else:
                    self._writer.execute(COUNT_DROPPED, [INTERRUPTION, 0])
                if groups:
                    self._writer.executemany(errors.UPSERT, groups)
                    self._writer.execute(errors.DELETE_OLDEST.format(limit=self.limits.error_groups))
        except sqlite3.Error as error:
            self.problem = f"the store cannot write to {self.path.name}: {error}"
            self._resources.clear()
            self._retention.restart()
            self._admission.restart()
            self._rows.clear()
            self.queued_bytes, self.settled = 0, self.added
            return False
        self.problem = ""
        self._errors += groups
        self.settled += len(rows)
        if self._rows:
            remaining = len(self._rows) - len(rows)
            self.queued_bytes = self.queued_bytes * remaining // len(self._rows)
            del self._rows[: len(rows)]
        return True

    def take_errors(self) -> list[ErrorGroup]:
        """Return the groups of the errors that were written since the last call of this method."""
        groups, self._errors = self._errors, []
        return groups

    def put_alerts(self, received: Sequence[StoredAlert]) -> None:
        """Write alerts; they replace stored alerts with the same fingerprint and start.

        Raises `StoreUnavailableError` if the alerts cannot be written.
        """
        try:
            with self._writer:
                self._writer.executemany(alerts.REPLACE, received)
                self._writer.execute(alerts.DELETE_OLDEST.format(limit=self.limits.alerts))
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"the store cannot write to {self.path.name}: {error}") from error

    def _insert(self, rows: Sequence[Row]) -> dict[str, int]:
        """Insert rows, and return a mapping from table to number of inserted rows."""
        by_table: dict[str, list[tuple[Any, ...]]] = {}
        for table, record, arrival in rows:
            values = (self._resource_id(record.resource), *record[1:], arrival)
            by_table.setdefault(table, []).append(values)
        return {
            table: self._writer.executemany(_INSERT[table], values).rowcount
            for table, values in by_table.items()
        }

    def _resource_id(self, resource: Resource) -> int:
        number = self._resources.get(resource)
        if number is None:
            if len(self._resources) >= RESOURCES:
                self._resources.clear()
            self._writer.execute("INSERT OR IGNORE INTO resource VALUES (NULL, ?, ?)", resource)
            query = "SELECT id FROM resource WHERE service = ? AND attributes = ?"
            number = int(self._writer.execute(query, resource).fetchone()[0])
            self._resources[resource] = number
        return number

    def read(self, query: str, parameters: Sequence[Any] = (), *, run: str = "") -> list[dict[str, Any]]:
        """Return the rows of a query, each as a mapping from column to value.

        The query reads the data of the run `run`; by default, of the current run.

        Raises `FileNotFoundError` if the run does not exist. Any thread can call this method.
        """
        path = self.path if not run else self.folder / f"{run}{_SUFFIX}"
        if path not in self.runs():
            raise FileNotFoundError(run)
        with contextlib.closing(_connect(path, read_only=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, parameters)]

    def _prune_runs(self) -> None:
        """Delete the files of the oldest runs above the limits, but never the file of the current run."""
        total, count = 0, 0
        for path in reversed(self.runs()):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                total, count = total + status.st_size, count + 1
                is_old = time.time() - status.st_mtime > self.limits.runs_age
                if path != self.path and (
                    count > self.limits.runs or total > self.limits.runs_bytes or is_old
                ):
                    for suffix in ("", "-wal", "-shm"):
                        Path(f"{path}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Write all queued records (discard them if this fails), and mark the run as complete."""
        while not self.is_empty:
            self.write()
        with contextlib.suppress(sqlite3.Error), self._writer:
            self._writer.execute("INSERT INTO closed VALUES (?)", [time.time()])
        self._writer.close()


def _next_name(newest: str) -> str:
    """Return the name of the next run: the time, or a name after `newest` if the clock was set back."""
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}"
    if name > newest:
        return name
    stem, _, number = newest.partition("~")
    return f"{stem}~{int(number or 0) + 1:04d}"


def run_name(path: Path) -> str:
    """Return the name of the run whose records are in a file."""
    return path.name.removesuffix(_SUFFIX)


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, check_same_thread=False)
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:  # the file is damaged
        connection.close()
        raise
    return connection
