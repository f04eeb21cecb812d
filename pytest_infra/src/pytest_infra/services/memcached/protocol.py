"""Send commands to memcached and read the results.

Source: memcached, `doc/protocol.txt`, "Meta Commands" and "LRU_Crawler".
"""

from __future__ import annotations

import itertools
import time
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import PATIENCE, CommandError, LineConnection

#: The seconds between two attempts to list the keys, which the server does for one client at a time.
INTERVAL = 0.002


class Item(NamedTuple):
    """An item of the cache: its value, its flags, and the seconds until it expires (-1: never)."""

    value: bytes
    flags: int
    seconds: int


class MemcachedConnection(LineConnection):
    """A connection to a memcached server."""

    def __init__(self, server: Endpoint) -> None:
        super().__init__(server.host, server.port)
        self._name = server.name
        # By default, the server pauses while it lists the keys, which then takes three times as long.
        self.send(b"lru_crawler sleep 0\r\n")
        self.line()

    def line(self) -> bytes:
        """Return the next line without its CR LF or LF; the lines of a list of keys end with LF."""
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the server has closed the connection")
        return line.rstrip(b"\r\n")

    def keys(self, prefix: bytes) -> list[bytes]:
        """Return the keys that begin with a prefix, sorted.

        The server (1.6.9 or later) reads its hash table. A list of its LRU queues can lack an item, or
        contain it twice, because items move between the queues.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            self.send(b"lru_crawler metadump hash\r\n")
            first_line = self.line()
            if not first_line.startswith(b"BUSY"):
                break
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{self._name} cannot list its keys: the server is still listing them for another client"
                )
            time.sleep(INTERVAL)
        keys = []
        for line in itertools.chain([first_line], iter(self.line, b"END")):
            if line == b"END":
                break
            if not line.startswith(b"key="):
                raise CommandError(
                    f"{self._name} cannot list its keys: "
                    f"the command `lru_crawler` returns {line.decode(errors='replace')!r}"
                )
            key = unquote_to_bytes(line[len(b"key=") :].split(b" ", 1)[0])
            if key.startswith(prefix):
                keys.append(key)
        return sorted(keys)

    def item(self, key: bytes) -> Item | None:
        """Return an item, without changing when it expires; None if it no longer exists."""
        self.send(b"mg %b s f t v q\r\nmn\r\n" % key)
        line = self.line()
        if line == b"MN":
            return None
        if not line.startswith(b"VA "):
            raise CommandError(f"{self._name} answers the command `mg` with {line.decode(errors='replace')}")
        _, size, *flags = line.split()
        value = self.block(int(size))
        self.line()
        numbers = {flag[:1]: int(flag[1:]) for flag in flags}
        return Item(value, numbers[b"f"], numbers[b"t"])

    def remove(self, keys: list[bytes]) -> None:
        """Remove items, if they exist."""
        # With the flag `q`, the server answers only after the last command.
        self.send(b"".join(b"md %b q\r\n" % key for key in keys) + b"mn\r\n")
        while (line := self.line()) != b"MN":
            if line != b"NF":
                raise CommandError(
                    f"{self._name} answers the command `md` with {line.decode(errors='replace')}"
                )
