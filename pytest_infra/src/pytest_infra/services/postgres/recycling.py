"""Use a database again for another test, after a reset that leaves no trace of the first.

A reset needs a small part of the time of `CREATE DATABASE`, which copies hundreds of files. It is exact or
is not done: the server's WAL lists every relation that a test has changed. If each of them is a table or a
sequence of the template, the reset deletes the rows of the changed tables, copies the rows of the template
back and sets the sequences. After any other change, and whenever the list may be incomplete, the database is
dropped and the next one is cloned.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.value import frozen
from pytest_infra.services.postgres import catalog, wal
from pytest_infra.services.postgres.catalog import Contents, Table
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.statements import end_sessions, execute, locked, url_of

if TYPE_CHECKING:
    import psycopg

#: how often a database is used again; deleted rows and index entries slow it down
MAX_RESETS = 100
#: after this many failed resets in succession, this many databases are not reset: the tests probably run DDL
FAILURES, PAUSE = 4, 40

#: what the catalogs that all databases share have on a database, except the label of its test
_STATE = """
select d.oid::bigint, jsonb_build_array(
    to_jsonb(d) - 'datname' - 'datallowconn',
    (select jsonb_agg(to_jsonb(s) order by s.setrole) from pg_db_role_setting s where s.setdatabase = d.oid
     and not (s.setrole = 0 and cardinality(s.setconfig) = 1 and s.setconfig[1] like 'application_name=%%')),
    shobj_description(d.oid, 'pg_database'),
    (select jsonb_agg(to_jsonb(l) order by l.provider) from pg_shseclabel l where l.objoid = d.oid),
    (select count(*) from pg_shdepend where dbid = d.oid),
    (select count(*) from pg_subscription where subdbid = d.oid),
    (select count(*) from pg_prepared_xacts where database = d.datname),
    (select count(*) from pg_replication_slots where database = d.datname))::text
