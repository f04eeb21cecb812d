"""PostgreSQL: a separate database for each test, cloned from a template or reset to its contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.host.file_copy import spread
from infra_runtime.services.postgres_extensions import MARKER
from pytest_infra.isolation.migrations import Migrations, key_of
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.unit import Unit, Units
from pytest_infra.kit_context import KitContext
from pytest_infra.label import shorten
from pytest_infra.notes import Notes
from pytest_infra.services.postgres import obstacles, template
from pytest_infra.services.postgres.cluster import Cluster, prepare
from pytest_infra.services.postgres.database import Database
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.factory import CLONE, DatabaseFactory
from pytest_infra.services.postgres.failed_migration import migrate
from pytest_infra.services.postgres.servers import Servers
from pytest_infra.services.postgres.sessions import connect
from pytest_infra.services.postgres.statements import execute, name_sessions

if TYPE_CHECKING:
    import psycopg

#: service → the state of its server outside the tests' databases
CLUSTERS: pytest.StashKey[dict[str, Cluster]] = pytest.StashKey()
#: Without this setting, the server would plan a prepared query in each of its first five executions.
_OPTIONS = "-c plan_cache_mode=force_generic_plan"
#: the comment of a database that must not be dropped
KEPT = "infra: kept"


def units(context: KitContext) -> Units:
    """Return the object that creates isolation units (databases) of a service with one set of migrations."""
    return Servers(context) if context.variant == "server" else Databases(context)


class Databases:
    """The databases of tests, cloned from the template of one set of migrations."""

    def __init__(self, context: KitContext) -> None:
        server = self._server = context.endpoint
        self._executables = context.executables
        self._alone, self._stops, self._exclusive = context.alone, context.stops, context.exclusive
        self._report = Notes.of(context.config).add_message
        self._psycopg = driver(server.name)
        self._migrations = context.parameters["migrations"]
        self._template = template.TEMPLATE + template_key(self._migrations, server)
        self._start_number = _start_number(server)
        spread(str(server.data / "cluster" / "base"))
        self._factory = DatabaseFactory(
            server,
            context.owner,
            self._template,
            self._ensure_template(),
            resets=context.variant != "clone",
        )
        self._pool = Pool(self._factory, server.name, report=self._report)
        self._kept_connection: psycopg.Connection[Any] | None = None
        self._cluster = self._cluster_of(context.config)
        for name in self._left_over(context.owner):
            self._pool.give_back(name)

    def acquire(self, label: str) -> Unit:
        """Return a database that is equal to a new clone of the template and has a new name."""
        # After a restart of the server, its data may be those of an older snapshot.
        if (start_number := _start_number(self._server)) != self._start_number:
            self._start_number = start_number
            self._pool.renew()
        try:
            name = self._pool.take()
        except self._psycopg.errors.InvalidCatalogName:  # another session has dropped the template
            self._factory.strategy = self._ensure_template()
            name = self._pool.take()
        self._name_sessions(name, label)
        if self._exclusive():  # earlier changes are not changes of this test
            self._cluster.accept(self._open())
        return Database(self._server, name, label, executables=self._executables)

    def _name_sessions(self, database: str, label: str) -> None:
        """Set the application name of a database's sessions, so that the server's log contains the test's id.

        The name is set as a setting of the database, because this works with every driver. A parameter in the
        URL does not work with every driver: asyncpg under SQLAlchemy rejects such a parameter.
        """
        try:
            name_sessions(self._open(), database, shorten(label))
        except self._psycopg.OperationalError:  # the server was restarted, which closed the connection
            self._close_connection()
            name_sessions(self._open(), database, shorten(label))

    def _open(self) -> psycopg.Connection[Any]:
        connection = self._kept_connection
        if connection is None:
            connection = self._kept_connection = connect(self._server, options=_OPTIONS)
            prepare(connection)
        return connection

    def _close_connection(self) -> None:
        if self._kept_connection is not None:
            self._kept_connection.close()
            self._kept_connection = None

    def release(self, unit: Unit) -> None:
        """Reset or drop the database of a test in the background; a unit whose `keep` is set is kept."""
        if isinstance(unit, Database):
            unit.close()
        if unit.keep:
            with connect(self._server) as connection:
                execute(connection, f"comment on database {{}} is '{KEPT}'", unit.id)
        elif not self._dropped(unit):
            self._pool.give_back(unit.id)

    def _dropped(self, unit: Unit) -> bool:
        """Undo the changes that a test has made to the whole server, and report changes that remain.

        Return whether the test's database was dropped. The database is dropped if it contains an object whose
        name is unique in the whole server, such as a replication slot, or if a session locks a catalog that
        all databases share. The database is also dropped before changes of the server are undone, because its
        objects may depend on a new role. If other processes use the server, their tests may have made the
        changes, so the changes are only reported.
        """
        try:
            connection = self._open()
            try:
                dropped, changed = self._cluster.check(connection, unit.id)
            except self._psycopg.errors.LockNotAvailable:
                dropped, changed = True, False
            if dropped:
                if self._alone():
                    obstacles.end_lockers(connection)
                obstacles.drop(connection, self._server, unit.id)
                _, changed = self._cluster.check(connection, unit.id)
            if not changed:
                return dropped
            if alone := self._alone():
                obstacles.drop(connection, self._server, unit.id)
                remaining_changes = self._cluster.restore(connection)
            else:
                remaining_changes = self._cluster.differences(connection)
                self._cluster.accept(connection)
        except self._psycopg.OperationalError:  # the test has stopped or restarted the server
            self._close_connection()
            return False
        except self._psycopg.Error as error:
            message = str(error).partition("\n")[0]
            self._report(
                f"{self._server.name}: the changes of {unit.label} to the server cannot be read: {message}"
            )
            return False
        for change in remaining_changes:
            who = unit.label if alone else f"{unit.label} or a test of another process"
            self._report(f"{self._server.name}: {who} changed the server for later tests: {change}")
        return alone or dropped

    def close(self) -> list[str]:
        """Drop the databases of this process that are not kept; return the names of those that remain.

        If the server stops now and its data are removed, no database is dropped.
        """
        self._close_connection()
        return self._pool.close(remove=not self._stops())

    def _cluster_of(self, config: pytest.Config) -> Cluster:
        """Return the object with the state of the server; all `Databases` of the service share the object."""
        clusters = config.stash.setdefault(CLUSTERS, {})
        cluster = clusters.get(self._server.name)
        if cluster is None:
            cluster = clusters[self._server.name] = Cluster(self._server, self._open())
        else:
            cluster.accept(self._open())  # the migrations may have created roles
        return cluster

    def _left_over(self, owner: Owner) -> list[str]:
        """Return the names of databases that killed processes have left in the server."""
        return [name for name in unkept(self._server) if not owner.alive(owner_of(name))]

    def _ensure_template(self) -> str:
        return template.ensure(self._server, self._template, self._migrate)

    def _migrate(self, name: str) -> None:
        """Run the migrations in the database `name`. Raises `MigrationError` if a migration fails."""
        migrate(self._migrations, Database(self._server, name, self._template, executables=self._executables))


def unkept(server: Endpoint) -> list[str]:
    """Return the names of all tests' databases in a server, without databases that were kept."""
    with connect(server) as connection:
        rows = connection.execute(
            "select datname from pg_database where starts_with(datname, %s)"
            " and shobj_description(oid, 'pg_database') is distinct from %s",
            [CLONE, KEPT],
        ).fetchall()
    return [name for (name,) in rows]


def owner_of(database: str) -> str:
    """Return the token of the process that created a test's database, from the name of the database."""
    return database.removeprefix(CLONE).partition("_")[0]


def template_key(migrations: Migrations, server: Endpoint) -> str:
    """Return the key of a template; it depends on the migrations and on the extensions of the cluster."""
    try:
        extensions = (server.data / MARKER).read_bytes()
    except OSError:
        return migrations.key
    return key_of([migrations.key.encode(), extensions])


def _start_number(server: Endpoint) -> int:
    """Return a number that differs for each start of the server, to detect a restart."""
    try:
        return (server.data / "cluster" / "postmaster.pid").stat().st_mtime_ns
    except OSError:
        return 0
