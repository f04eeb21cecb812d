"""MariaDB in the contract suite: a value is a row."""

from __future__ import annotations

import pymysql

from infra_runtime.engines.local.stack import Endpoint


def _connected(endpoint: Endpoint) -> pymysql.Connection:
    names = ("host", "user", "password", "database")
    address = {name: endpoint[name] for name in names}
    return pymysql.connect(**address, port=int(endpoint["port"]), autocommit=True, ssl_disabled=True)


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Insert or replace a row."""
    with _connected(endpoint) as connection, connection.cursor() as cursor:
        cursor.execute("create table if not exists contract (name varchar(99) primary key, value text)")
        cursor.execute("replace into contract values (%s, %s)", (name, value))


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the row's value."""
    with _connected(endpoint) as connection, connection.cursor() as cursor:
        if not cursor.execute("show tables like 'contract'"):
            return None
        cursor.execute("select value from contract where name = %s", (name,))
        row = cursor.fetchone()
    return row[0] if row else None
