"""The services' log files: a child writes straight to its file; we only look at sizes.

Beside `NAME.log` stands `NAME.index`, lines of `TIME OFFSET`: at that Unix time the log had that many
bytes. It gives every line a time, to a second, without touching what services write.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

ROTATE_AT = 10_000_000  # bytes
TAIL_BYTES = 16_384


class Logs:
    """The folder of all logs of one stack."""

    def __init__(self, folder: str, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._now = now
        self._sizes: dict[str, int] = {}
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, service: str) -> str:
        """Where a service's output goes."""
        return f"{self.folder}/{service}.log"

    def size(self, service: str) -> int:
        """How many bytes the log has; 0 before there is one."""
        try:
            return os.stat(self.path(service)).st_size
        except OSError:
            return 0

    def look(self, services: Iterable[str]) -> None:
        """Note the sizes that changed, and rotate what has grown large. Called every second."""
        for service in services:
            size = self.size(service)
            if size == self._sizes.get(service, 0):
                continue
            self._sizes[service] = size
            # On a full disk a log has no times, and grows no further by itself.
            with contextlib.suppress(OSError):
                with open(f"{self.folder}/{service}.index", "a", encoding="ascii") as file:
                    file.write(f"{self._now():.3f} {size}\n")
                if size > ROTATE_AT:
                    self._rotate(service)

    def _rotate(self, service: str) -> None:
        """Copy and truncate: the child keeps its descriptor, which appends. A line or two may be lost."""
        path, index = self.path(service), f"{self.folder}/{service}.index"
        with open(path, "rb") as source, open(f"{path}.1", "wb") as target:
            os.fchmod(target.fileno(), 0o600)
            while block := source.read(1 << 20):
                target.write(block)
        os.truncate(path, 0)
        os.replace(index, f"{index}.1")
        self._sizes[service] = 0

    def tail(self, service: str, lines: int = 15, since: int = 0) -> list[str]:
        """The last lines, of what came after the byte `since`."""
        return tail(self.path(service), lines, since)


def tail(path: str, lines: int, since: int = 0) -> list[str]:
    """The last lines of a file, of what came after the byte `since`; none when there is no file."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(since if since <= size else 0, size - TAIL_BYTES)
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]
