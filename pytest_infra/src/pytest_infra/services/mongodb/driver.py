"""Import PyMongo, the driver with which databases are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from pymongo import MongoClient

#: milliseconds for the selection of a server
PATIENCE = 30_000


def connect(server: Endpoint) -> MongoClient[dict[str, Any]]:
    """Return a client; raise `ConfigurationError` if PyMongo is not installed."""
    try:
        from pymongo import MongoClient
    except ImportError as error:
        raise ConfigurationError(
            f"{server.name}: a database for each test needs PyMongo",
            hint="Install it with `python -m pip install 'pytest-infra[mongodb]'`, or share the server:"
            f" `infra_isolation = {server.name}: off`.",
        ) from error
    return MongoClient(server["url"], serverSelectionTimeoutMS=PATIENCE, retryWrites=False)
