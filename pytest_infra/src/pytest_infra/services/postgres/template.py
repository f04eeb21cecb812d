"""The template database of a set of migrations, and the fastest strategy to clone it.

All test runs that use the server share the template and the strategy.

Source: PostgreSQL documentation, "CREATE DATABASE", "Template Databases" and "file_copy_method".
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

from infra_runtime.cache import cache_folder, write_atomically
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.label import run_id, running_test
from pytest_infra.services.postgres import catalog, obstacles
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.failed_migration import MigrationError
from pytest_infra.services.postgres.statements import drop, end_sessions, execute, locked, url_at, url_of

if TYPE_CHECKING:
    import psycopg

TEMPLATE = "infra_template_"
#: the number of newest templates that are kept, for example for several branches of a project
TEMPLATES_KEPT = 4
#: the number of measurements of each strategy
TRIALS = 2
#: strategy → the statement before `CREATE DATABASE`, the option of `CREATE DATABASE`, and the oldest version
#: of PostgreSQL that supports the statement and the option
STRATEGIES: dict[str, tuple[LiteralString, LiteralString, int]] = {
    "clone": ("set file_copy_method = clone", "strategy file_copy", 18),
    # The same session may have used the method `clone` before. Versions before 18 do not have the parameter.
    "file_copy": (
        "select set_config(name, 'copy', false) from pg_settings where name = 'file_copy_method'",
        "strategy file_copy",
        15,
    ),
    "wal_log": ("select 1", "strategy wal_log", 15),
}
#: the measured strategies in the user's cache: `VERSION DEVICE` → strategy
CACHE = "postgres-clone.json"


def ensure(server: Endpoint, template: str, migrate: Callable[[str], object]) -> str:
    """Create the template database if it is missing, and return the fastest strategy to clone the template.

    `migrate` is called with the name of an empty database, by one process at a time and only if the template
    is missing. If it raises `MigrationError`, all processes of the run get the same error.

    Raises:
        MigrationError: the migration has failed in this process, or in another process of this run.
    """
    with driver(server.name).connect(url_of(server), autocommit=True) as connection:
        strategy = _strategy_of(connection, template)
        if strategy is None:
            with locked(connection, template):
                # Another worker may have made the template before this process had the lock.
                strategy = _strategy_of(connection, template) or _make(connection, server, template, migrate)
    return strategy


def clone(connection: psycopg.Connection[Any], template: str, name: str, strategy: str) -> None:
    """Create the database `name` as a clone of the template, with a strategy of `CREATE DATABASE`."""
    setting, option, _ = STRATEGIES[strategy]
    execute(connection, setting)
    execute(connection, f"create database {{}} template {{}} {option}", name, template)


def _make(
    connection: psycopg.Connection[Any], server: Endpoint, template: str, migrate: Callable[[str], object]
) -> str:
    new_database = f"{template}_new"
    with failure_recorded(connection, server, new_database):
        execute(connection, "create database {}", new_database)
        migrate(new_database)
    with driver(server.name).connect(url_at(url_of(server), new_database), autocommit=True) as session:
        catalog.settle_sequences(session)
    execute(connection, "alter database {} with allow_connections false", new_database)
    # Connections that the migrations left open would block clones.
    end_sessions(connection, new_database)
    strategy = _remembered(connection, server.data) or _fastest(connection, server.data, new_database)
    execute(connection, f"comment on database {{}} is '{strategy}'", new_database)
    execute(connection, "alter database {} rename to {}", new_database, template)
    # This is the last step: `is_template` shows that the template is complete.
    execute(connection, "alter database {} with is_template true", template)
    _prune(connection)
    return strategy


@contextlib.contextmanager
def failure_recorded(connection: psycopg.Connection[Any], server: Endpoint, database: str) -> Iterator[None]:
    """Drop `database` before the block; if a migration fails in the block, record the error.

    The error is recorded in the comment of `database`, which is created if it is missing. Other tests and
    processes of the run read the comment.

    Raises:
        MigrationError: the migration has failed in the block, or earlier in this run.
    """
    if (earlier_error := _failure_of(connection, database)) is not None:
        raise earlier_error
    obstacles.drop(connection, server, database)
    try:
        yield
    except MigrationError as error:
        _record(connection, database, error)
        raise


def _record(connection: psycopg.Connection[Any], database: str, error: MigrationError) -> None:
    from psycopg import Error, sql

    record = {"run": run_id(), "test": running_test(), "error": error.args}
    statement = sql.SQL("comment on database {} is {}")
    with contextlib.suppress(Error):  # the migration has stopped the server
        if connection.execute("select from pg_database where datname = %s", [database]).fetchone() is None:
            execute(connection, "create database {}", database)
        connection.execute(statement.format(sql.Identifier(database), sql.Literal(json.dumps(record))))


def _failure_of(connection: psycopg.Connection[Any], database: str) -> MigrationError | None:
    """Return the error of a migration that has failed in this run."""
    comment = "select shobj_description(oid, 'pg_database') from pg_database where datname = %s"
    row = connection.execute(comment, [database]).fetchone()
    record = json.loads(row[0]) if row and row[0] else {}
    if record.get("run") != run_id():
        return None
    message, where, hint = record["error"]
    return MigrationError(message, where, hint, reported_by=record["test"])


def _strategy_of(connection: psycopg.Connection[Any], template: str) -> str | None:
    """Return the strategy in a template's comment (`wal_log` without one); None without a whole template."""
    row = connection.execute(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = %s and datistemplate",
        [template],
    ).fetchone()
    return (row[0] if row[0] in STRATEGIES else "wal_log") if row else None


