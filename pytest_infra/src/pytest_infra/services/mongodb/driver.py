"""Connect to a MongoDB server with PyMongo, the driver with which the plugin drops databases of tests."""

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
            hint="Install PyMongo with `python -m pip install 'pytest-infra[mongodb]'`. The driver is"
            f" not needed if all tests share the server: `infra_isolation = {server.name}: off`.",
        ) from error
    return MongoClient(server["url"], serverSelectionTimeoutMS=PATIENCE, retryWrites=False)
