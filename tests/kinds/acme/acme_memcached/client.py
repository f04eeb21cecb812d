"""A synchronous and an asynchronous client of memcached's text protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from infra_runtime.engines.local.stack import Endpoint
    from pytest_infra.kit_context import FixtureContext


class MemcachedError(Exception):
    """The server refused a command."""


class Client:
    """A connection; `prefix` is put before every key."""

    def __init__(self, host: str, port: int, prefix: str = "") -> None:
        self.prefix = prefix
        self._socket = socket.create_connection((host, port), 10)
        self._answers = self._socket.makefile("rb")

    def set(self, key: str, value: str) -> None:
        """Store a value."""
        data = value.encode()
        self._ask(b"set %b 0 0 %d\r\n%b\r\n" % (self._key(key), len(data), data), b"STORED")

    def get(self, key: str) -> str | None:
        """Return a value, or None."""
        line = self._ask(b"get %b\r\n" % self._key(key), b"VALUE", b"END")
        if line == b"END":
            return None
        value = self._answers.read(int(line.split()[3]) + 2)[:-2]
        self._answers.readline()
        return value.decode()

    def names(self) -> list[str]:
        """Return the keys that begin with the prefix, without it."""
        keys, line = [], self._ask(b"lru_crawler metadump all\r\n", b"key=", b"END")
        while line != b"END":
            keys.append(line.split()[0].removeprefix(b"key=").decode())
            line = self._answers.readline().strip()
        return sorted(key.removeprefix(self.prefix) for key in keys if key.startswith(self.prefix))

    def delete(self, key: str) -> None:
        """Remove a value, if it exists."""
        self._ask(b"delete %b\r\n" % self._key(key), b"DELETED", b"NOT_FOUND")

    def close(self) -> None:
        """Close the connection."""
        self._answers.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _key(self, key: str) -> bytes:
        return f"{self.prefix}{key}".encode("ascii")

    def _ask(self, command: bytes, *answers: bytes) -> bytes:
        self._socket.sendall(command)
        line = self._answers.readline().strip()
        if not line.startswith(answers):
            raise MemcachedError(line.decode() or "the connection was closed")
        return line


class AsyncClient:
    """A client with asynchronous methods."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def set(self, key: str, value: str) -> None:
        """Store a value."""
        await asyncio.to_thread(self._client.set, key, value)

    async def get(self, key: str) -> str | None:
        """Return a value, or None."""
        return await asyncio.to_thread(self._client.get, key)


def connected(endpoint: Endpoint) -> Client:
    """Return a client of a service or of a test's unit."""
    return Client(endpoint.host, endpoint.port, endpoint.get("prefix", ""))


def client(context: FixtureContext, unit: Endpoint) -> Iterator[Client]:
    """Yield a client of the test's unit."""
    with connected(unit) as client_of_unit:
        yield client_of_unit


async def async_client(context: FixtureContext, unit: Endpoint) -> AsyncIterator[AsyncClient]:
    """Yield an asynchronous client of the test's unit."""
    client_of_unit = await asyncio.to_thread(connected, unit)
    try:
        yield AsyncClient(client_of_unit)
    finally:
        client_of_unit.close()
