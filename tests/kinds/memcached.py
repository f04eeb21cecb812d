"""memcached in the contract suite: a value is an item."""

from __future__ import annotations

from contextlib import closing

from pymemcache import Client

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Set an item; in a unit, with its prefix."""
    with closing(_connected(endpoint)) as client:
        client.set(name, value, noreply=False)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the item's value."""
    with closing(_connected(endpoint)) as client:
        value = client.get(name)
    return None if value is None else value.decode()


def _connected(endpoint: Endpoint) -> Client:
    prefix = endpoint.get("prefix", "").encode()
    return Client((endpoint.host, endpoint.port), key_prefix=prefix, connect_timeout=60, timeout=60)
