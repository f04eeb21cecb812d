"""Migrate the database: apply each file of `migrations/` once, in the order of the names."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def migrate(url: str) -> list[str]:
    """Apply the missing migrations in one transaction, and return their names."""
    applied = []
    with psycopg.connect(url) as connection:
        connection.execute("create table if not exists migrations (name text primary key)")
        done = {name for (name,) in connection.execute("select name from migrations")}
        for file in sorted(MIGRATIONS.glob("*.sql")):
            if file.name not in done:
                connection.execute(file.read_bytes())
                connection.execute("insert into migrations values (%s)", [file.name])
                applied.append(file.name)
    return applied


if __name__ == "__main__":
    print("applied:", ", ".join(migrate(os.environ["DATABASE_URL"])) or "nothing")
