"""Drop a database that has prepared transactions, replication slots, subscriptions or the template flag.

Sources: PostgreSQL, `src/backend/commands/dbcommands.c`, `dropdb`; PostgreSQL documentation, "Table-Level
Locks" and "pg_locks".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.postgres import statements
from pytest_infra.services.postgres.sessions import connect
from pytest_infra.services.postgres.statements import end_sessions, execute

if TYPE_CHECKING:
    import psycopg

#: the sessions that lock a shared catalog in a mode that prevents other sessions from writing to the catalog
_LOCKERS = """
from pg_lock_status() where database = 0 and locktype = 'relation' and granted and pid <> pg_backend_pid()
and mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""
#: The expression is true if the database $1 has a prepared transaction, a replication slot or a subscription,
#: or if a session locks a catalog that all databases share. The names of these objects are unique in the
#: whole server, so a later test could not use the same names.
EXIST = f"""
(select exists (select from pg_prepared_xact() where dbid = d.oid)
     or exists (select from pg_get_replication_slots() where datoid = d.oid)
     or exists (select from pg_subscription where subdbid = d.oid)
     or exists (select {_LOCKERS})
 from pg_database d where d.datname = $1)
"""  # noqa: S608 - the query is a constant
#: Ends the sessions of the database $1. Otherwise, a session that a test has left in a `COPY` would delay
#: every `DROP DATABASE`, because the session does not answer the server.
END_SESSIONS = """
(select count(pg_terminate_backend(pid)) from pg_stat_get_activity(null)
 where datid = (select oid from pg_database where datname = $1))
"""
_END_LOCKERS = f"select pg_terminate_backend(pid) {_LOCKERS}"
#: seconds to wait for the start of a session in the database of a test; a prepared transaction can hold a
#: lock that prevents the start
_PATIENCE = 5
#: the time limit of a `DROP DATABASE`, which waits until all other sessions have closed their files
_LIMIT = "30s"
#: the settings of a session in the database of a test: the triggers of the test do not run. The setting
#: `event_triggers` exists since the version `_SINCE`; it also applies to event triggers with `ENABLE ALWAYS`.
_NO_TRIGGERS = "-c session_replication_role=replica"
_NO_EVENT_TRIGGERS, _SINCE = "-c event_triggers=off", 170_000
#: An interrupted `DROP DATABASE` has already removed all obstacles, and `ALTER DATABASE` of such a database
#: ends the session. Source: `src/include/catalog/pg_database.h`, `DATCONNLIMIT_INVALID_DB`.
_INVALID = "select true from pg_database where datname = %s and datconnlimit = -2"
_PREPARED = "select gid from pg_prepared_xacts where database = %s"
_SLOTS = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s"
_SUBSCRIPTIONS = """
select s.subname from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = %s
"""


def end_lockers(connection: psycopg.Connection[Any]) -> None:
    """End the sessions that lock a catalog which all databases share; no other test may be running."""
    connection.execute(_END_LOCKERS.encode())


def roll_back(
    connection: psycopg.Connection[Any], server: Endpoint, database: str, transactions: Iterable[str]
) -> None:
    """Roll back prepared transactions of a database."""
    from psycopg import sql

    with _session(connection, server, database) as session:
        for gid in transactions:
            session.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))


def drop_owned(connection: psycopg.Connection[Any], server: Endpoint, database: str, role: str) -> None:
    """Drop the objects and privileges of a role in a database; `connection` is to another database."""
    with _session(connection, server, database) as session:
        execute(session, "drop owned by {} cascade", role)


def drop(connection: psycopg.Connection[Any], server: Endpoint, database: str) -> None:
    """Drop a database if it exists; if the drop fails, remove what prevents it, and try the drop again.

    `connection` is a connection to another database of the server.
    """
    from psycopg import Error

    connection.execute(f"set statement_timeout = '{_LIMIT}'".encode())
    try:
        statements.require_no_prepared_transaction(connection, database)
        statements.drop(connection, database)
    except Error:
        _remove(connection, server, database)
        statements.drop(connection, database)
    finally:
        if not connection.closed:
            connection.execute("set statement_timeout = 0")


def _session(connection: psycopg.Connection[Any], server: Endpoint, database: str) -> psycopg.Connection[Any]:
    """Open a session in the database of a test; `connection` is a connection to another database."""
    version_options = f" {_NO_EVENT_TRIGGERS}" if connection.info.server_version >= _SINCE else ""
    return connect(server, database, options=_NO_TRIGGERS + version_options, patience=_PATIENCE)


def _remove(connection: psycopg.Connection[Any], server: Endpoint, database: str) -> None:
    end_sessions(connection, database)  # a session may hold a lock for which the next statement would wait
    if connection.execute(_INVALID, [database]).fetchone():
        return
    execute(connection, "alter database {} with is_template false allow_connections true", database)
    end_sessions(connection, database)
    if prepared := connection.execute(_PREPARED, [database]).fetchall():
        roll_back(connection, server, database, [gid for (gid,) in prepared])
    subscriptions = connection.execute(_SUBSCRIPTIONS, [database]).fetchall()
    if subscriptions:
        with _session(connection, server, database) as session:
            for (name,) in subscriptions:
                # Without a slot name, the subscription is dropped without a connection to the publisher.
                for text in ("disable", "set (slot_name = none)"):
                    execute(session, f"alter subscription {{}} {text}", name)
                execute(session, "drop subscription {}", name)
    execute(connection, "alter database {} with allow_connections false", database)
    end_sessions(connection, database)
    connection.execute(_SLOTS, [database])
