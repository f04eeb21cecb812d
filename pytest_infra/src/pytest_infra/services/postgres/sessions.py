"""Sessions of the plugin in a server; settings in `OPTIONS` have their values, even if a test changes them.

A test can change settings with `ALTER SYSTEM`, `ALTER DATABASE` and `ALTER ROLE`, also for sessions that
exist. Options that a client sends when it opens a session take precedence over these settings.

Source: PostgreSQL documentation, "Setting Parameters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.postgres.driver import driver
from pytest_infra.services.postgres.statements import url_of

if TYPE_CHECKING:
    import psycopg

#: A session waits at most five seconds for a lock that a test holds. A commit is written to the disk of the
#: server, but does not wait for a standby server.
OPTIONS = (
    "-c default_transaction_read_only=off -c role=none -c client_encoding=utf8 -c datestyle=iso"
    " -c synchronous_commit=local -c statement_timeout=0 -c idle_session_timeout=0 -c lock_timeout=5s"
)
#: seconds to wait for the server
PATIENCE = 60


def connect(
    server: Endpoint, database: str = "", *, options: str = "", patience: int = PATIENCE
) -> psycopg.Connection[Any]:
    """Open a session in autocommit mode; by default, in the database of the server's URL.

    `options` are further settings (`-c NAME=VALUE`), and `patience` are the seconds to wait for the server.
    Raises `psycopg.OperationalError` if the server does not accept the session.
    """
    session: psycopg.Connection[Any] = driver(server.name).connect(
        url_of(server, database),
        autocommit=True,
        options=f"{OPTIONS} {options}",
        connect_timeout=patience,
    )
    return session
