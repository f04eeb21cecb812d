"""Drop a database that has prepared transactions, replication slots, subscriptions or the template flag.

Source: PostgreSQL, `src/backend/commands/dbcommands.c`, `dropdb`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.postgres import statements
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.statements import end_sessions, execute, url_of

if TYPE_CHECKING:
    import psycopg

#: Whether the database of the parameter $1 has a prepared transaction, a replication slot or a subscription.
#: The names of these objects are unique in the whole server, so a later test cannot use the same names.
EXIST = """
(select exists (select from pg_prepared_xact() where dbid = d.oid)
     or exists (select from pg_get_replication_slots() where datoid = d.oid)
     or exists (select from pg_subscription where subdbid = d.oid)
 from pg_database d where d.datname = $1)
"""
_PREPARED = "select gid from pg_prepared_xacts where database = %s"
_SLOTS = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s"
_SUBSCRIPTIONS = """
select s.subname from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = %s
"""


def roll_back(server: Endpoint, database: str, transactions: Iterable[str]) -> None:
    """Roll back prepared transactions of a database."""
    from psycopg import sql

    with driver(server.name).connect(url_of(server, database), autocommit=True) as session:
        for gid in transactions:
            session.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))


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
    execute(connection, "alter database {} with is_template false allow_connections true", database)
    end_sessions(connection, database)
    if prepared := connection.execute(_PREPARED, [database]).fetchall():
        roll_back(server, database, [gid for (gid,) in prepared])
    subscriptions = connection.execute(_SUBSCRIPTIONS, [database]).fetchall()
    if subscriptions:
        with driver(server.name).connect(url_of(server, database), autocommit=True) as session:
            for (name,) in subscriptions:
                # Without a slot name, the subscription is dropped without a connection to the publisher.
                for text in ("disable", "set (slot_name = none)"):
                    execute(session, f"alter subscription {{}} {text}", name)
                execute(session, "drop subscription {}", name)
    execute(connection, "alter database {} with allow_connections false", database)
    end_sessions(connection, database)
    connection.execute(_SLOTS, [database])
