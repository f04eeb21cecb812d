"""The third-party kind in the contract suite: a value is an item."""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Set an item."""
    from acme_memcached.client import connected

    with connected(endpoint) as client:
        client.set(name, value)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the item's value."""
    from acme_memcached.client import connected

    with connected(endpoint) as client:
        return client.get(name)
