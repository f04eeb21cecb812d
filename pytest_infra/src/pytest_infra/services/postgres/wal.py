"""Find the relations (tables, indexes, …) that were changed, in the server's write-ahead log (WAL).

Sources: PostgreSQL documentation, "pg_walinspect"; PostgreSQL, `src/backend/access/rmgrdesc/heapdesc.c` and
`xlogdesc.c` for the names of the records.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

#: `pg_get_wal_block_info` exists since this major version
OLDEST = 16
#: the schema of the extension in the server's own database
SCHEMA = "infra"
#: the maximum number of bytes of WAL that are read; reading more would take longer than making a new clone
MAX_BYTES = 64 << 20

# Records that have no effect on the results of queries are omitted: dead rows are removed, hint bits are set.
# The commit of a transaction with an id writes all earlier records to the file, and the function reads up to
# the last record that is in the file.
DEFINITION = f"""
create procedure pg_temp.infra_changes(
  since pg_lsn, max_bytes bigint, databases bigint[], ignored xid[],
  inout reached pg_lsn, inout changes text[]
) language plpgsql as $$ begin
  reached := pg_current_wal_insert_lsn();
  perform pg_logical_emit_message(true, 'infra', '');
  commit;
  if reached - since <= max_bytes then
    changes := array(
      select distinct reldatabase || ' ' || relfilenode
      from {SCHEMA}.pg_get_wal_block_info(since, 'FFFFFFFF/FFFFFFFF', false)
      where reldatabase = any(databases) and not xid = any(ignored)
        and (resource_manager, record_type) not in
            (('Heap2', 'PRUNE'), ('Heap2', 'PRUNE_ON_ACCESS'), ('XLOG', 'FPI_FOR_HINT')));
  end if;
end $$
"""  # noqa: S608 - the schema is a constant
#: the types of the first arguments of this procedure; `Wal.arguments` returns the arguments
ARGUMENTS = "%s::pg_lsn, %s::bigint, %s::bigint[], %s::xid[]"
_READ = f"call pg_temp.infra_changes({ARGUMENTS}, null, null)"
_LOGGED = "select current_setting('wal_level') <> 'minimal'"
_INSTALLED = "select exists(select from pg_extension where extname = 'pg_walinspect')"
_AVAILABLE = "select exists(select from pg_available_extensions where name = 'pg_walinspect')"


def readable(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the WAL can be read and contains every change; install the extension if necessary.

    With `wal_level = minimal`, the result is False: a transaction then does not log the rows of the tables
    that it has created or truncated. Only one session at a time may call this function.
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
    """The changes that were made in several databases; each part of the WAL is read once for all of them."""

    def __init__(self) -> None:
        #: the position in the WAL up to which all records were read; it is the end of a record
        self._position = ""
        #: object id of a database → the file numbers of the relations that were changed
        self._changes: dict[int, set[int]] = {}
        #: the transactions whose changes are ignored
        self._ignored: list[str] = []

    def watch(self, database: int) -> None:
        """Begin to collect the changes of a database; changes before this call are not collected."""
        if self._position:  # without a position, the changes remain unknown
            self._changes[database] = set()

    def discard(self, database: int) -> None:
        """Stop collecting the changes of a database."""
        self._changes.pop(database, None)

    def discard_all(self) -> None:
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

        `connection` commits synchronously, is not in a transaction, and has executed `DEFINITION`.
        """
        row = connection.execute(_READ.encode(), self.arguments()).fetchone()
        position, changes = row or ("", None)
        self.add(position, changes)

    def arguments(self) -> list[object]:
        """Return the first arguments of the procedure that reads the WAL from the last position.

        The procedure raises `psycopg.Error` if a checkpoint has removed a part of the WAL.
        """
        position = self._position if self._changes else ""
        return [position or None, MAX_BYTES, [*self._changes], self._ignored]

    def add(self, position: str, changes: Iterable[str] | None) -> None:
        """Add the results of the procedure to the observed databases.

        `position` is the end of the WAL at a time before the procedure committed a transaction and read the
        changes. The commit wrote all records up to `position` to the file. The next call reads the records
        after `position` again, because the last record in the file may have been incomplete.
        """
        previous, self._position = self._position, position
        if not previous or not self._changes:
            return
        if changes is None:  # too many bytes
            self._changes.clear()
            return
        self._ignored.clear()
        for change in changes:
            database, _, relation = change.partition(" ")
            self._changes[int(database)].add(int(relation))
