"""MariaDB: a separate database for each test, with its own user, who has access only to this database.

A database is used for one test only, because creating and dropping a database takes only some milliseconds.

Sources: MariaDB documentation, "GRANT", "KILL" and "ALTER DATABASE".
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from pytest_infra.isolation.migrations import ENDS, Migrations
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.pooled import PooledUnits
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.notes import Notes
from pytest_infra.services.mariadb.driver import connect, driver, execute

if TYPE_CHECKING:
    import pymysql

#: the beginning of the name of a test's database; the user of the database has the same name
PREFIX = "infra_test_"
#: the comment of a database that must not be dropped
KEPT = "infra: kept"

_UNKEPT = f"""
select schema_name from information_schema.schemata
where left(schema_name, {len(PREFIX)}) = '{PREFIX}' and schema_comment <> '{KEPT}'
"""  # noqa: S608 - the texts are constants


class Database(Unit):
    """A database for one test; `url` contains its user."""

    def __init__(self, server: Endpoint, name: str, label: str, password: str) -> None:
        url = f"mysql://{name}:{password}@{server.host}:{server.port}/{name}"
        super().__init__(server, name, label, user=name, password=password, database=name, url=url)


def units(context: KitContext) -> PooledUnits:
    """Return the object that creates isolation units (databases) of a service with one set of migrations."""
    server, owner = context.endpoint, context.owner
    driver(server.name)
    factory = DatabaseFactory(server, owner, context.parameters["migrations"])

    def database(name: str, label: str) -> Database:
        return Database(server, name, label, factory.passwords[name])

    def keep(name: str) -> None:
        with connect(server) as connection:
            execute(connection, f"alter database `{name}` comment '{KEPT}'")

    return PooledUnits(
        server,
        Pool(factory, server.name, report=Notes.of(context.config).add_message),
        unit=database,
        keep=keep,
        stops=context.stops,
        leftover=[name for name in unkept(server) if not owner.alive(owner_of(name))],
    )


class DatabaseFactory:
    """A factory that creates and drops databases with their users, in the pool's thread."""

    def __init__(self, server: Endpoint, owner: Owner, migrations: Migrations) -> None:
        self._server, self._owner, self._migrations = server, owner, migrations
        self._connection: pymysql.Connection[Any] | None = None
        #: name of a database and its user → the password of the user
        self.passwords: dict[str, str] = {}

    def make(self) -> str:
        """Create a database and a user of the same name; run the migrations as this user; return the name."""
        name, password = PREFIX + self._owner.name(), secrets.token_hex(16)
        pattern = name.replace("_", r"\_")  # in a GRANT, the name of a database is a pattern
        try:
            execute(
                self._open(),
                f"create database `{name}`",
                f"create user `{name}` identified by '{password}'",
                f"grant all on `{pattern}`.* to `{name}`",
            )
            self._migrations.run(Database(self._server, name, "migrations", password))
        except (Exception, *ENDS) as error:
            self.remove(name)
            if isinstance(error, ENDS):  # it would end the thread of the pool
                raise InfraError(
                    f"{self._server.name}: a migration has failed with {type(error).__name__}: {error}"
                ) from error
            raise
        self.passwords[name] = password
        return name

    def reset(self, name: str) -> str | None:  # noqa: ARG002 - the interface of a factory
        """Return None: a database that a test has used is dropped."""
        return None

    def remove(self, name: str) -> None:
        """End the sessions of a user, and drop the user and its database.

        The locks of running sessions would delay the removal of the database.
        """
        execute(
            self._open(),
            f"drop user if exists `{name}`",
            f"kill user `{name}`",
            f"drop database if exists `{name}`",
        )
        self.passwords.pop(name, None)

    def close(self) -> None:
        """Close the connection to the server; the next call of a method opens a new connection."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.open:
            connection.close()

    def _open(self) -> pymysql.Connection[Any]:
        connection = self._connection
        if connection is None:
            connection = self._connection = connect(self._server)
        return connection


def unkept(server: Endpoint) -> list[str]:
    """Return the names of all tests' databases in a server, without databases that were kept."""
    with connect(server) as connection:
        return [name for (name,) in execute(connection, _UNKEPT)]


def owner_of(database: str) -> str:
    """Return the token of the process that created a test's database, from the name of the database."""
    return database.removeprefix(PREFIX).partition("_")[0]
