"""Connect to a MongoDB server with PyMongo, the driver that drops databases of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.client_library import required

if TYPE_CHECKING:
    from pymongo import MongoClient

#: the time limit for finding the server, in milliseconds
PATIENCE = 30_000


def connect(server: Endpoint) -> MongoClient[dict[str, Any]]:
    """Return a client; raise `ConfigurationError` if PyMongo is not installed."""
    purpose = "a database for each test needs"
    library = required("pymongo", service=server.name, library="PyMongo", extra="mongodb", purpose=purpose)
    client: MongoClient[dict[str, Any]] = library.MongoClient(
        server["url"], serverSelectionTimeoutMS=PATIENCE, retryWrites=False
    )
    return client
