"""PostgreSQL: a separate database for each test, which is a clone of a template.

Source: PostgreSQL documentation, "CREATE DATABASE", "Template Databases" and "file_copy_method".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.host.file_copy import spread
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.label import shorten
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.migrations import hint

if TYPE_CHECKING:
    import psycopg

CLONE, TEMPLATE = "infra_test_", "infra_template_"
#: The comment of a database that is kept and must not be dropped.
KEPT = "infra: kept"
#: The number of templates with other migrations that are kept, for example for other git branches.
TEMPLATES_KEPT = 4
#: The number of measurements of each strategy when a template is created.
TRIALS = 2
#: The strategies to clone a database: name → a statement before `CREATE DATABASE`, its option, and the oldest
#: version of PostgreSQL that has both.
STRATEGIES: dict[str, tuple[LiteralString, LiteralString, int]] = {
    "clone": ("set file_copy_method = clone", "strategy file_copy", 18),
    "file_copy": ("select 1", "strategy file_copy", 15),
    "wal_log": ("select 1", "strategy wal_log", 15),
}


class Database(Unit):
    """A database that belongs to one test; `url` and `socket_url` are its URLs."""

    def __init__(self, server: Endpoint, name: str, label: str, *, pg_dump: str = "") -> None:
        urls = {key: _at(server[key], name) for key in ("url", "socket_url") if key in server}
        super().__init__(server, name, label, database=name, **urls)
        #: the path of `pg_dump`; empty if it is missing
        self.pg_dump = pg_dump
        self._connection: psycopg.Connection[Any] | None = None

    @contextlib.contextmanager
    def example(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection in a transaction that is rolled back after the block.

        In the block, `connection.transaction()` creates a savepoint. Commits of other connections are not
        rolled back.
        """
        connection = self._connection
        if connection is None:
            connection = self._connection = driver(self.name).connect(_url(self))
        with connection.transaction(force_rollback=True):
            yield connection

    def close(self) -> None:
        """Close the connection for examples, if it is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def units(context: KitContext) -> Databases:
    """Return the provider of databases for an instance and its migrations."""
    pg_dump = context.executables.get("pg_dump", "")
    return Databases(context.endpoint, context.owner, context.parameters["migrations"], pg_dump=pg_dump)


class Databases:
    """The databases for tests that use the same migrations."""

    def __init__(self, server: Endpoint, owner: Owner, migrations: Migrations, *, pg_dump: str = "") -> None:
        self._server, self._pg_dump = server, pg_dump
        self._admin = _url(server)
        self._psycopg = driver(server.name)
        self._migrations = migrations
        self._template = TEMPLATE + migrations.key
        self._start_number = _start_number(server)
        spread(str(server.data / "cluster" / "base"))
        self._factory = CloneFactory(server, owner, self._template, self._ensure_template())
        self._pool = Pool(self._factory, server.name)
        self._kept_connection: psycopg.Connection[Any] | None = None
        for name in self._left_over(owner):
            self._pool.give_back(name)

    def acquire(self, label: str) -> Unit:
        """Return a database that no test has used before."""
        # After a restart of the server, its data can be the data of an older snapshot.
        if (start_number := _start_number(self._server)) != self._start_number:
            self._start_number = start_number
            self._pool.renew()
        try:
            name = self._pool.take()
        except self._psycopg.errors.InvalidCatalogName:  # another session has dropped the template
            self._factory.strategy = self._ensure_template()
            name = self._pool.take()
        self._name_sessions(name, label)
        return Database(self._server, name, label, pg_dump=self._pg_dump)

    def _name_sessions(self, database: str, label: str) -> None:
        """Set the application name of a database, so that the server's log contains the test's id.

        The setting of the database works with every driver. A parameter in the URL does not: SQLAlchemy with
        asyncpg rejects it.
        """
        try:
            _name_sessions(self._open(), database, label)
        except self._psycopg.OperationalError:  # the server was restarted, which closed the connection
            self._close_connection()
            _name_sessions(self._open(), database, label)

    def _open(self) -> psycopg.Connection[Any]:
        connection = self._kept_connection
        if connection is None:
            connection = self._kept_connection = self._psycopg.connect(self._admin, autocommit=True)
        return connection

    def _close_connection(self) -> None:
        if self._kept_connection is not None:
            self._kept_connection.close()
            self._kept_connection = None

    def release(self, unit: Unit) -> None:
        """Drop the database in the background, or mark it as kept."""
        if isinstance(unit, Database):
            unit.close()
        if unit.keep:
            with self._psycopg.connect(self._admin, autocommit=True) as connection:
                _execute(connection, f"comment on database {{}} is '{KEPT}'", unit.id)
        else:
            self._pool.give_back(unit.id)

    def close(self) -> list[str]:
        """Drop all databases of this process."""
        self._close_connection()
        return self._pool.close()

    def _left_over(self, owner: Owner) -> list[str]:
        """Return the databases that killed processes have left."""
        return [name for name in unkept(self._server) if not owner.alive(owner_of(name))]

    def _ensure_template(self) -> str:
        """Create the template if it is missing, and return the fastest strategy to clone it."""
        with self._psycopg.connect(self._admin, autocommit=True) as connection:
            strategy = _strategy_of(connection, self._template)
            if strategy is None:
                with _locked(connection, self._template):
                    # Another worker can have created the template before this process got the lock.
                    strategy = _strategy_of(connection, self._template) or self._make_template(connection)
        return strategy

    def _make_template(self, connection: psycopg.Connection[Any]) -> str:
        raw = f"{self._template}_new"
        _drop(connection, raw)
        _execute(connection, "create database {}", raw)
        self._migrate(Database(self._server, raw, self._template))
        _execute(connection, "alter database {} with allow_connections false", raw)
        _end_sessions(connection, raw)
        strategy = _fastest(connection, raw)
        _execute(connection, f"comment on database {{}} is '{strategy}'", raw)
        _execute(connection, "alter database {} rename to {}", raw, self._template)
        # This statement is the last step, because `is_template` shows that the template is complete.
        _execute(connection, "alter database {} with is_template true", self._template)
        _prune(connection)
        return strategy

    def _migrate(self, database: Database) -> None:
        """Run the migrations; if an extension is missing, add a hint to the error."""
        try:
            self._migrations.run(database)
        except self._psycopg.errors.FeatureNotSupported as error:
            error.add_note(hint(str(error), database.name))
            raise


class CloneFactory:
    """Clones and drops databases in the thread of the pool, with its own connection."""

    def __init__(self, server: Endpoint, owner: Owner, template: str, strategy: str) -> None:
        self._server, self._owner, self._template = server, owner, template
        self.strategy = strategy
        self._connection: psycopg.Connection[Any] | None = None

    def make(self) -> str:
        """Clone the template and return the database's name."""
        name = CLONE + self._owner.name()
        _clone(self._open(), self._template, name, self.strategy)
        return name

    def remove(self, name: str) -> None:
        """Drop a database."""
        _drop(self._open(), name)

    def close(self) -> None:
        """Close the connection; the next call of a method opens a new connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[Any]:
        connection = self._connection
        if connection is None:
            psycopg = driver(self._server.name)
            connection = self._connection = psycopg.connect(_url(self._server), autocommit=True)
        return connection


def unkept(server: Endpoint) -> list[str]:
    """Return the names of the databases that are units, without the databases that were kept."""
    with driver(server.name).connect(_url(server), autocommit=True) as connection:
        rows = connection.execute(
            "select datname from pg_database where starts_with(datname, %s)"
            " and shobj_description(oid, 'pg_database') is distinct from %s",
            [CLONE, KEPT],
        ).fetchall()
    return [name for (name,) in rows]


def owner_of(database: str) -> str:
    """Return the token of the process that created a database."""
    return database.removeprefix(CLONE).partition("_")[0]


def _url(server: Endpoint) -> str:
    return server.get("socket_url", server.url)


def _start_number(server: Endpoint) -> int:
    """Return a number that differs for each start of the server."""
    try:
        return (server.data / "cluster" / "postmaster.pid").stat().st_mtime_ns
    except OSError:
        return 0


# --- SQL -------------------------------------------------------------------------------------------


def _execute(connection: psycopg.Connection[Any], text: str, *names: str) -> None:
    """Execute a statement with quoted names in place of `{}`."""
    from psycopg import sql

    # Every statement is a constant of this module. Only the names in a statement vary, and they are quoted.
    statement = sql.SQL(text)  # pyright: ignore[reportArgumentType]
    connection.execute(statement.format(*map(sql.Identifier, names)))


def _name_sessions(connection: psycopg.Connection[Any], database: str, label: str) -> None:
    from psycopg import sql

    statement = sql.SQL("alter database {} set application_name = {}")
    connection.execute(statement.format(sql.Identifier(database), sql.Literal(shorten(label))))


def _clone(connection: psycopg.Connection[Any], template: str, name: str, strategy: str) -> None:
    setting, option, _ = STRATEGIES[strategy]
    _execute(connection, setting)
    _execute(connection, f"create database {{}} template {{}} {option}", name, template)


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    _execute(connection, "drop database if exists {} with (force)", name)


def _end_sessions(connection: psycopg.Connection[Any], database: str) -> None:
    """Disconnect all sessions of a database.

    Connections that the migrations have left open would prevent clones.
    """
    connection.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [database]
    )


@contextlib.contextmanager
def _locked(connection: psycopg.Connection[Any], name: str) -> Iterator[None]:
    """Hold an advisory lock of the server; the lock also ends with the connection."""
    connection.execute("select pg_advisory_lock(hashtext(%s))", [name])
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(hashtext(%s))", [name])


def _strategy_of(connection: psycopg.Connection[Any], template: str) -> str | None:
    """Return the strategy in a template's comment; None if the template is missing or incomplete."""
    row = connection.execute(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = %s and datistemplate",
        [template],
    ).fetchone()
    return (row[0] if row[0] in STRATEGIES else "wal_log") if row else None


def _fastest(connection: psycopg.Connection[Any], template: str) -> str:
    """Measure the strategies with this server, this disk and this template, and return the fastest one."""
    from psycopg import Error

    version = connection.info.server_version // 10_000
    seconds: dict[str, float] = {}
    trial = f"{template}_trial"
    for strategy in [name for name, (*_, oldest) in STRATEGIES.items() if version >= oldest] * TRIALS:
        began = time.perf_counter()
        try:
            _clone(connection, template, trial, strategy)
        except Error:  # the file system cannot share disk blocks between files
            continue
        finally:
            took = time.perf_counter() - began
            _drop(connection, trial)
        seconds[strategy] = min(took, seconds.get(strategy, took))
    return min(seconds, key=seconds.__getitem__)


def _prune(connection: psycopg.Connection[Any]) -> None:
    """Drop the oldest templates if there are too many."""
    rows = connection.execute(
        "select datname from pg_database where starts_with(datname, %s) and datistemplate"
        " order by oid desc offset %s",
        [TEMPLATE, TEMPLATES_KEPT],
    ).fetchall()
    for (name,) in rows:
        _execute(connection, "alter database {} with is_template false", name)
        _drop(connection, name)
