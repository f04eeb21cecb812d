"""Find the relations (tables, indexes, …) that were changed, in the server's write-ahead log (WAL).

Sources: PostgreSQL documentation, "pg_walinspect"; PostgreSQL, `src/backend/access/rmgrdesc/heapdesc.c` and
`xlogdesc.c` for the names of the records.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from pytest_infra.services.postgres.statements import pipeline

if TYPE_CHECKING:
    import psycopg

#: `pg_get_wal_block_info` exists since this major version
OLDEST = 16
#: the schema of the extension in the server's own database
SCHEMA = "infra"
#: bytes of WAL that are read at once; more of it takes longer to read than a clone takes to make
MAX_BYTES = 64 << 20

# Records that change nothing that a query can see are left out: dead rows are removed, and hint bits are set.
# The function reads up to the last record that is in the file.
_SCAN = f"""
select distinct reldatabase::bigint, relfilenode::bigint
from {SCHEMA}.pg_get_wal_block_info(%s, 'FFFFFFFF/FFFFFFFF', false)
where (select pg_current_wal_insert_lsn() - %s::pg_lsn) <= %s
  and reldatabase = any(%s) and not xid = any(%s::xid[])
  and (resource_manager, record_type) not in
      (('Heap2', 'PRUNE'), ('Heap2', 'PRUNE_ON_ACCESS'), ('XLOG', 'FPI_FOR_HINT'))
"""  # noqa: S608 - the schema is a constant
#: the end of the last record, in SQL
POSITION = "pg_current_wal_insert_lsn()::text"
_POSITION = f"select {POSITION}".encode()
# A transaction with an id; its commit writes all earlier records to the file.
_FLUSH = "select pg_logical_emit_message(true, 'infra', '')"
_LOGGED = "select current_setting('wal_level') <> 'minimal'"
_INSTALLED = "select exists(select from pg_extension where extname = 'pg_walinspect')"
_AVAILABLE = "select exists(select from pg_available_extensions where name = 'pg_walinspect')"


def readable(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the WAL can be read and contains every change; install the extension if necessary.

    With `wal_level = minimal`, a transaction does not log the rows of the tables that it has created or
    truncated. Only one session at a time may call this function.
    """
    if connection.info.server_version // 10_000 < OLDEST:
        return False
    if not (_true(connection, _LOGGED) and _true(connection, _AVAILABLE)):
        return False
    if not _true(connection, _INSTALLED):
        connection.execute(f"create schema if not exists {SCHEMA}")
        connection.execute(f"create extension pg_walinspect schema {SCHEMA}")
    return True


def _true(connection: psycopg.Connection[Any], query: str) -> bool:
    return connection.execute(query.encode()).fetchone() == (True,)


class Wal:
    """The changes of the observed databases; each part of the WAL is read once for all these databases."""

    def __init__(self) -> None:
        #: the end of a record, before which all records were read
        self._position = ""
        #: object id of a database → the file numbers of the relations that were changed
        self._changes: dict[int, set[int]] = {}
        #: the transactions whose changes are ignored
        self._ignored: list[str] = []

    def watch(self, database: int) -> None:
        """Begin to collect the changes of a database; changes before this call are not collected."""
        if self._position:  # otherwise the changes remain unknown
            self._changes[database] = set()

    def forget(self, database: int) -> None:
        """Stop collecting the changes of a database."""
        self._changes.pop(database, None)

    def forget_all(self) -> None:
        """Stop collecting the changes of all databases, because a part of the WAL is missing."""
        self._position = ""
        self._changes.clear()

    def ignore(self, transaction: str) -> None:
        """Ignore the changes of a transaction that has ended, because it belongs to a reset."""
        self._ignored.append(transaction)

    def changes(self, database: int) -> AbstractSet[int] | None:
        """Return the file numbers of a database's changed relations; None if the changes are not known."""
        return self._changes.get(database)

    def read(self, connection: psycopg.Connection[Any]) -> None:
        """Read the WAL from the last position up to now, and add the changes to the observed databases.

        `connection` commits synchronously and is not in a transaction.
        """
        with pipeline(connection) as sending:
            position = connection.execute(_POSITION)
            sending.sync()
            connection.execute(_FLUSH)
            sending.sync()
            records = self.scan(connection)
        self.add(records, (position.fetchone() or ("",))[0])

    def scan(self, connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any] | None:
        """Request the changes in the WAL since the last position, within a pipeline; `add` gets the result.

        Raises `psycopg.Error`, in the pipeline, if a checkpoint has removed a part of the WAL.
        """
        if not self._changes or not self._position:
            return None
        return connection.execute(
            _SCAN, [self._position, self._position, MAX_BYTES, [*self._changes], self._ignored]
        )

    def add(self, records: psycopg.Cursor[Any] | None, position: str) -> None:
        """Add the changes in the result of `scan` to the observed databases.

        `position` is the end of the WAL. The position was determined before the call of `scan`, and a
        transaction was committed in between. The file has all records up to the position, because the commit
        wrote them. The next scan reads the records after the position again: the last record in the file may
        have been incomplete.
        """
        start, self._position = self._position, position
        if records is None:
            return
        if _number(position) - _number(start) > MAX_BYTES:
            self._changes.clear()
            return
        self._ignored.clear()
        for database, relation in records.fetchall():
            self._changes[database].add(relation)


def _number(position: str) -> int:
    """Return a position in the WAL, such as `16/B374D848`, as the number of bytes from its beginning."""
    high, _, low = position.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
