"""The client fixture of memcached; the client adds the prefix of the test to each key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    from pymemcache.client.base import Client

#: Flags of the types `bytes`, `int` and `str`. Source: pymemcache, `serde.py`.
BYTES, INTEGER, TEXT = 0, 2, 16


class Values:
    """Converts values of the types `str`, `int` and `bytes`; reading a value returns its original type.

    The format is the same as in pymemcache's `PickleSerde`, but values of other types, also `bool`, are not
    pickled: they raise `TypeError`, because reading a pickled object can run code.
    """

    def serialize(self, _key: bytes, value: object) -> tuple[bytes, int]:
        """Return the bytes and the flags of a value. Raises `TypeError` for another type."""
        if isinstance(value, str):
            return value.encode(), TEXT
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value).encode(), INTEGER
        if isinstance(value, bytes):
            return value, BYTES
        raise TypeError(f"a value must be a str, an int or bytes, not {type(value).__name__}")

    def deserialize(self, _key: bytes, value: bytes, flags: int) -> str | int | bytes:
        """Return the value; values with unknown flags are returned as bytes."""
        if flags == TEXT:
            return value.decode()
        return int(value) if flags == INTEGER else value


def client(context: FixtureContext, unit: Endpoint) -> Iterator[Client]:
    """Yield a client of pymemcache for the test's unit. The client waits for the answer to each command."""
    library = context.library("pymemcache")
    open_client = library.Client(
        (unit.host, unit.port),
        key_prefix=unit.get("prefix", "").encode(),
        serde=Values(),
        default_noreply=False,
        allow_unicode_keys=True,
        encoding="utf-8",
        no_delay=True,
        connect_timeout=10,
        timeout=10,
    )
    try:
        yield open_client
    finally:
        open_client.close()
