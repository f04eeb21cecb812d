"""Find and undo changes that a test makes to the whole server: roles, databases, tablespaces, settings.

The state is the content of the shared system catalogs, and the settings of `ALTER SYSTEM`. Changed rows are
written back. New databases, tablespaces, roles, slots, origins and prepared transactions are removed by SQL
statements. A database, tablespace, origin or slot that the test has dropped, and an earlier prepared
transaction that it has ended, are reported, but not restored.

Sources: PostgreSQL documentation, "System Catalogs" (the shared ones), "ALTER SYSTEM", "pg_file_settings" and
"pg_replication_slots".
"""

# ruff: noqa: S608 - the statements consist of constants of this module

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.postgres import obstacles
from pytest_infra.services.postgres.statements import execute

if TYPE_CHECKING:
    import psycopg

#: `ALTER SYSTEM` writes this file
SYSTEM_FILE = "postgresql.auto.conf"
#: seconds to wait until the server has reloaded its settings
PATIENCE = 2.0

#: SQL expressions: the object ids of the databases that the kit creates; and the name of the role, database
#: or tablespace whose object id is in a column of the row `t`
_OURS = (
    "(select oid from pg_database"
    " where starts_with(datname, 'infra_test_') or starts_with(datname, 'infra_template_'))"
)
_ROLE = "(select rolname from pg_authid where oid = t.{})"
_DATABASE = "(select datname from pg_database where oid = t.{})"
_TABLESPACE = "(select spcname from pg_tablespace where oid = t.{})"
_OBJECT = " || ".join(
    f"coalesce('{kind} ' || {name.format('objoid')}, '')"
    for kind, name in {"role": _ROLE, "database": _DATABASE, "tablespace": _TABLESPACE}.items()
)


class _Catalog(NamedTuple):
    """SQL expressions for the rows `t` of a system catalog that all databases of a server share."""

    #: the expression that identifies a row
    key: str
    #: the text that describes a row in messages; empty for a row that changes only together with another row
    text: str
    #: the condition for the rows that belong to the state
    where: str = "true"


_CATALOGS = {
    "pg_database": _Catalog("t.oid", "'database ' || datname", f"t.oid not in {_OURS}"),
    "pg_tablespace": _Catalog("t.oid", "'tablespace ' || spcname"),
    "pg_authid": _Catalog("t.oid", "'role ' || rolname"),
    "pg_auth_members": _Catalog(
        "concat_ws(' ', roleid, member, grantor)",
        f"concat('membership of ', {_ROLE.format('member')}, ' in ', {_ROLE.format('roleid')})",
    ),
    "pg_db_role_setting": _Catalog(
        "concat_ws(' ', setdatabase, setrole)",
        f"concat('settings of ', concat_ws(' in ', {_ROLE.format('setrole')},"
        f" {_DATABASE.format('setdatabase')}))",
        f"setdatabase not in {_OURS}",
    ),
    "pg_parameter_acl": _Catalog("t.oid", "'privileges on the parameter ' || parname"),
    "pg_shdescription": _Catalog(
        "concat_ws(' ', classoid, objoid)",
        f"'comment on ' || nullif({_OBJECT}, '')",
        f"objoid not in {_OURS}",
    ),
    "pg_shseclabel": _Catalog(
        "concat_ws(' ', classoid, objoid, provider)",
        f"'security label of ' || nullif({_OBJECT}, '')",
        f"objoid not in {_OURS}",
    ),
    "pg_replication_origin": _Catalog("roname", "'replication origin ' || roname"),
    "pg_shdepend": _Catalog(
        "concat_ws(' ', classid, objid, refclassid, refobjid, deptype)",
        "''",
        f"dbid = 0 and objid not in {_OURS}",
    ),
}
#: catalogs whose rows are only data: they are inserted and deleted
_DATA = (
    "pg_auth_members",
    "pg_db_role_setting",
    "pg_parameter_acl",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_shdepend",
)
#: name → the query for further objects of the state, with the columns key, content and text
_OTHERS = {
    "slot": "select slot_name, '', 'replication slot ' || slot_name from pg_replication_slots"
    " where database is null and not temporary",
    "prepared": "select gid, database, 'prepared transaction ' || gid from pg_prepared_xacts"
    " where not starts_with(database, 'infra_')",
    "system": f"select '', pg_read_file('{SYSTEM_FILE}', 0, 1000000, true), 'settings of ALTER SYSTEM'",
}
#: The query for the whole state. It omits the columns of catalogs that change without a statement of a test.
_STATE = " union all ".join(
    [
        f"select '{name}', ({catalog.key})::text,"
        " (to_jsonb(t) - '{datfrozenxid,datminmxid,datcollversion}'::text[])::text,"
        f" {catalog.text} from {name} t where {catalog.where}"
        for name, catalog in _CATALOGS.items()
    ]
    + [
        f"select '{name}', key, content, text from ({query}) as other (key, content, text)"
        for name, query in _OTHERS.items()
    ]
)
#: The query for the transactions that have written the rows; a change of any row changes the result, except
#: of rows of pg_shdepend, which change only together with others.
_VERSIONS = "select concat_ws('/', {})".format(
    ", ".join(
        [
            f"(select string_agg(xmin::text, ' ') from {name} t where {catalog.where})"
            for name, catalog in _CATALOGS.items()
            if name != "pg_shdepend"
        ]
        + [
            f"(select string_agg(key, ' ') from ({_OTHERS[name]}) as other (key, content, text))"
            for name in ("slot", "prepared")
        ]
    )
)
_PREPARE = f"prepare infra_check(text) as select {obstacles.EXIST}, ({_VERSIONS}), {obstacles.END_SESSIONS}"
_CHECK = "execute infra_check({})"
_SYSTEM = """
select name, setting from pg_file_settings where sourcefile like '%/postgresql.auto.conf' and name is not null
"""
#: the columns of `pg_database` that are written back; all other columns are fixed, or change at any time
_DATABASE_COLUMNS = ("datname", "datdba", "datistemplate", "datallowconn", "datconnlimit", "datacl")
#: the databases with objects or privileges of a role, except those of the kit
_DATABASES_OF_ROLE = f"""
select distinct d.datname from pg_shdepend s join pg_database d on d.oid = s.dbid
where s.refclassid = 'pg_authid'::regclass and s.refobjid = %s::oid and d.oid not in {_OURS}
and d.datname <> current_database()
"""
_DROP_SLOT = """
select pg_terminate_backend(active_pid, 1000) from pg_replication_slots where slot_name = %s and active
"""

