"""Reset a used database, so that it contains no change of the earlier test and another test can use it.

A reset needs a small part of the time of `CREATE DATABASE`, which copies hundreds of files. After an exact
reset, the database is equal to a new clone of the template. The server's write-ahead log (WAL) lists every
relation that a test has changed. If each of these relations is a table or a sequence of the template, the
reset deletes the rows of the changed tables, copies the rows of the template back and sets the sequences.
After any other change, and whenever the list may be incomplete, the database is dropped and a new database is
cloned.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.value import frozen
from pytest_infra.services.postgres import catalog, wal
from pytest_infra.services.postgres.catalog import Contents, Sequence, Table
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.quick_session import quick_session
from pytest_infra.services.postgres.sessions import OPTIONS
from pytest_infra.services.postgres.statements import locked, url_of

if TYPE_CHECKING:
    import psycopg

#: the maximum number of resets of a database; deleted rows and index entries make the database slower
MAX_RESETS = 100
#: After `FAILURES` failed resets in succession, the tests probably run DDL. Then the next `PAUSE` new
#: databases are dropped without an attempt to reset them. After this pause, one more failure causes the next
#: pause.
FAILURES, PAUSE = 4, 40

# These routines belong to one session, and the server keeps their plans: planning the queries again for each
# reset would take longer than executing them. The state of a database is its properties in the catalogs that
# all databases share, except the label of its test. `infra_take_away` first commits that new sessions are not
# allowed, and ends all sessions. If the state is as expected, the procedure renames the database (this fails
# if a session is left), and reads the changes of the sessions.
_DEFINITIONS = f"""
create function pg_temp.infra_state(wanted text) returns text language plpgsql as $$ begin
  return (select jsonb_build_array(
      to_jsonb(d) - 'datname' - 'datallowconn',
      (select jsonb_agg(to_jsonb(s) order by s.setrole) from pg_db_role_setting s where s.setdatabase = d.oid
       and not (s.setrole = 0 and cardinality(s.setconfig) = 1 and s.setconfig[1] like 'application_name=%')),
      shobj_description(d.oid, 'pg_database'),
      (select jsonb_agg(to_jsonb(l) order by l.provider) from pg_shseclabel l where l.objoid = d.oid),
      (select count(*) from pg_shdepend where dbid = d.oid),
      (select count(*) from pg_subscription where subdbid = d.oid),
      (select count(*) from pg_prepared_xact() where dbid = d.oid),
      (select count(*) from pg_get_replication_slots() where datoid = d.oid))::text
    from pg_database d where d.datname = wanted);
end $$;
{wal.DEFINITION};
create procedure pg_temp.infra_take_away(
  old text, new text, number oid, expected text,
  since pg_lsn, max_bytes bigint, databases bigint[], ignored xid[],
  inout state text, inout reached pg_lsn, inout changes text[]
) language plpgsql as $$ begin
  execute format('alter database %I with allow_connections false', old);
  commit;
  for attempt in 1..5000 loop
    perform pg_terminate_backend(pid) from pg_stat_get_activity(null) where datid = number;
    exit when not found;
    perform pg_stat_clear_snapshot(), pg_sleep(0.001);
  end loop;
  state := pg_temp.infra_state(old);
  if state = expected then
    execute format('alter database %I rename to %I', old, new);
    execute format('alter database %I with allow_connections true', new);
    call pg_temp.infra_changes(since, max_bytes, databases, ignored, reached, changes);
  end if;
