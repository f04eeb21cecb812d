"""Upgrade a database with Alembic, as the program of a separate process.

Alembic's `env.py` configures logging, changes `sys.path` and imports the application, which must not happen
in the process of the tests. The standard input is the request, a JSON object:

- `ini`, `toml`: the files with the configuration; null for a file that does not exist
- `url`: the URL of the database for SQLAlchemy
- `identity`: the result of the query `IDENTITY` in the database; `env.py` may connect to no other database of
  PostgreSQL
- `path`: folders that are appended to `sys.path`, for imports of `env.py`
- `scripts`: the folders with `env.py` and the revisions
- `report`: the file to which an error is written, as JSON with `error`, `position`, `statement` and
  `traceback`
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

#: the name of the database, and the start time of its server, which is different for each server
IDENTITY = "select current_database()::text, extract(epoch from pg_postmaster_start_time())::text"


class OtherDatabaseError(Exception):
    """The error that `env.py` connects to a database that is not the database of the template."""


class _Attributes(dict[str, Any]):
    """The value of `config.attributes`; a connection is opened only for an `env.py` that requires one.

    Source: Alembic documentation, "Cookbook", section "Sharing a Connection across one or more programmatic
    migration commands". With `attributes.get("connection")`, `env.py` gets None and opens its own connection.
    """

    def __init__(self, url: str) -> None:
        super().__init__({"url": url, "sqlalchemy.url": url, "database_url": url})
        self._url = url

    def __missing__(self, name: str) -> Any:
        if name != "connection":
            raise KeyError(name)
        from sqlalchemy import create_engine

        self[name] = connection = create_engine(self._url).connect()
        return connection

    def commit(self) -> None:
        """Commit the changes that `env.py` has made in the shared connection, and close the connection."""
        if (connection := self.get("connection")) is not None:
            connection.commit()
            connection.close()


def main() -> None:
    """Run the upgrade; exit with 1 after an error."""
    request = json.load(sys.stdin)
    sys.path += [folder for folder in request["path"] if folder not in sys.path]
    try:
        _upgrade(request)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the error is reported
        report = describe(error, request["scripts"])
        Path(request["report"]).write_text(json.dumps(report), encoding="utf-8")
        sys.exit(1)


def _upgrade(request: dict[str, Any]) -> None:
    from alembic import __version__, command
    from alembic.config import Config

    _refuse_other_databases(tuple(request["identity"]))
    config = Config(request["ini"])
    if request["toml"]:
        try:
            config = Config(request["ini"], toml_file=request["toml"])
        except TypeError as error:
            raise RuntimeError(
                f"the table [tool.alembic] requires Alembic 1.16 or later, but {__version__} is installed"
            ) from error
    config.set_main_option("sqlalchemy.url", request["url"].replace("%", "%%"))
    # Alembic reads the attributes from the instance. Source: `alembic.util.langhelpers.memoized_property`.
    config.attributes = attributes = _Attributes(request["url"])
    command.upgrade(config, "heads")
    attributes.commit()


def _refuse_other_databases(identity: tuple[str, ...]) -> None:
    """Make SQLAlchemy connections to PostgreSQL databases other than `identity` fail before any change.

    Source: SQLAlchemy documentation, "Core Events", `ConnectionEvents.engine_connect`.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def check(connection: Any, *_: object) -> None:
        if connection.dialect.name != "postgresql":
            return
        # A statement of `connection` itself would begin a transaction; `env.py` could then not begin its own.
        pooled = connection.connection
        cursor = pooled.cursor()
        cursor.execute(IDENTITY)
        actual = tuple(cursor.fetchone())
        cursor.close()
        pooled.rollback()
        if actual != identity:
            raise OtherDatabaseError(
                f"the connection is to the database {actual[0]!r} of {connection.engine.url!r}, not to the"
                f" database of the template, {identity[0]!r}"
            )

    event.listen(Engine, "engine_connect", check)


def describe(error: BaseException, scripts: list[str]) -> dict[str, str]:
    """Return a report: error, position in the scripts (`FILE:LINE`), failed SQL statement and traceback.

    The position and the statement are empty if they are not known.
    """
    frames = traceback.extract_tb(error.__traceback__)
    script_frames = [
        frame for frame in frames if any(Path(frame.filename).is_relative_to(folder) for folder in scripts)
    ]
    cause = getattr(error, "orig", None) or error
    text = str(cause).strip()
    # An error of the command, such as an unknown revision, has no position in the scripts.
    position = (
        f"{script_frames[-1].filename}:{script_frames[-1].lineno}"
        if script_frames and type(error).__name__ != "CommandError"
        else ""
    )
    if isinstance(error, SyntaxError) and error.filename:
        position, text = f"{error.filename}:{error.lineno}", error.msg
    return {
        "error": f"{type(cause).__name__}: {text}" if text else type(cause).__name__,
        "position": position,
        "statement": str(getattr(error, "statement", None) or ""),
        "traceback": "".join(traceback.format_exception(error))[-8000:],
    }
