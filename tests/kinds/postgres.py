"""PostgreSQL in the contract suite: a value is a row."""

from __future__ import annotations

import psycopg

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Insert or replace a row."""
    with psycopg.connect(endpoint["url"]) as connection:
        connection.execute("create table if not exists contract (name text primary key, value text)")
        connection.execute(
            "insert into contract values (%s, %s) on conflict (name) do update set value = excluded.value",
            (name, value),
        )


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the row's value."""
    with psycopg.connect(endpoint["url"]) as connection:
        if connection.execute("select to_regclass('contract')").fetchone() == (None,):
            return None
        row = connection.execute("select value from contract where name = %s", (name,)).fetchone()
    return row[0] if row else None
