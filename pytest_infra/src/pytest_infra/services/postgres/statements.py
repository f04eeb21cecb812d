"""Statements for the databases of a server and their sessions, and the URLs of the databases.

Source: PostgreSQL documentation, "ALTER DATABASE" and "DROP DATABASE".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    import psycopg


def url_of(server: Mapping[str, str], database: str = "") -> str:
    """Return the URL of a database; by default, of the database in the server's URL.

    If the server has a Unix socket, the URL uses the socket instead of the port.
    """
    url = server.get("socket_url") or server["url"]
    return url_at(url, database) if database else url


def url_at(url: str, database: str) -> str:
    """Return `url` with `database` instead of the name of the database in `url`."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def execute(connection: psycopg.Connection[Any], text: str, *names: str) -> psycopg.Cursor[Any]:
    """Execute an SQL statement, in which each `{}` is replaced by a quoted name."""
    from psycopg import sql

    # Every text is a constant of this package; only the names in it vary, and they are quoted.
    statement = sql.SQL(text)  # pyright: ignore[reportArgumentType]
    return connection.execute(statement.format(*map(sql.Identifier, names)))


def name_sessions(connection: psycopg.Connection[Any], database: str, name: str) -> None:
    """Set the application name of all later sessions of a database."""
    from psycopg import sql

    statement = sql.SQL("alter database {} set application_name = {}")
    connection.execute(statement.format(sql.Identifier(database), sql.Literal(name)))


def end_sessions(connection: psycopg.Connection[Any], database: str) -> None:
    """Disconnect all sessions of a database, and wait until every session has ended.

    The wait has at most 5000 steps of at least one millisecond.

    The second argument of `pg_terminate_backend` would also wait, but for at least a tenth of a second.
    """
    from psycopg import sql

    statement = sql.SQL(
        "do $$ begin for attempt in 1..5000 loop"
        " perform pg_terminate_backend(pid) from pg_stat_get_activity(null)"
        " where datid = (select oid from pg_database where datname = {});"
        " exit when not found;"
        " perform pg_stat_clear_snapshot(), pg_sleep(0.001);"
        " end loop; end $$"
    )
    connection.execute(statement.format(sql.Literal(database)))


def require_no_prepared_transaction(connection: psycopg.Connection[Any], database: str) -> None:
    """Raise `psycopg.errors.RaiseException` if a database has a prepared transaction.

    Such a transaction prevents the drop of the database, or delays it if it holds a lock of the database.
    """
    from psycopg import sql

    statement = sql.SQL(
        "do $$ begin if exists (select from pg_prepared_xacts where database = {})"
        " then raise exception 'a transaction is prepared'; end if; end $$"
    )
    connection.execute(statement.format(sql.Literal(database)))


def drop(connection: psycopg.Connection[Any], database: str) -> None:
    """Disconnect all sessions of a database and drop it, if it exists."""
    execute(connection, "drop database if exists {} with (force)", database)


@contextlib.contextmanager
def locked(connection: psycopg.Connection[Any], name: str) -> Iterator[None]:
    """Hold an advisory lock of the server during the block; the lock also ends with the connection."""
    connection.execute("select pg_advisory_lock(hashtext(%s))", [name])
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(hashtext(%s))", [name])
