"""The isolation unit of PostgreSQL, a database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.statements import url_at, url_of

if TYPE_CHECKING:
    import psycopg


class Database(Unit):
    """A database for one test. `url` and `socket_url` connect to it."""

    def __init__(
        self,
        server: Endpoint,
        name: str,
        label: str,
        *,
        executables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        urls = {key: url_at(server[key], name) for key in ("url", "socket_url") if key in server}
        super().__init__(server, name, label, database=name, **urls)
        #: name of an executable of the server's installation → path
        self.executables = dict(executables)
        self._connection: psycopg.Connection[Any] | None = None

    @contextlib.contextmanager
    def example(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection in a transaction that is rolled back after the block.

        In the block, `connection.transaction()` creates a savepoint. Changes that other connections commit
        are not rolled back.
        """
        connection = self._connection
        if connection is None:
            connection = self._connection = driver(self.name).connect(url_of(self))
        with connection.transaction(force_rollback=True):
            yield connection

    def close(self) -> None:
        """Close the connection that `example` has opened, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
