"""The factory of a pool of databases: it clones, resets and drops databases of one template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.services.postgres import obstacles
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.recycling import NotExactError, Recycler
from pytest_infra.services.postgres.sessions import connect
from pytest_infra.services.postgres.template import clone

if TYPE_CHECKING:
    import psycopg

#: Without this setting, the server would plan a prepared query in each of its first five executions.
_OPTIONS = "-c plan_cache_mode=force_generic_plan"
#: the beginning of the name of a test's database
CLONE = "infra_test_"


class DatabaseFactory:
    """A factory that clones, resets and drops databases of one template, in the pool's thread."""

    def __init__(
        self, server: Endpoint, owner: Owner, template: str, strategy: str, *, resets: bool = True
    ) -> None:
        self._server, self._owner, self._template = server, owner, template
        #: whether databases are used again
        self._resets = resets
        self._psycopg = driver(server.name)
        #: the fastest strategy to clone the template, a key of `template.STRATEGIES`
        self.strategy = strategy
        self._connection: psycopg.Connection[Any] | None = None
        self._recycler = Recycler(server, enabled=resets)
        #: the new names of databases whose reset failed
        self._renamed: dict[str, str] = {}

    def make(self) -> str:
        """Create a database as a clone of the template, and return the name of the database."""
        name, connection = self._new_name(), self._open()
        clone(connection, self._template, name, self.strategy)
        self._recycler.watch(connection, name)
        return name

    def reset(self, name: str) -> str | None:
        """Reset a used database to the contents of the template, and return the database's new name.

        Return None if the result would differ from a new clone, or if the reset fails; the pool then drops
        the database.
        """
        connection = self._open()
        if not self._recycler.resettable(connection, name):
            return None
        new_name = self._new_name()
        try:
            self._recycler.reset(connection, name, new_name)
        except (NotExactError, self._psycopg.Error):
            self._renamed[name] = new_name
            if connection.closed:  # the server was restarted
                self.close()
            return None
        return new_name

    def remove(self, name: str) -> None:
        """Drop a database; obstacles that prevent the drop, such as replication slots, are removed first."""
        self._recycler.discard(name)
        connection = self._open()
        for database in (name, self._renamed.get(name)):
            if database is not None:
                obstacles.drop(connection, self._server, database)
        self._renamed.pop(name, None)

    def close(self) -> None:
        """Close the connection to the server; the next call of a method opens a new connection.

        The stored data about the databases are discarded, because the server may have been restarted with the
        data of an older snapshot.
        """
        self._recycler = Recycler(self._server, enabled=self._resets)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _new_name(self) -> str:
        return CLONE + self._owner.name()

    def _open(self) -> psycopg.Connection[Any]:
        connection = self._connection
        if connection is None:
            connection = self._connection = connect(self._server, options=_OPTIONS)
        return connection
