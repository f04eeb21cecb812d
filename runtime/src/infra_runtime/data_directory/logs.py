"""The log files of the services: each service writes its own file, and the supervisor reads the sizes.

Next to `NAME.log` is `NAME.index` with lines of `TIME OFFSET`: the size of the log in bytes at that Unix
time. The index gives each log line a time, exact to a second, without a change of the service's output.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

ROTATE_AT = 10_000_000  # bytes
TAIL_BYTES = 16_384


class Logs:
    """The folder with all logs of one stack."""

    def __init__(self, folder: str, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._now = now
        self._sizes: dict[str, int] = {}
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, service: str) -> str:
        """Return the path of a service's log."""
        return f"{self.folder}/{service}.log"

    def size(self, service: str) -> int:
        """Return the size of a service's log in bytes; 0 when the file is missing."""
        try:
            return os.stat(self.path(service)).st_size
        except OSError:
            return 0

    def update(self, services: Iterable[str]) -> None:
        """Write changed sizes to the indexes, and rotate large logs. The supervisor calls it every second."""
        for service in services:
            size = self.size(service)
            if size == self._sizes.get(service, 0):
                continue
            self._sizes[service] = size
            # A full disk is ignored: the log has no times then, and cannot grow.
            with contextlib.suppress(OSError):
                with open(f"{self.folder}/{service}.index", "a", encoding="ascii") as file:
                    file.write(f"{self._now():.3f} {size}\n")
                if size > ROTATE_AT:
                    self._rotate(service)

    def _rotate(self, service: str) -> None:
        """Copy the log and truncate it, because the child keeps it open. One or two lines may be lost."""
        path, index = self.path(service), f"{self.folder}/{service}.index"
        with open(path, "rb") as source, open(f"{path}.1", "wb") as target:
            os.fchmod(target.fileno(), 0o600)
            while block := source.read(1 << 20):
                target.write(block)
        os.truncate(path, 0)
        os.replace(index, f"{index}.1")
        self._sizes[service] = 0

    def tail(self, service: str, lines: int = 15, since: int = 0) -> list[str]:
        """Return the last lines of a service's log after the byte offset `since`."""
        return tail(self.path(service), lines, since)


def tail(path: str, lines: int, since: int = 0) -> list[str]:
    """Return the last lines of a file after the byte offset `since`; none when the file is missing."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(since if since <= size else 0, size - TAIL_BYTES)
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]