def _remembered(connection: psycopg.Connection[Any], data: Path) -> str | None:
    """Return the fastest strategy in the user's cache for this disk and PostgreSQL version, or None."""
    return _measured().get(_cache_key(connection, data))


def _fastest(connection: psycopg.Connection[Any], data: Path, template: str) -> str:
    """Measure each strategy of this version and template; store the fastest in the cache, and return it."""
    from psycopg import Error

    version = connection.info.server_version // 10_000
    seconds: dict[str, float] = {}
    trial = f"{template}_trial"
    for strategy in [name for name, (*_, oldest) in STRATEGIES.items() if version >= oldest] * TRIALS:
        start = time.perf_counter()
        try:
            clone(connection, template, trial, strategy)
        except Error:  # the file system cannot share blocks between files
            continue
        finally:
            duration = time.perf_counter() - start
            drop(connection, trial)
        seconds[strategy] = min(duration, seconds.get(strategy, duration))
    fastest = min(seconds, key=seconds.__getitem__)
    if folder := cache_folder():
        text = json.dumps({**_measured(), _cache_key(connection, data): fastest}, indent=2)
        write_atomically(folder / CACHE, text + "\n")
    return fastest


def _measured() -> dict[str, str]:
    """Return the measured strategies in the user's cache: `VERSION DEVICE` → strategy.

    Values that are not a known strategy are ignored.
    """
    folder = cache_folder()
    try:
        entries = json.loads((folder / CACHE).read_text(encoding="utf-8")) if folder else {}
        return {str(key): value for key, value in entries.items() if value in STRATEGIES}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _cache_key(connection: psycopg.Connection[Any], data: Path) -> str:
    return f"{connection.info.server_version} {data.stat().st_dev}"


def _prune(connection: psycopg.Connection[Any]) -> None:
    """Drop the oldest templates, so that only a limited number of templates is kept."""
    rows = connection.execute(
        "select datname from pg_database where starts_with(datname, %s) and datistemplate"
        " order by oid desc offset %s",
        [TEMPLATE, TEMPLATES_KEPT],
    ).fetchall()
    for (name,) in rows:
        execute(connection, "alter database {} with is_template false", name)
        drop(connection, name)
