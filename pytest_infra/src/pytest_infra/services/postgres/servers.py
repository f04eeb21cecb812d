"""PostgreSQL: a separate server for each test, for tests that change the whole server.

Each server is a copy of the service with its own folder. The migrations run in one server. This server is
then stopped, and a copy of its folder becomes the seed. The folders of all other servers are copies of the
seed. All processes of a test run share the seed of a set of migrations.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from infra_runtime.host import disk, file_lock
from infra_runtime.host.file_copy import COPY, publish, stage
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.label import run_id, shorten
from pytest_infra.notes import Notes
from pytest_infra.services.postgres import template
from pytest_infra.services.postgres.database import Database
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.failed_migration import migrate
from pytest_infra.services.postgres.statements import execute, locked, name_sessions, url_of

#: the name of the test's database in the server of the test
DATABASE = "test"


class Servers:
    """The servers of one set of migrations; one server is started in advance."""

    def __init__(self, context: KitContext) -> None:
        self._server, self._executables = context.endpoint, context.executables
        self._factory = ServerFactory(context)
        self._factory.open_seed()
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
        """Stop the server and remove its folder, in the background; a unit whose `keep` is set is kept."""
        if isinstance(unit, Database):
            unit.close()
        if unit.keep:
            self._factory.copier.keep(unit.id)
        else:
            self._pool.give_back(unit.id)

    def close(self) -> list[str]:
        """Stop the servers in the pool; return the names of servers that could not be stopped."""
        not_stopped = self._pool.close()
        self._factory.close_seed()
        return not_stopped


class ServerFactory:
    """The factory of the pool; it starts and stops the servers in the thread of the pool."""

    def __init__(self, context: KitContext) -> None:
        self._server, self._executables = context.endpoint, context.executables
        self._migrations = context.parameters["migrations"]
        self.copier = Copier(context.endpoint, context.stack.data, context.resolve(), fill=self._fill)
        key = self._migrations.key
        #: the name of the database that records a failed migration, and of the lock
        self._failed = f"{template.TEMPLATE}{key}_server"
        run = hashlib.sha256(run_id().encode()).hexdigest()[:16]
        #: the folder of a stopped server with the migrated database
        self._seed = self._server.data.parent / f".{self._server.name}-{run}-{key}.seed"
        #: the descriptor with the shared lock of the seed; the last process that has it removes the seed
        self._lock_file, self._lock = f"{self._seed}.lock", -1

    def open_seed(self) -> None:
        """Make the seed, unless another process of this run has made it.

        Raises `MigrationError` if a migration fails.
        """
        with (
            driver(self._server.name).connect(url_of(self._server), autocommit=True) as connection,
            locked(connection, self._failed),
        ):
            self._lock = file_lock.acquire_current(self._lock_file, shared=True)
            try:
                if not self._seed.is_dir():
                    with template.failure_recorded(connection, self._server, self._failed):
                        self._make_seed()
            except BaseException:
                self.close_seed()
                raise

    def close_seed(self) -> None:
        """Remove the seed, unless another process uses it."""
        file_lock.release(self._lock)
        if (lock := file_lock.acquire(self._lock_file)) is not None:
            for folder in (str(self._seed), f"{self._seed}.new"):
                disk.remove(folder)
            file_lock.remove(lock, self._lock_file)

    def _make_seed(self) -> None:
        """Start a server, run the migrations in it, stop the server and copy its data folder to the seed.

        Raises `MigrationError` if a migration fails.
        """
        name = self.copier.make()
        try:
            self._migrate(name)
            self.copier.stop(name)
            disk.remove(f"{self._seed}.new")  # a killed process of this run has left it
            copy = stage(str(self._seed))
            _copy(self.copier.folder(name), Path(copy))
            publish(copy, str(self._seed))
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
            # The server is stopped with SIGQUIT. After this checkpoint, its next start has nothing to
            # recover.
            connection.execute("checkpoint")


def _copy(source: Path, into: Path) -> None:
    """Copy a folder; an incomplete copy is removed."""
    try:
        subprocess.run([*COPY, str(source), str(into)], check=True, capture_output=True)
    except BaseException:
        disk.remove(str(into))
        raise
