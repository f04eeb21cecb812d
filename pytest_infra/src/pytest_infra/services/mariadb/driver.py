"""Import PyMySQL, the driver that creates and drops databases, and connect to a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.client_library import required

if TYPE_CHECKING:
    import pymysql

#: PyMySQL reads the certificates of the system for each connection, which takes tens of milliseconds.
WITHOUT_TLS = {"ssl_disabled": True}
#: The seconds to wait for a connection, and for a lock that a test may hold.
PATIENCE, LOCK_PATIENCE = 10, 5


def driver(service: str) -> Any:
    """Return the module pymysql; raise `ConfigurationError` if it is not installed."""
    purpose = "a database for each test needs"
    return required("pymysql", service=service, library="PyMySQL", extra="mariadb", purpose=purpose)


def address(endpoint: Endpoint) -> Mapping[str, Any]:
    """Return the arguments for the function `connect` of PyMySQL and aiomysql: login and address.

    If the server has a Unix socket, the arguments contain its path.
    """
    names = ("user", "password", "host")
    socket = {"unix_socket": endpoint["socket"]} if "socket" in endpoint else {}
    return {**{name: endpoint[name] for name in names}, "port": int(endpoint["port"]), **socket}


def connect(endpoint: Endpoint, **options: Any) -> pymysql.Connection[Any]:
    """Connect to a server; each statement is a transaction, and waits at most 5 seconds for a lock."""
    connection: pymysql.Connection[Any] = driver(endpoint.name).connect(
        **address(endpoint),
        **WITHOUT_TLS,
        autocommit=True,
        connect_timeout=PATIENCE,
        init_command=f"set lock_wait_timeout = {LOCK_PATIENCE}, innodb_lock_wait_timeout = {LOCK_PATIENCE}",
        **options,
    )
    return connection


def execute(connection: pymysql.Connection[Any], *statements: str) -> list[tuple[Any, ...]]:
    """Execute statements, and return the rows of the last statement."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())
