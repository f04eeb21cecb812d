"""Migrations with Alembic: a separate process upgrades the database to all heads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.engines.variables import variables
from infra_runtime.errors import ConfigurationError
from infra_runtime.redaction import redacted
from pytest_infra.isolation.migrations import Migrations, contents, key_of
from pytest_infra.services.postgres.address_variables import address_variables
from pytest_infra.services.postgres.alembic_config import AlembicConfig
from pytest_infra.services.postgres.alembic_process import IDENTITY
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.failed_migration import failure

#: the driver for URLs of SQLAlchemy; it is installed, because the kit needs it
DRIVER = "psycopg"
#: the hint for an `env.py` that uses another address; `_ADDRESS_ERROR` matches the errors of such an `env.py`
ADDRESS_HINT = (
    "While the migrations run, the address of the template is in the option `sqlalchemy.url`, in"
    " `config.attributes`, and in the variables DATABASE_URL, PGHOST, DB_HOST, DB_PORT, DB_NAME, DB_USER and"
    " DB_PASSWORD: env.py must read one of them."
)
_ADDRESS_ERROR = re.compile(
    r"OtherDatabaseError|could not translate host name|failed to resolve host|password authentication failed"
    r'|[Cc]onnect(?:ion)?\b.{0,300}?(?:failed|refused)|database "[^"]+" does not exist'
)
_PROGRAM = "from pytest_infra.services.postgres.alembic_process import main; main()"
#: matches the beginning of a URL of PostgreSQL; the group is SQLAlchemy's driver, if the URL contains one
_URL = re.compile(r"postgres(?:ql)?(?:\+(\w+))?://")
#: matches a line of a file `.env`: the name of a variable, and its value up to the first space or quote
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*[\"']?([^\"'\s]*)", re.MULTILINE)
#: the query whether the migrations created anything: the object ids of new objects are at least 16384.
#: Source: PostgreSQL, `src/include/access/transam.h`, FirstNormalObjectId
_IS_CHANGED = "select exists (select from pg_class where oid >= 16384)"


def migrations(config: AlembicConfig) -> Migrations:
    """Return the migrations that a configuration of Alembic describes."""
    return Migrations(
        run=lambda database: _upgrade(config, database),
        key=key_of([config.table(), *contents(config.files())]),
    )


def _upgrade(config: AlembicConfig, database: Endpoint) -> None:
    if find_spec("alembic") is None:
        raise ConfigurationError(
            "the migrations need Alembic, which is not installed",
            where=str(config.ini or config.toml),
            hint="Install it with `python -m pip install alembic`.",
        )
    scripts = [str(folder.resolve()) for folder in (config.scripts, *config.versions)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        request = {
            "ini": str(config.ini) if config.ini else None,
            "toml": str(config.toml) if config.toml else None,
            "url": _url(database, config.url),
            "path": sys.path,
            "identity": _identity(database),
            "scripts": [*scripts, *map(str, (config.scripts, *config.versions))],
            "report": str(report),
        }
        process = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            cwd=config.folder,
            env=_environment(database, config),
            input=json.dumps(request),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if process.returncode:
            _fail(config, database, _read(report), process.stderr)
    if any(folder.glob("*.py") for folder in config.versions) and not _is_changed(database):
        raise ConfigurationError(
            "`alembic upgrade heads` has not changed the database of the template",
            where=str(config.scripts / "env.py"),
            hint=ADDRESS_HINT,
        )


def _fail(config: AlembicConfig, database: Endpoint, report: Mapping[str, str], output: str) -> None:
    error, output = report.get("error", ""), output.strip()[-4000:]
    details = report.get("traceback", output)
    raise failure(
        redacted(error or "`alembic upgrade heads` failed", database.sensitive),
        database.name,
        where=report.get("position") or str(config.ini or config.toml),
        statement=report.get("statement", ""),
        details=redacted(details, database.sensitive),
        remedy=ADDRESS_HINT if _ADDRESS_ERROR.search(error) else "",
    )


def _read(report: Path) -> Mapping[str, str]:
    """Return the error that the process wrote to `report`; empty if the process was killed."""
    try:
        content: Mapping[str, str] = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def _environment(database: Endpoint, config: AlembicConfig) -> dict[str, str]:
    """Return the environment variables of the process that runs `env.py`.

    These are the variables of this process, the variables that `infra runtime exec` sets for a PostgreSQL
    service, and further usual variables with a part of the address (`address_variables.USUAL`). A variable of
    this process or of the file `.env` whose value begins like the URL of a PostgreSQL database, or whose name
    describes a part of an address, gets the value for the template database, so that `env.py` migrates the
    template.
    """
    assigned = {**_assigned(config.folder / ".env"), **os.environ}
    urls = {name: _url(database, value) for name, value in assigned.items() if _URL.match(value)}
    service_variables = variables({database.name: dict(database)}, {database.name: "postgres"})
    address_values = address_variables(database, assigned)
    return {
        **os.environ,
        **service_variables,
        **address_values,
        "DATABASE_URL": _url(database, config.url),
        **urls,
    }


def _assigned(file: Path) -> dict[str, str]:
    """Return a mapping from name to value of the variables that a file such as `.env` sets.

    A value ends at the first space or quote.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {match[1]: match[2] for match in _ASSIGNMENT.finditer(text)}


def _url(database: Endpoint, configured: str) -> str:
    """Return the URL of the database with the driver in the URL `configured`; if it has none, with psycopg.

    For a URL without a driver, SQLAlchemy uses psycopg2, which may not be installed.
    """
    match = _URL.match(configured)
    driver_name = (match and match[1]) or DRIVER
    return database.url.replace("postgresql:", f"postgresql+{driver_name}:", 1)


def _identity(database: Endpoint) -> list[str]:
    """Return the values by which the process of the migrations recognises the database."""
    with driver(database.name).connect(database.url, autocommit=True) as connection:
        return [*(connection.execute(IDENTITY).fetchone() or ())]


def _is_changed(database: Endpoint) -> bool:
    with driver(database.name).connect(database.url, autocommit=True) as connection:
        return bool((connection.execute(_IS_CHANGED).fetchone() or (False,))[0])
