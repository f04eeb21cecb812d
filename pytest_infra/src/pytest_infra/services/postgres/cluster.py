"""Find and undo changes that a test makes to the whole server: roles, databases, tablespaces, settings.

Source: PostgreSQL documentation, "System Catalogs" (the shared ones), "ALTER SYSTEM" and "pg_file_settings".
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.postgres import obstacles
from pytest_infra.services.postgres.statements import execute

if TYPE_CHECKING:
    import psycopg

#: `ALTER SYSTEM` writes this file
SYSTEM_FILE = "postgresql.auto.conf"
#: seconds to wait until the server has reloaded its settings
PATIENCE = 2.0

#: the transactions that have written the rows: a change of any row changes the list
_VERSIONS = """
select array[
    (select string_agg(xmin::text, ' ') from pg_database
        where not starts_with(datname, 'infra_test_') and not starts_with(datname, 'infra_template_')),
    (select string_agg(xmin::text, ' ') from pg_tablespace),
    (select string_agg(xmin::text, ' ') from pg_authid),
    (select string_agg(xmin::text, ' ') from pg_auth_members),
    (select string_agg(xmin::text, ' ') from pg_db_role_setting where setdatabase = 0),
    (select string_agg(xmin::text, ' ') from pg_parameter_acl)]::text
