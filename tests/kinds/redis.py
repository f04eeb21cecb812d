"""Redis in the contract suite: a value is a key."""

from __future__ import annotations

import redis as library

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Set a key; in a unit that has a prefix, below it."""
    with library.Redis.from_url(endpoint["url"]) as client:
        client.set(endpoint.get("prefix", "") + name, value)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the key's value."""
    with library.Redis.from_url(endpoint["url"], decode_responses=True) as client:
        return client.get(endpoint.get("prefix", "") + name)


def settled(endpoint: Endpoint) -> bool:
    """Return whether the append-only file has every write.

    Source: `appendfsync` in Redis's `redis.conf`, "Commands", INFO.
    """
    with library.Redis.from_url(endpoint["url"]) as client:
        state = client.info("persistence")
    return not state["aof_buffer_length"] and not state["aof_pending_bio_fsync"]
