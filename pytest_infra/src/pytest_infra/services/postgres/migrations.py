"""Read the migrations of a database, which are SQL files, Alembic migrations, or a function."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.migrations import Migrations, Source, contents, imported, key_of, none
from pytest_infra.services.postgres.driver import driver

#: Source: PostgreSQL, `src/backend/commands/extension.c`
_MISSING_EXTENSION = re.compile(r'extension "([^"]+)" is not available')


def read(source: Source, root: Path, where: str) -> Migrations:
    """Return the migrations for an ini value, or for the value of the fixture `where`.

    Raises:
        ConfigurationError: the value does not describe migrations.
    """
    if source is None or source == "":
        return none()
    if isinstance(source, Migrations):
        return source
    if callable(source):
        return Migrations.of(source)
    text = os.fspath(source)
    path = root / Path(text).expanduser()
    if path.is_dir() and (path / "alembic.ini").is_file():
        path /= "alembic.ini"
    if path.suffix == ".ini" and path.is_file():
        return _alembic(path)
    if path.is_dir() or (path.suffix == ".sql" and path.is_file()):
        return _sql(path, where)
    if ":" in text:
        return imported(text, where)
    raise ConfigurationError(
        f"{text!r} is neither a folder of SQL files nor an alembic.ini nor MODULE:FUNCTION", where=where
    )


def _sql(path: Path, where: str) -> Migrations:
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
                    raise ConfigurationError(
                        str(error), where=str(file), hint=hint(str(error), database.name)
                    ) from error

    return Migrations(run=run, key=key_of(contents(files)))


#: This program runs in a separate process, because Alembic's `env.py` configures logging and can import the
#: application.
_UPGRADE = """
import os, sys
from alembic import command
from alembic.config import Config
config = Config(sys.argv[1])
config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"].replace("%", "%%"))
command.upgrade(config, "head")
"""


def _alembic(ini: Path) -> Migrations:
    def run(database: Endpoint) -> None:
        # For URLs that begin with `postgresql:`, SQLAlchemy uses psycopg2, which may not be installed.
        url = database.url.replace("postgresql:", "postgresql+psycopg:", 1)
        process = subprocess.run(
            [sys.executable, "-c", _UPGRADE, str(ini)],
            cwd=ini.parent,
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            output = process.stderr.strip()[-4000:]
            raise ConfigurationError(
                f"alembic upgrade failed:\n{output}", where=str(ini), hint=hint(output, database.name)
            )

    return Migrations(run=run, key=key_of(contents([ini, _script_location(ini)])))


def hint(error: str, service: str) -> str:
    """Return a hint for a migration that has failed with this error message of the server."""
    if (missing := _MISSING_EXTENSION.search(error)) is None:
        return "Correct the migration."
    return (
        f"This PostgreSQL has no extension {missing[1]}; the view pg_available_extensions lists the"
        " extensions of the server. To use an installed server that has the extension, set `binary` in the"
        f' table `[services.{service}]` of infra.toml, for example `binary = "/usr/lib/postgresql/17/bin"`.'
    )


def _script_location(ini: Path) -> Path:
    from configparser import RawConfigParser

    parser = RawConfigParser()
    parser.read(ini, encoding="utf-8")
    location = parser.get("alembic", "script_location", fallback="alembic")
    return ini.parent / location.replace("%(here)s", str(ini.parent))
