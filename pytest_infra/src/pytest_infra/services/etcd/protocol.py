"""Send requests to the JSON gateway of etcd.

Sources: etcd documentation, "gRPC gateway" and "API reference"; `rpc.proto`.
"""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.http_request import request


class Pair(NamedTuple):
    """A key with its value; `lease` is the id of its lease, or 0."""

    key: bytes
    value: bytes
    version: int
    lease: int


def call(server: Endpoint, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request such as `kv/put`, and return the answer.

    Raises `CommandError` if the server rejects the request, and `OSError` if the server is stopped.
    """
    answer: dict[str, Any] = json.loads(request(server, f"{server.url}/v3/{path}", body=json.dumps(body)))
    return answer


def put(server: Endpoint, key: bytes, value: bytes, lease: int = 0) -> None:
    """Set the value of a key; if `lease` is not 0, etcd removes the key when this lease ends."""
    body = {"key": encoded(key), "value": encoded(value), **({"lease": lease} if lease else {})}
    call(server, "kv/put", body)


def pairs(server: Endpoint, prefix: bytes, limit: int = 0) -> tuple[int, list[Pair]]:
    """Return the number of keys with a prefix, and the first `limit` keys with their values, sorted.

    With `limit` 0, all keys with the prefix are returned.
    """
    answer = call(server, "kv/range", {**_range(prefix), "limit": limit})
    pairs = [
        Pair(
            base64.b64decode(pair["key"]),
            base64.b64decode(pair.get("value", "")),
            int(pair["version"]),
            int(pair.get("lease", 0)),
        )
        for pair in answer.get("kvs", [])
    ]
    return int(answer.get("count", 0)), pairs


def get(server: Endpoint, key: bytes) -> bytes | None:
    """Return the value of a key; None if the key does not exist."""
    kvs = call(server, "kv/range", {"key": encoded(key)}).get("kvs", [])
    return base64.b64decode(kvs[0].get("value", "")) if kvs else None


def delete(server: Endpoint, key: bytes) -> bool:
    """Remove a key, and return whether it existed."""
    return "deleted" in call(server, "kv/deleterange", {"key": encoded(key)})


def delete_all(server: Endpoint, prefix: bytes) -> None:
    """Remove all keys with a prefix."""
    call(server, "kv/deleterange", _range(prefix))


def encoded(data: bytes) -> str:
    """Return bytes as a string for the JSON gateway (Base64)."""
    return base64.b64encode(data).decode()


def _range(prefix: bytes) -> dict[str, Any]:
    # `range_end` is the first key after all keys with the prefix: the last byte of the prefix is increased by
    # 1. If `range_end` is the byte 0, the range has no end.
    stem = prefix.rstrip(b"\xff")
    end = stem[:-1] + bytes((stem[-1] + 1,)) if stem else b"\0"
    return {"key": encoded(prefix or b"\0"), "range_end": encoded(end)}