#: catalog and key of a row → its content as JSON, and its description
_State = Mapping[tuple[str, str], tuple[str, str]]


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Prepare the query of `Cluster.check` in a session, so that the server keeps the plan of the query.

    psycopg must not prepare queries itself, because psycopg deallocates all prepared queries after each
    `ALTER`.
    """
    connection.prepare_threshold = None
    connection.execute(_PREPARE.encode())


class Cluster:
    """The state of the server outside the tests' databases; `restore` sets the server back to this state."""

    def __init__(self, server: Endpoint, connection: psycopg.Connection[Any]) -> None:
        self._server = server
        self._state: _State = {}
        self._versions, self._changed = "", False
        self._system: dict[str, str] = {}
        self.accept(connection)

    def accept(self, connection: psycopg.Connection[Any]) -> None:
        """Record the present state of the server; `restore` sets the server back to this state.

        The method is called, for example, after migrations that create roles.
        """
        _, self._versions = self._read_versions(connection)
        self._changed = False
        self._state = _read(connection)
        self._system = dict(connection.execute(_SYSTEM).fetchall())

    def check(self, connection: psycopg.Connection[Any], database: str) -> tuple[bool, bool]:
        """Return whether `database` has an obstacle, and whether the server differs from the recorded state.

        `obstacles.EXIST` defines the obstacles, such as a prepared transaction. The query also ends the
        sessions of the database, but does not wait until they have ended. The method is called after each
        test, with a connection for which `prepare` was called.
        """
        has_obstacles, versions = self._read_versions(connection, database)
        if versions != self._versions:
            self._versions = versions
            self._changed = _read(connection) != self._state
        return has_obstacles, self._changed

    def restore(self, connection: psycopg.Connection[Any]) -> list[str]:
        """Undo the changes of the server, and return the changes that remain, such as `role ada`.

        The database of the test must have been dropped before, because its objects may depend on a role.
        """
        for undo in (
            self._end_transactions,
            self._drop_objects,
            self._write_rows,
            self._drop_roles,
            self._write_rows,  # again, for rows that refer to a role that the test had dropped or renamed
            self._undo_system,
        ):
            undo(connection)
        remaining_changes = self.differences(connection)
        self.accept(connection)
        return remaining_changes

    def differences(self, connection: psycopg.Connection[Any]) -> list[str]:
        """Return the names of the objects that differ from the recorded state, such as `role ada`."""
        current_state = _read(connection)
        rows = {**self._state, **current_state}
        texts = [rows[key][1] for key in rows if self._state.get(key) != current_state.get(key)]
        return sorted({text for text in texts if text})

    def _read_versions(self, connection: psycopg.Connection[Any], database: str = "") -> tuple[bool, str]:
        """Return whether `database` has an obstacle, and a string that identifies the state of the server.

        `obstacles.EXIST` defines the obstacles, such as a prepared transaction. The string differs
        after each change of the server's roles, settings and other objects.
        """
        try:
            file = (self._server.data / "cluster" / SYSTEM_FILE).stat()
            file_version = f"{file.st_ino} {file.st_mtime_ns}"
        except OSError:
            file_version = ""
        from psycopg import sql

        check = sql.SQL(_CHECK).format(sql.Literal(database))
        has_obstacles, versions, _ = connection.execute(check).fetchone() or (False, "", 0)
        return bool(has_obstacles), f"{file_version} {versions}"

    def _new_rows(self, connection: psycopg.Connection[Any], *catalogs: str) -> dict[tuple[str, str], str]:
        """Return the keys and contents of catalog rows that did not exist before the test."""
        rows = _read(connection).items()
        return {key: row[0] for key, row in rows if key[0] in catalogs and key not in self._state}

    def _end_transactions(self, connection: psycopg.Connection[Any]) -> None:
        for (_, gid), database in self._new_rows(connection, "prepared").items():
            _attempt(obstacles.roll_back, connection, self._server, database, [gid])

    def _drop_objects(self, connection: psycopg.Connection[Any]) -> None:
        for (catalog, key), row in self._new_rows(
            connection, "pg_database", "pg_tablespace", "slot", "pg_replication_origin"
        ).items():
            match catalog:
                case "pg_database":
                    _attempt(obstacles.drop, connection, self._server, json.loads(row)["datname"])
                case "pg_tablespace":
                    _attempt(execute, connection, "drop tablespace {}", json.loads(row)["spcname"])
                case "slot":
                    _attempt(connection.execute, _DROP_SLOT, [key])
                    _attempt(connection.execute, "select pg_drop_replication_slot(%s)", [key])
                case _:
                    _attempt(connection.execute, "select pg_replication_origin_drop(%s)", [key])

    def _drop_roles(self, connection: psycopg.Connection[Any]) -> None:
        for (_, oid), row in self._new_rows(connection, "pg_authid").items():
            role = json.loads(row)["rolname"]
            for (database,) in connection.execute(_DATABASES_OF_ROLE.encode(), [oid]).fetchall():
                _attempt(obstacles.drop_owned, connection, self._server, database, role)
            _attempt(execute, connection, "drop owned by {} cascade", role)
            _attempt(execute, connection, "drop role {}", role)

    def _write_rows(self, connection: psycopg.Connection[Any]) -> None:
        """Write the rows of the recorded state; `_drop_objects` and `_drop_roles` drop new objects."""
        current_state = _read(connection)
        for catalog, key in {**self._state, **current_state}:
            accepted_row, current_row = self._state.get((catalog, key)), current_state.get((catalog, key))
            if accepted_row != current_row and (catalog in _DATA or (accepted_row and catalog in _CATALOGS)):
                _attempt(_write_row, connection, catalog, key, accepted_row[0] if accepted_row else None)

    def _undo_system(self, connection: psycopg.Connection[Any]) -> None:
        from psycopg import sql

        system = dict(connection.execute(_SYSTEM).fetchall())
        if system == self._system:
            return
        for name in system.keys() | self._system.keys():
            value = self._system.get(name)
            if value is None:
                _attempt(execute, connection, "alter system reset {}", name)
            elif system.get(name) != value:
                statement = sql.SQL("alter system set {} = {}")
                _attempt(connection.execute, statement.format(sql.Identifier(name), sql.Literal(value)))
        _reload(connection)


