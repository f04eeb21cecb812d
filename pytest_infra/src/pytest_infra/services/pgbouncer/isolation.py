"""PgBouncer: the pool of the test's database.

PgBouncer creates the pool of a database when a client connects to the database for the first time. When the
database is reset or dropped, the server ends the connections of the pool, so the pool needs no removal. A
database is never used again under the same name.
"""

from __future__ import annotations

from infra_runtime.errors import ConfigurationError
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext


def units(context: KitContext) -> Pools:
    """Return the object that provides the pools of the tests' databases."""
    return Pools(context)


class Pools:
    """The pools of the tests' databases; the databases are in the server to which PgBouncer connects."""

    def __init__(self, context: KitContext) -> None:
        self._pooler, self._current = context.endpoint, context.current
        self._server = self._pooler["server"]

    def acquire(self, label: str) -> Unit:
        """Return the pool of the database that the running test has in the server.

        Raises `ConfigurationError` if the test has no database, or has a server for itself alone.
        """
        database = self._current(self._server)
        if database is None:
            raise ConfigurationError(
                f"{self._pooler.name}: the test has no database of {self._server} to connect to",
                hint=f"Use the fixture `{self._pooler.name}`, or request the fixture `{self._server}` first.",
            )
        if isinstance(database, Unit) and database.process != self._server:
            raise ConfigurationError(
                f"{self._pooler.name} is connected to the server that all tests share, but the test has its"
                f" own {self._server}",
                hint=f"Use a database for each test: `infra_isolation = {self._server}: database`.",
            )
        login_exports = {name: database[name] for name in ("user", "password", "database")}
        login = f"{login_exports['user']}:{login_exports['password']}@{self._pooler.host}:{self._pooler.port}"
        url = f"postgresql://{login}/{login_exports['database']}"
        return Unit(self._pooler, f"pool-{login_exports['database']}", label, url=url, **login_exports)

    def release(self, unit: Unit) -> None:
        """Do nothing: the connections of the pool end when the database is reset or dropped."""

    def close(self) -> list[str]:
        """Return an empty list, because the removal of the databases also ends the pools."""
        return []