from pg_database d where d.datname = %s
"""
#: the session that resets: no foreign keys and triggers, and rows in the order of the table
_OPTIONS = (
    "-c session_replication_role=replica -c synchronize_seqscans=off -c statement_timeout=10s"
    " -c default_transaction_read_only=off -c synchronous_commit=on"
)


class NotExactError(Exception):
    """A database cannot be reset exactly; the text is the reason."""


@frozen
class _Watched:
    oid: int
    #: the result of `_STATE` for the new clone
    state: str
    resets: int = 0


class Recycler:
    """The databases of one template whose changes are known. It belongs to one connection to the server."""

    def __init__(self, server: Endpoint, *, enabled: bool = True) -> None:
        self._server = server
        self._wal = wal.Wal()
        self._watched: dict[str, _Watched] = {}
        #: whether the WAL can be read; None: not known
        self._readable = None if enabled else False
        self._contents: Contents | None = None
        self._clones = 0
        self._failures = self._pause = 0

    def watch(self, connection: psycopg.Connection[Any], name: str) -> None:
        """Observe a new clone, before a test gets it. The second clone of a process is read as a model.

        The first one is not, because a test is waiting for it, and perhaps it is the only one.
        """
        if self._pause:
            self._pause -= 1
            return
        if self._readable is None:
            with locked(connection, wal.SCHEMA):
                self._readable = wal.readable(connection)
        if not self._readable:
            return
        self._clones += 1
        if self._clones == 2:  # noqa: PLR2004 - the second
            with self._session(name) as session:
                self._contents = catalog.read(session)
                self._readable = self._contents is not None
        oid, state = self._state(connection, name)
        self._wal.watch(connection, oid)
        self._watched[name] = _Watched(oid=oid, state=state)

    def forget(self, name: str) -> None:
        """Stop observing a database that is dropped or kept."""
        watched = self._watched.pop(name, None)
        if watched is not None:
            self._wal.forget(watched.oid)

    def resettable(self, connection: psycopg.Connection[Any], name: str) -> bool:
        """Return whether a reset may succeed, before anything is done to the database."""
        watched = self._watched.get(name)
        if watched is None or self._contents is None or watched.resets >= MAX_RESETS:
            return False
        try:
            self._wal.read(connection)
            self._changed(watched, self._contents)
        except NotExactError:
            self._failed()
            return False
        return True

    def reset(self, connection: psycopg.Connection[Any], name: str, new_name: str) -> None:
        """Rename a database, and reset it if it is `resettable`.

        Raises:
            NotExactError: the database has the new name and must be dropped.
            psycopg.Error: the database has one of the names and must be dropped.
        """
        watched, contents = self._watched.pop(name), self._contents
        try:
            self._rename(connection, name, new_name, watched)
            # The name was changed without a session in the database, and no client knows the new one: from
            # here on, only this process changes the database.
            self._wal.read(connection)
            if contents is None:
                raise NotExactError("the contents of the template are not known")
            tables, sequences = self._changed(watched, contents)
            if tables or sequences:
                self._restore(new_name, contents, tables, sequences)
            self._wal.clear(watched.oid)
        except BaseException:
            self._wal.forget(watched.oid)
            self._failed()
            raise
        self._failures = 0
        self._watched[new_name] = _Watched(oid=watched.oid, state=watched.state, resets=watched.resets + 1)

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._failures, self._pause = FAILURES - 1, PAUSE

    def _rename(
        self, connection: psycopg.Connection[Any], name: str, new_name: str, watched: _Watched
    ) -> None:
        """End all sessions of a database and rename it, which fails while there is a session in it."""
        execute(connection, "alter database {} with allow_connections false", name)
        end_sessions(connection, name)
        _, state = self._state(connection, name)
        execute(
            connection,
            "alter database {} rename to {}; alter database {} with allow_connections true",
            *(name, new_name, new_name),
        )
        if state != watched.state:
            raise NotExactError("a setting, slot, subscription or prepared transaction of the database")

    def _changed(self, watched: _Watched, contents: Contents) -> tuple[set[int], set[int]]:
        """Return the changed tables and sequences."""
        changes = self._wal.changes(watched.oid)
        if changes is None:
            raise NotExactError("a part of the WAL is missing")
        tables: set[int] = set()
        sequences: set[int] = set()
        for file in changes:
            relation = contents.files.get(file, 0)
            if relation in contents.sequences:
                sequences.add(relation)
            elif relation in contents.tables:
                tables.add(relation)
            else:
                raise NotExactError("a catalog, a new relation, or a table that cannot be restored")
        return tables, sequences

    def _restore(
        self, name: str, contents: Contents, table_oids: Iterable[int], sequence_oids: Iterable[int]
    ) -> None:
        """Restore the rows of tables and the values of sequences."""
        from psycopg import sql

        tables = [contents.tables[oid] for oid in sorted(table_oids)]
        filled = [table for table in tables if not table.empty]
        statements: list[sql.Composable] = [sql.SQL("select pg_current_xact_id()::xid::text")]
        statements += [sql.SQL("delete from only {}").format(catalog.quoted(table.name)) for table in tables]
        statements += [
            sql.SQL("select setval({}::regclass, {}, {})").format(it.oid, it.last_value, it.is_called)
            for it in (contents.sequences[oid] for oid in sorted(sequence_oids))
        ]
        with self._session(name) as session:
            _check_sizes(session, tables)
            with session.transaction():
                cursor = session.execute(sql.SQL("; ").join(statements))
                (transaction,) = cursor.fetchone() or ("0",)
                for table in filled:
                    with session.cursor().copy(
                        sql.SQL("copy {} from stdin (format binary)").format(catalog.quoted(table.name))
                    ) as copy:
                        copy.write(table.rows)
            self._wal.ignore(transaction)
            # The rows may be in another order: the server puts them where it finds room.
            for table in filled:
                if catalog.copied_out(session, table.name, generated=True) != table.all_columns:
                    raise NotExactError("rows are in another order")
            _check_sizes(session, filled)

    def _state(self, connection: psycopg.Connection[Any], name: str) -> tuple[int, str]:
        oid, state = connection.execute(_STATE, [name]).fetchone() or (0, "")
        return oid, state

    def _session(self, name: str) -> AbstractContextManager[psycopg.Connection[Any]]:
        session: psycopg.Connection[Any] = driver(self._server.name).connect(
            url_of(self._server, name), autocommit=True, options=_OPTIONS
        )
        return session


def _check_sizes(session: psycopg.Connection[Any], tables: Iterable[Table]) -> None:
    """Raise `NotExactError` if a file is so large that the planner's estimates would change."""
    limits = {table.oid: table.max_size for table in tables}
    if not limits:
        return
    query = "select oid::bigint, pg_relation_size(oid) from unnest(%s::oid[]) as t(oid)"
    for oid, size in session.execute(query, [[*limits]]).fetchall():
        if size > limits[oid]:
            raise NotExactError("a table has grown")