def _read(connection: psycopg.Connection[Any]) -> _State:
    rows = connection.execute(_STATE.encode()).fetchall()
    return {(catalog, key): (content or "", text or "") for catalog, key, content, text in rows}


def _write_row(connection: psycopg.Connection[Any], catalog: str, key: str, content: str | None) -> None:
    """Replace a row of a catalog; delete the row if `content` is None. Superusers may write to catalogs."""
    source = f"{catalog} t where ({_CATALOGS[catalog].key})::text = %s"
    row = f"jsonb_populate_record(null::{catalog}, %s::jsonb)"
    with connection.transaction():
        if content is None or catalog in _DATA:
            connection.execute(f"delete from {source}".encode(), [key])
        elif connection.execute(f"select from {source}".encode(), [key]).rowcount:
            names = _DATABASE_COLUMNS if catalog == "pg_database" else json.loads(content).keys() - {"oid"}
            columns = ", ".join(names)
            text = f"update {catalog} t set ({columns}) = (select {columns} from {row}) where t.oid = %s"
            connection.execute(text.encode(), [content, key])
            return
        # The files of a tablespace or database that the test has dropped are gone.
        if content is not None and catalog not in {"pg_tablespace", "pg_database", "pg_replication_origin"}:
            connection.execute(f"insert into {catalog} select * from {row}".encode(), [content])


def _attempt(action: Callable[..., object], *arguments: object) -> None:
    """Call a function that undoes a change; ignore its error: a later comparison finds a remaining change."""
    with contextlib.suppress(Exception):
        action(*arguments)


def _reload(connection: psycopg.Connection[Any]) -> None:
    """Make the server reload its settings, and wait until it has done so, at most `PATIENCE` seconds."""
    load_times = connection.execute("select pg_conf_load_time(), pg_reload_conf()").fetchone()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if connection.execute("select pg_conf_load_time()").fetchone() != (load_times or (None,))[:1]:
            return
        time.sleep(0.002)
