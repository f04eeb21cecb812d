"""Migrations: what makes a template out of an empty database, and a key that changes when that does."""

from __future__ import annotations

import hashlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError

#: what is called with the empty database
Migrate: TypeAlias = Callable[[Endpoint], object]
#: what `infra_postgres_migrations` may return
Source: TypeAlias = "str | os.PathLike[str] | Migrate | Migrations | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """How to migrate, and what the result depends on."""

    run: Migrate
    #: sixteen hex digits: the template is made anew when they change
    key: str

    @classmethod
    def of(cls, run: Migrate, *files: str | os.PathLike[str], version: str = "") -> Migrations:
        """A callable whose result depends on more than the module that it stands in.

        Folders count with everything in them. With a `version` nothing but that text counts.
        """
        content = [version.encode()] if version else [_source(run), *_contents(map(Path, files))]
        return cls(run=run, key=_key(content))


def read(source: Source, root: Path) -> Migrations:
    """What an ini value or the fixture says, as migrations. Raises `ConfigurationError`."""
    if source is None or source == "":
        return Migrations(run=lambda _: None, key=_key([]))
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
        return _sql(path)
    if ":" in text:
        return Migrations.of(_named(text))
    raise ConfigurationError(
        f"{text!r} is neither a folder of SQL files nor an alembic.ini nor MODULE:FUNCTION",
        where="infra_postgres_migrations",
    )


def _named(text: str) -> Migrate:
    module, _, name = text.partition(":")
    try:
        found: Migrate = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{text!r} cannot be imported: {error}", where="infra_postgres_migrations"
        ) from error
    return found


# --- SQL files -------------------------------------------------------------------------------------


def _sql(path: Path) -> Migrations:
    """A file, or all `*.sql` of a folder in the order of their names."""
    files = sorted(path.rglob("*.sql")) if path.is_dir() else [path]
    if not files:
        raise ConfigurationError(f"{path} has no *.sql in it", where="infra_postgres_migrations")

    def run(database: Endpoint) -> None:
        from psycopg import Error

        from pytest_infra.services.postgres.isolation import driver

        with driver().connect(database.url, autocommit=True) as connection:
            for file in files:
                try:
                    connection.execute(file.read_bytes())
                except Error as error:
                    raise ConfigurationError(
                        str(error), where=str(file), hint="Mend the migration."
                    ) from error

    return Migrations(run=run, key=_key(_contents(files)))


# --- Alembic ---------------------------------------------------------------------------------------

#: in a process of its own: an `env.py` configures logging, and may import the whole application
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
        # SQLAlchemy's bare `postgresql:` means psycopg2, which need not be there.
        url = database.url.replace("postgresql:", "postgresql+psycopg:", 1)
        done = subprocess.run(
            [sys.executable, "-c", _UPGRADE, str(ini)],
            cwd=ini.parent,
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigurationError(
                f"alembic upgrade failed:\n{done.stderr.strip()[-4000:]}", where=str(ini), hint="Mend it."
            )

    return Migrations(run=run, key=_key(_contents([ini, _script_location(ini)])))


def _script_location(ini: Path) -> Path:
    from configparser import RawConfigParser

    parser = RawConfigParser()
    parser.read(ini, encoding="utf-8")
    location = parser.get("alembic", "script_location", fallback="alembic")
    return ini.parent / location.replace("%(here)s", str(ini.parent))


# --- keys ------------------------------------------------------------------------------------------


def _key(contents: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _contents(paths: Iterable[Path]) -> list[bytes]:
    found: list[bytes] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            if file.is_file() and "__pycache__" not in file.parts:
                found += [str(file.relative_to(path.parent)).encode(), file.read_bytes()]
    return found


def _source(run: Migrate) -> bytes:
    """The whole module of a callable, and its name there."""
    named = inspect.unwrap(run)
    try:
        file = inspect.getsourcefile(named)
    except TypeError:
        file = None
    name = getattr(named, "__qualname__", "")
    if file is None or not name or not Path(file).is_file():
        raise ConfigurationError(
            f"nobody can see what {run!r} depends on",
            where="infra_postgres_migrations",
            hint='Say it: `Migrations.of(run, version="1")`.',
        )
    return Path(file).read_bytes() + name.encode()
