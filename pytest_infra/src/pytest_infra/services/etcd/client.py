"""The client fixture of etcd; the client adds the prefix of the test to each key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext
from pytest_infra.services.etcd import protocol


class EtcdClient:
    """The keys with the prefix of a test; keys and values are strings.

    For requests without a method in this class, `call` sends the request to the JSON gateway.
    """

    def __init__(self, unit: Endpoint) -> None:
        self._unit = unit
        #: the prefix that is put before each key
        self.prefix = unit.get("prefix", "")

    def put(self, key: str, value: str, *, lease: int = 0) -> None:
        """Set the value of a key; if `lease` is not 0, etcd removes the key when this lease ends."""
        protocol.put(self._unit, self._key(key), value.encode(), lease)

    def get(self, key: str) -> str | None:
        """Return the value of a key; None if the key does not exist."""
        value = protocol.get(self._unit, self._key(key))
        return None if value is None else _text(value)

    def delete(self, key: str) -> bool:
        """Remove a key, and return whether it existed."""
        return protocol.delete(self._unit, self._key(key))

    def items(self, prefix: str = "") -> dict[str, str]:
        """Return a mapping from key to value for all keys with a prefix, sorted."""
        _, pairs = protocol.pairs(self._unit, self._key(prefix))
        return {_text(pair.key).removeprefix(self.prefix): _text(pair.value) for pair in pairs}

    def lease(self, seconds: int) -> int:
        """Create a lease that ends after this number of seconds, and return its id."""
        return int(self.call("lease/grant", {"TTL": seconds})["ID"])

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the JSON gateway, such as `kv/txn`, and return the answer.

        The request is sent unchanged: the caller encodes keys and values as Base64, and adds the prefix of
        the test to the keys. Raises `CommandError` if etcd rejects the request.
        """
        return protocol.call(self._unit, path, body)

    def _key(self, key: str) -> bytes:
        return f"{self.prefix}{key}".encode()


def client(_context: FixtureContext, unit: Endpoint) -> Iterator[EtcdClient]:
    """Yield a client that adds the prefix of the test's unit to each key."""
    yield EtcdClient(unit)


def _text(data: bytes) -> str:
    """Return bytes as a string; bytes that are not UTF-8 (from other programs) become surrogates."""
    return data.decode("utf-8", "surrogateescape")
