"""Read the migrations of a database: SQL files, Alembic migrations, functions, or a list of them."""

from __future__ import annotations

from pathlib import Path

from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation import migrations
from pytest_infra.isolation.migrations import Migrations, Source, imported
from pytest_infra.services.postgres import alembic_config, alembic_upgrade, sql_files


def read(source: Source, root: Path, where: str) -> Migrations:
    """Return the migrations that the value of a fixture or an ini value describes.

    `where` is the name of the fixture or ini value, for error messages.

    Raises:
        ConfigurationError: the value does not describe migrations.
    """
    return migrations.read(source, where, lambda text, name: _read(text, root, name))


def _read(text: str, root: Path, where: str) -> Migrations:
    """Return the migrations for a path, or for `MODULE:FUNCTION`."""
    path = _path(text, root)
    if (config := alembic_config.find(path, root, where)) is not None:
        return alembic_upgrade.migrations(config)
    if path.is_dir() or (path.suffix == ".sql" and path.is_file()):
        return sql_files.migrations(path, root, where)
    if ":" in text:
        return imported(text, where)
    problem = "does not exist" if not path.exists() else "is not a SQL file"
    raise ConfigurationError(
        f"{text!r} is not a source of migrations: {path} {problem}",
        where=where,
        hint="A source is a SQL file, a folder with SQL files, an alembic.ini, a pyproject.toml with "
        "[tool.alembic], the folder with env.py, or MODULE:FUNCTION. A relative path starts at the root "
        "directory of pytest.",
    )


def _path(text: str, root: Path) -> Path:
    """Return the path that a string describes; parent folders of `root` are searched for Alembic's files."""
    path = root / Path(text).expanduser()
    if text in {alembic_config.INI, alembic_config.TOML}:
        return next(
            (candidate for folder in (root, *root.parents) if (candidate := folder / text).is_file()), path
        )
    return path
