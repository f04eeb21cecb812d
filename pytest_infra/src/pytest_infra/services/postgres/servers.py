"""PostgreSQL: a separate server for each test, for tests that change the whole server.

Each server is a copy of the service with its own folder. The migrations run in one server, which is
then stopped; the folders of the other servers are copies of the folder of this server.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from infra_runtime.host import disk
from infra_runtime.host.file_copy import COPY
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.label import shorten
from pytest_infra.notes import Notes
from pytest_infra.services.postgres import template
from pytest_infra.services.postgres.database import Database
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.failed_migration import migrate
from pytest_infra.services.postgres.statements import execute, name_sessions, url_of

#: the database of the test in its server
DATABASE = "test"


class Servers:
    """The servers of one set of migrations, of which one server is started in advance."""

    def __init__(self, context: KitContext) -> None:
        self._server, self._executables = context.endpoint, context.executables
        self._factory = ServerFactory(context)
        failed = f"{template.TEMPLATE}{context.parameters['migrations'].key}_server"
        with (
            driver(self._server.name).connect(url_of(self._server), autocommit=True) as connection,
            template.failure_recorded(connection, self._server, failed),
        ):
            self._factory.make_seed()
        report = Notes.of(context.config).add_message
        self._pool = Pool(self._factory, self._server.name, max_ahead=1, report=report)

    def acquire(self, label: str) -> Unit:
        """Return the migrated database of a server that no other test uses."""
        name = self._pool.take()
        server = self._factory.copier.endpoints[name]
        with driver(self._server.name).connect(url_of(server), autocommit=True) as connection:
            name_sessions(connection, DATABASE, shorten(label))
        unit = Database(server, DATABASE, label, executables=self._executables)
        unit.name, unit.id = self._server.name, name
        return unit

    def release(self, unit: Unit) -> None:
        """Stop the server and remove its folder, in the background; a unit with `keep` is kept instead."""
        if isinstance(unit, Database):
            unit.close()
        if unit.keep:
            self._factory.copier.keep(unit.id)
        else:
            self._pool.give_back(unit.id)

    def close(self) -> list[str]:
        """Stop the servers in the pool; return the names of servers that could not be stopped."""
        left = self._pool.close()
        self._factory.remove_seed()
        return left


class ServerFactory:
    """The factory of the pool, which starts and stops the servers in the thread of the pool."""

    def __init__(self, context: KitContext) -> None:
        self._server, self._executables = context.endpoint, context.executables
        self._migrations = context.parameters["migrations"]
        self.copier = Copier(context.endpoint, context.stack.data, context.resolve(), fill=self._fill)
        #: the folder of a stopped server with the migrated database
        self._seed = self._server.data.parent / f".{self._server.name}-{context.owner.token}.seed"

    def make_seed(self) -> None:
        """Start a server, migrate it, stop the server and copy its folder. Raises `MigrationError`."""
        name = self.copier.make()
        try:
            self._migrate(name)
            self.copier.stop(name)
            _copy(self.copier.folder(name), self._seed)
        finally:
            self.copier.remove(name)

    def make(self) -> str:
        """Start a server with a copy of the migrated cluster, and return its name."""
        return self.copier.make()

    def reset(self, name: str) -> str | None:
        """Return None: a used server is removed."""
        return self.copier.reset(name)

    def remove(self, name: str) -> None:
        """Stop a server and remove its folder."""
        self.copier.remove(name)

    def close(self) -> None:
        """Close the connection to the supervisor."""
        self.copier.close()

    def remove_seed(self) -> None:
        """Remove the folder of the stopped server."""
        if self._seed.is_dir():
            disk.remove(str(self._seed))

    def _fill(self, folder: Path) -> None:
        """Copy the migrated cluster, if it exists, to the folder of a server that is not started yet."""
        if self._seed.is_dir():
            _copy(self._seed, folder)

    def _migrate(self, name: str) -> None:
        server = self.copier.endpoints[name]
        with driver(self._server.name).connect(url_of(server), autocommit=True) as connection:
            execute(connection, "create database {}", DATABASE)
            database = Database(server, DATABASE, self._server.name, executables=self._executables)
            database.name = self._server.name
            migrate(self._migrations, database)
            # The server is stopped with SIGQUIT: then the next start has nothing to recover.
            connection.execute("checkpoint")


def _copy(source: Path, into: Path) -> None:
    """Copy a folder; an incomplete copy is removed."""
    try:
        subprocess.run([*COPY, str(source), str(into)], check=True, capture_output=True)
    except BaseException:
        disk.remove(str(into))
        raise
