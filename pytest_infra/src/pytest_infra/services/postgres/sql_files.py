"""Migrations in SQL files."""

from __future__ import annotations

from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.migrations import Migrations, contents, key_of
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.failed_migration import failure


def migrations(path: Path, where: str) -> Migrations:
    """Return the migrations of a SQL file, or of all `*.sql` files of a folder, sorted by name."""
    files = sorted(path.rglob("*.sql")) if path.is_dir() else [path]
    if not files:
        raise ConfigurationError(f"the folder {path} contains no `*.sql` file", where=where)

    def run(database: Endpoint) -> None:
        from psycopg import Error

        with driver(database.name).connect(database.url, autocommit=True) as connection:
            for file in files:
                try:
                    connection.execute(file.read_bytes())
                except Error as error:
                    raise failure(str(error), database.name, where=str(file)) from error

    return Migrations(run=run, key=key_of(contents(files)))
