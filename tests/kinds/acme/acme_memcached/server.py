"""A server that implements a part of memcached's text protocol and keeps its items in a journal.

It opens its port first and reads the journal afterwards: until then it answers `SERVER_ERROR loading`.
Source: memcached, "protocol.txt".
"""

import argparse
import os
import socketserver
import threading
from pathlib import Path
from typing import ClassVar

LOADING = b"SERVER_ERROR loading the journal\r\n"


class Items:
    """A mapping from key to value; every change is in the journal before it is acknowledged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.values: dict[str, bytes] = {}
        self.loaded = False

    def load(self) -> None:
        """Read the journal of an earlier process."""
        with self._lock:
            if self._path.exists():
                for line in self._path.read_text(encoding="ascii").splitlines():
                    key, _, value = line.partition(" ")
                    self._apply(key, bytes.fromhex(value) if value else None)
            self._journal = self._path.open("a", encoding="ascii")
            self.loaded = True

    def change(self, key: str, value: bytes | None) -> bool:
        """Set or delete an item; returns whether it existed."""
        with self._lock:
            existed = key in self.values
            self._journal.write(f"{key} {b'' if value is None else value.hex()}\n")
            self._journal.flush()
            self._apply(key, value)
        return existed

    def _apply(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value


class Connection(socketserver.StreamRequestHandler):
    """One client."""

    items: ClassVar[Items]

    def handle(self) -> None:
        """Answer commands until the client disconnects."""
        while line := self.rfile.readline():
            if not self.items.loaded:
                # The first command is refused, so that a client can see the state that a probe waits for.
                self.items.load()
                self.wfile.write(LOADING)
                return
            words = line.decode("ascii", "replace").split()
            if words == ["quit"]:
                return
            self.wfile.write(self._answer(words))

    def _answer(self, words: list[str]) -> bytes:
        match words:
            case ["version"]:
                return b"VERSION 1.6.0\r\n"
            case ["set", key, _flags, _seconds, size]:
                self.items.change(key, self.rfile.read(int(size) + 2)[:-2] or b"\0")
                return b"STORED\r\n"
            case ["get", *keys]:
                stored = [(key, self.items.values[key]) for key in keys if key in self.items.values]
                values = [
                    b"VALUE %b 0 %d\r\n%b\r\n" % (it.encode(), len(value), value) for it, value in stored
                ]
                return b"".join(values) + b"END\r\n"
            case ["delete", key]:
                return b"DELETED\r\n" if self.items.change(key, None) else b"NOT_FOUND\r\n"
            case ["lru_crawler", "metadump", "all"]:
                return b"".join(b"key=%b exp=-1\r\n" % key.encode() for key in self.items.values) + b"END\r\n"
            case _:
                return b"ERROR\r\n"


class Server(socketserver.ThreadingTCPServer):
    """Serves each connection in a thread."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Serve until a signal ends the process."""
    options = argparse.ArgumentParser()
    options.add_argument("-l", dest="host", required=True)
    options.add_argument("-p", dest="port", type=int, required=True)
    options.add_argument("-e", dest="journal", type=Path, required=True)
    arguments = options.parse_args()
    Connection.items = Items(arguments.journal)
    with Server((arguments.host, arguments.port), Connection) as server:
        print(f"process {os.getpid()} listens on {arguments.port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
