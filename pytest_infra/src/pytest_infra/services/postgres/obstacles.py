"""Drop a database although prepared transactions, slots, subscriptions or its template flag prevent this.

Source: PostgreSQL, `src/backend/commands/dbcommands.c`, `dropdb`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.postgres import statements
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.statements import end_sessions, execute, url_of

if TYPE_CHECKING:
    import psycopg

_PREPARED = "select gid from pg_prepared_xacts where database = %s"
_SLOTS = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s"
_SUBSCRIPTIONS = """
select s.subname from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = %s
"""


def drop(connection: psycopg.Connection[Any], server: Endpoint, database: str) -> None:
    """Drop a database if it exists, after removing everything that prevents this.

    `connection` is a connection to another database of the server.
    """
    from psycopg import Error

    try:
        statements.require_no_prepared_transaction(connection, database)
        statements.drop(connection, database)
    except Error:
        _remove(connection, server, database)
        statements.drop(connection, database)


def _remove(connection: psycopg.Connection[Any], server: Endpoint, database: str) -> None:
    from psycopg import sql

    execute(connection, "alter database {} with is_template false allow_connections true", database)
    end_sessions(connection, database)
    prepared = connection.execute(_PREPARED, [database]).fetchall()
    subscriptions = connection.execute(_SUBSCRIPTIONS, [database]).fetchall()
    if prepared or subscriptions:
        url = url_of(server, database)
        with driver(server.name).connect(url, autocommit=True) as session:
            for (gid,) in prepared:
                session.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))
            for (name,) in subscriptions:
                # Without a slot name, the subscription is dropped without a connection to the publisher.
                for text in ("disable", "set (slot_name = none)"):
                    execute(session, f"alter subscription {{}} {text}", name)
                execute(session, "drop subscription {}", name)
    execute(connection, "alter database {} with allow_connections false", database)
    end_sessions(connection, database)
    connection.execute(_SLOTS, [database])
