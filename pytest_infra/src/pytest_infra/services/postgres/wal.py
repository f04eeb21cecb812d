"""Which relations were changed since a point in time, from the server's write-ahead log (WAL).

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
    """The changes of the watched databases; each part of the WAL is read once for all of them."""

    def __init__(self) -> None:
        #: the end of a record, before which all records were read
        self._position = ""
        #: object id of a database → the file numbers of the relations that were changed
        self._changes: dict[int, set[int]] = {}
        #: the transactions whose changes are ignored
        self._ignored: list[str] = []

    def watch(self, database: int) -> None:
        """Collect the changes of a database from the last position, without those before it."""
        if self._position:  # otherwise the changes remain unknown
            self._changes[database] = set()

    def forget(self, database: int) -> None:
        """Stop watching a database."""
        self._changes.pop(database, None)

    def forget_all(self) -> None:
        """Stop watching all databases, because the WAL cannot be read without a gap."""
        self._position = ""
        self._changes.clear()

    def ignore(self, transaction: str) -> None:
        """Ignore the changes of a transaction that has ended."""
        self._ignored.append(transaction)

    def changes(self, database: int) -> AbstractSet[int] | None:
        """Return the changed relations of a database; None if they are not known."""
        return self._changes.get(database)

    def read(self, connection: psycopg.Connection[Any]) -> None:
        """Read the WAL up to now. `connection` commits synchronously, outside a transaction."""
        with pipeline(connection) as sending:
            position = connection.execute(_POSITION)
            sending.sync()
            connection.execute(_FLUSH)
            sending.sync()
            records = self.scan(connection)
        self.add(records, (position.fetchone() or ("",))[0])

    def scan(self, connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any] | None:
        """Request the changes since the last position, within a pipeline.

        Raises `psycopg.Error`, in the pipeline, if a checkpoint has removed a part of the WAL.
        """
        if not self._changes or not self._position:
            return None
        return connection.execute(
            _SCAN, [self._position, self._position, MAX_BYTES, [*self._changes], self._ignored]
        )

    def add(self, records: psycopg.Cursor[Any] | None, position: str) -> None:
        """Add the result of `scan`. `position` was determined before it, and before a commit before it.

        The file has all records up to the position, because the commit wrote them. The next scan reads the
        records after the position again: the last record in the file may have been incomplete.
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
    """Return a position (`16/B374D848`) as bytes since the beginning of the WAL."""
    high, _, low = position.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