"""
#: kind of object → name → its properties. The databases that this kit creates are left out.
_STATE = """
select jsonb_build_object(
    'database', (select jsonb_object_agg(datname, datdba::regrole) from pg_database
        where not starts_with(datname, 'infra_test_') and not starts_with(datname, 'infra_template_')),
    'tablespace', (select jsonb_object_agg(spcname, spcowner::regrole) from pg_tablespace),
    'role', (select jsonb_object_agg(rolname, to_jsonb(a) - 'oid') from pg_authid a),
    'membership', (select jsonb_object_agg(roleid::regrole || ' of ' || member::regrole,
        jsonb_build_array(roleid::regrole, member::regrole)) from pg_auth_members),
    'setting of a role', (select jsonb_object_agg(coalesce(r.rolname, 'all') || ' ' || split_part(s, '=', 1),
        jsonb_build_array(r.rolname, s)) from pg_db_role_setting d left join pg_roles r on r.oid = d.setrole,
        unnest(d.setconfig) s where d.setdatabase = 0),
    'privilege on a parameter', (select jsonb_object_agg(parname, paracl::text) from pg_parameter_acl),
    'file', jsonb_build_object('settings', pg_read_file('postgresql.auto.conf', 0, 100000, true))
)::text
"""
_SYSTEM = """
select name, setting from pg_file_settings where sourcefile like '%/postgresql.auto.conf' and name is not null
"""
_SWITCHES = {
    "rolsuper": "superuser",
    "rolinherit": "inherit",
    "rolcreaterole": "createrole",
    "rolcreatedb": "createdb",
    "rolcanlogin": "login",
    "rolreplication": "replication",
    "rolbypassrls": "bypassrls",
}


class Cluster:
    """The state of the server outside the tests' databases, to which `restore` returns."""

    def __init__(self, server: Endpoint, connection: psycopg.Connection[Any]) -> None:
        self._server = server
        self._text = self._versions = ""
        self._system: dict[str, str] = {}
        self.accept(connection)

    def accept(self, connection: psycopg.Connection[Any]) -> None:
        """Record the present state of the server; `restore` returns to it.

        Called, for example, after migrations that create roles.
        """
        self._versions = self._read_versions(connection)
        self._text = _read(connection)
        self._system = dict(connection.execute(_SYSTEM).fetchall())

    def changed(self, connection: psycopg.Connection[Any]) -> bool:
        """Return whether the state of the server differs from the recorded state; called after each test."""
        versions = self._read_versions(connection)
        if versions == self._versions:
            return False
        self._versions = versions
        return _read(connection) != self._text

    def restore(self, connection: psycopg.Connection[Any]) -> list[str]:
        """Undo the changes of the server; return those that could not be undone, as texts such as `role ada`.

        The database of the test must have been dropped before, because its objects may depend on a role.
        """
        for undo in (self._undo_databases, self._undo_roles, self._undo_others, self._undo_system):
            undo(connection)
        left = self.differences(connection)
        self.accept(connection)
        return left

    def differences(self, connection: psycopg.Connection[Any]) -> list[str]:
        """Return the differences from the recorded state, as texts such as `role ada`."""
        before, after = json.loads(self._text), json.loads(_read(connection))
        return [
            f"{kind} {name}"
            for kind in after
            for name in sorted({*(before[kind] or {}), *(after[kind] or {})})
            if (before[kind] or {}).get(name) != (after[kind] or {}).get(name)
        ]

    def _read_versions(self, connection: psycopg.Connection[Any]) -> str:
        """Return a text that differs after each change of the server's roles, settings and other objects."""
        try:
            file = (self._server.data / "cluster" / SYSTEM_FILE).stat()
            written = f"{file.st_ino} {file.st_mtime_ns}"
        except OSError:
            written = ""
        return written + str((connection.execute(_VERSIONS).fetchone() or ("",))[0])

    def _undo_databases(self, connection: psycopg.Connection[Any]) -> None:
        for name, _ in self._new(connection, "database"):
            _attempt(obstacles.drop, connection, self._server, name)

    def _undo_roles(self, connection: psycopg.Connection[Any]) -> None:
        for name, _ in self._new(connection, "role"):
            _attempt(execute, connection, "drop owned by {} cascade", name)
            _attempt(execute, connection, "drop role {}", name)
        before, after = _parsed(self._text, "role"), _parsed(_read(connection), "role")
        for name, role in before.items():
            if name in after and after[name] != role:
                _attempt(_alter_role, connection, name, role)

    def _undo_others(self, connection: psycopg.Connection[Any]) -> None:
        for _, (role, member) in self._new(connection, "membership"):
            _attempt(execute, connection, "revoke {} from {}", role, member)
        for _, (role, text) in self._new(connection, "setting of a role"):
            setting = text.partition("=")[0]
            names = (role, setting) if role else (setting,)
            who = "{}" if role else "all"
            _attempt(execute, connection, f"alter role {who} reset {{}}", *names)
        for name, _ in self._new(connection, "tablespace"):
            _attempt(execute, connection, "drop tablespace {}", name)

    def _undo_system(self, connection: psycopg.Connection[Any]) -> None:
        from psycopg import sql

        system = dict(connection.execute(_SYSTEM).fetchall())
        if system == self._system:
            return
        for name in system.keys() | self._system.keys():
            value = self._system.get(name)
            if value is None:
                execute(connection, "alter system reset {}", name)
            elif system.get(name) != value:
                statement = sql.SQL("alter system set {} = {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Literal(value)))
        _reload(connection)

    def _new(self, connection: psycopg.Connection[Any], kind: str) -> Iterator[tuple[str, Any]]:
        """Yield name and properties of each new object of a kind, which the recorded state does not have."""
        before = _parsed(self._text, kind)
        for name, content in _parsed(_read(connection), kind).items():
            if name not in before:
                yield name, content


def _read(connection: psycopg.Connection[Any]) -> str:
    return str((connection.execute(_STATE).fetchone() or ("",))[0])


def _parsed(state: str, kind: str) -> Mapping[str, Any]:
    return json.loads(state)[kind] or {}


def _attempt(action: Callable[..., object], *arguments: object) -> None:
    """Call a function that undoes a change; ignore its error, because a later comparison finds the change."""
    from psycopg import OperationalError
    from psycopg.errors import ObjectInUse

    try:
        action(*arguments)
    except OperationalError as error:
        if not isinstance(error, ObjectInUse):
            raise
    except Exception:  # noqa: BLE001, S110 - see above
        pass


def _alter_role(connection: psycopg.Connection[Any], name: str, role: Mapping[str, Any]) -> None:
    """Set all attributes of a role, including the hash of its password."""
    from psycopg import sql

    switches = " ".join(("" if role[column] else "no") + word for column, word in _SWITCHES.items())
    text = f"alter role {{}} with {switches} connection limit {{}} password {{}}"
    if role["rolvaliduntil"]:  # a date that was added cannot be removed, and is reported
        text += " valid until {}"
    statement = sql.SQL(text)  # pyright: ignore[reportArgumentType] - it consists of constants
    values = role["rolconnlimit"], role["rolpassword"], role["rolvaliduntil"]
    connection.execute(statement.format(sql.Identifier(name), *map(sql.Literal, values)))


def _reload(connection: psycopg.Connection[Any]) -> None:
    """Make the server reload its settings, and wait until it has reloaded them."""
    before = connection.execute("select pg_conf_load_time(), pg_reload_conf()").fetchone()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if connection.execute("select pg_conf_load_time()").fetchone() != (before or (None,))[:1]:
            return
        time.sleep(0.002)