end $$
"""  # noqa: S608 - the definition is a constant
_TAKE_AWAY = f"call pg_temp.infra_take_away(%s, %s, %s::oid, %s, {wal.ARGUMENTS}, null, null, null)"
#: settings of the session that resets a database: foreign keys are not checked, triggers do not run, rows are
#: read in the order of the table, and the statistics do not count the changes
_OPTIONS = (
    f"{OPTIONS} -c session_replication_role=replica -c synchronize_seqscans=off -c statement_timeout=10s"
    " -c track_counts=off -c track_activities=off"
)


class NotExactError(Exception):
    """The error that a reset database would differ from a new clone; the message is the reason."""


@frozen
class _Watched:
    """A database whose changes are observed; `resets` is the number of its resets."""

    oid: int
    #: the result of `infra_state` for the new clone
    state: str
    resets: int = 0


class Recycler:
    """The databases of one template whose changes are observed, so that they can be reset.

    The object belongs to one connection to the server.
    """

    def __init__(self, server: Endpoint, *, enabled: bool = True) -> None:
        self._server = server
        self._conninfo = ""
        self._wal = wal.Wal()
        self._watched: dict[str, _Watched] = {}
        #: whether the WAL can be read; None: not known
        self._readable = None if enabled else False
        self._contents: Contents | None = None
        self._clones = 0
        self._failures = self._pause = 0

    def watch(self, connection: psycopg.Connection[Any], name: str) -> None:
        """Begin to observe a new clone before a test gets it. For the second clone, also read its contents.

        The contents of the first clone are not read, because a test is waiting for this clone, and perhaps no
        second clone is needed.
        """
        if self._pause:
            self._pause -= 1
            return
        if self._readable is None:
            with locked(connection, wal.SCHEMA):
                self._readable = wal.readable(connection)
            if self._readable:
                connection.execute(_DEFINITIONS.encode())
        if not self._readable:
            return
        self._clones += 1
        if self._clones == 2:
            with closing(self._session(name)) as session:
                self._contents = catalog.read(session)
                self._readable = self._contents is not None
        self._read(connection)
        query = "select oid::bigint, pg_temp.infra_state(datname) from pg_database where datname = %s"
        oid, state = connection.execute(query, [name]).fetchone() or (0, "")
        self._wal.watch(oid)
        self._watched[name] = _Watched(oid=oid, state=state)

    def discard(self, name: str) -> None:
        """Stop observing the changes of a database that is dropped or kept."""
        watched = self._watched.pop(name, None)
        if watched is not None:
            self._wal.discard(watched.oid)

    def resettable(self, connection: psycopg.Connection[Any], name: str) -> bool:
        """Return whether a reset of a used database may succeed; the database is not changed."""
        watched = self._watched.get(name)
        if watched is None or self._contents is None or watched.resets >= MAX_RESETS:
            return False
        # Most tests change only rows, so the changes are examined here only if a reset has failed before.
        if not self._failures:
            return True
        try:
            self._read(connection)
            self._changed(watched)
        except NotExactError:
            self._failed()
            return False
        return True

    def reset(self, connection: psycopg.Connection[Any], name: str, new_name: str) -> None:
        """Rename a used database, and reset its tables and sequences to the contents of the template.

        Raises:
            NotExactError: the result would differ from a new clone.
            psycopg.Error: the server has rejected a statement.

        After both errors, the database has the old or the new name and must be dropped.
        """
        watched = self._watched.pop(name)
        try:
            self._take_away(connection, name, new_name, watched)
            # The database had no session when it was renamed, and no client has the new name. From here on,
            # only this process changes the database.
            tables, sequences = self._changed(watched)
            if tables or sequences:
                self._restore(watched.oid, new_name, tables, sequences)
            self._wal.watch(watched.oid)
        except BaseException as error:
            self._wal.discard(watched.oid)
            if not isinstance(error, NotExactError):
                self._wal.discard_all()
            self._failed()
            raise
        self._failures = 0
        self._watched[new_name] = _Watched(oid=watched.oid, state=watched.state, resets=watched.resets + 1)

    def _read(self, connection: psycopg.Connection[Any]) -> None:
        """Read new records of the WAL; if a part of the WAL is missing, stop observing all databases."""
        try:
            self._wal.read(connection)
        except driver(self._server.name).Error:
            self._wal.discard_all()

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._failures, self._pause = FAILURES - 1, PAUSE

    def _take_away(
        self, connection: psycopg.Connection[Any], name: str, new_name: str, watched: _Watched
    ) -> None:
        """End all sessions of a database, rename it, and read the changes of the sessions from the WAL."""
        arguments = [name, new_name, watched.oid, watched.state, *self._wal.arguments()]
        state, position, changes = connection.execute(_TAKE_AWAY, arguments).fetchone() or ("", "", None)
        if state != watched.state:
            raise NotExactError("the test has changed a setting, slot, subscription or prepared transaction")
        self._wal.add(position, changes)

    def _changed(self, watched: _Watched) -> tuple[list[Table], list[Sequence]]:
        """Return the tables and sequences of a database that a test has changed.

        Raises `NotExactError` if the test has changed something else.
        """
        changes, contents = self._wal.changes(watched.oid), self._contents
        if changes is None or contents is None:
            raise NotExactError("a part of the WAL is missing")
        relations = {contents.files.get(file, 0) for file in changes}
        if not relations <= contents.tables.keys() | contents.sequences.keys():
            raise NotExactError(
                "the test has changed a catalog, a new relation, or a table that cannot be restored"
            )
        return (
            [table for oid, table in contents.tables.items() if oid in relations],
            [sequence for oid, sequence in contents.sequences.items() if oid in relations],
        )

    def _restore(self, oid: int, name: str, tables: list[Table], sequences: list[Sequence]) -> None:
        """Restore the rows of tables and the values of sequences, in one transaction."""
        self._check_sizes(oid, tables)
        filled = [table for table in tables if not table.empty]
        setvals = [
            f"setval({sequence.oid}::regclass, {sequence.last_value}, {sequence.is_called})"
            for sequence in sequences
        ]
        # The statements of one message are one transaction, unless the message contains a `begin`.
        statements = [
            *(["begin"] if filled else []),
            *(f"delete from only {table.name}" for table in tables),  # noqa: S608 - it is quoted
            ", ".join(["select pg_current_xact_id()::xid::text", *setvals]),
        ]
        with closing(self._session(name)) as session:
            cursor = session.execute("; ".join(statements).encode())
            while cursor.nextset():
                pass
            transaction = (cursor.fetchone() or ("0",))[0]
            for table in filled:
                with session.cursor().copy(f"copy {table.name} from stdin (format binary)".encode()) as copy:
                    copy.write(table.rows)
            if filled:
                session.execute("commit")
                # The rows may be in another order, because the server writes a row to any free space.
                for table in filled:
                    if catalog.copied_out(session, table.name, generated=True) != table.all_columns:
                        raise NotExactError("rows are in another order")
                self._check_sizes(oid, filled)
        self._wal.ignore(transaction)

    def _session(self, database: str) -> psycopg.Connection[Any]:
        from psycopg.conninfo import make_conninfo

        self._conninfo = self._conninfo or make_conninfo(url_of(self._server), options=_OPTIONS)
        return quick_session(f"{self._conninfo} dbname={database}")

    def _check_sizes(self, database: int, tables: Iterable[Table]) -> None:
        """Raise `NotExactError` if a file is so large that the planner's estimates would change."""
        cluster = self._server.data / "cluster"
        try:
            if any(table.size(cluster, database) > table.max_size for table in tables):
                raise NotExactError("a table has grown")
        except OSError as error:
            raise NotExactError("the size of a table is not known") from error
