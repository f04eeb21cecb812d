"""etcd in the contract suite: a value is that of a key."""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.etcd import protocol


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Set a key; in a unit, below its prefix."""
    protocol.put(endpoint, (endpoint.get("prefix", "") + name).encode(), value.encode())


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the key's value."""
    value = protocol.get(endpoint, (endpoint.get("prefix", "") + name).encode())
    return None if value is None else value.decode()
