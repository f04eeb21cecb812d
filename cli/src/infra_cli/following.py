"""Reading files that others write: what is new in them, line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

#: seconds between two looks
LOOK = 0.1
#: bytes; a line without an end that is longer than this is nobody's line
LONGEST = 1 << 20


class Follower:
    """Remembers for each file how far it was read. Files may come, grow, be cut short and be replaced."""

    def __init__(
        self,
        paths: Sequence[Path] | Callable[[], Sequence[Path]],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._paths = paths if callable(paths) else lambda: paths
        self._pause = pause
        self._read: dict[Path, int] = {}

    def skip(self) -> dict[Path, int]:
        """Take the whole lines that are there as read. Returns how far that is, for each file."""
        self._read |= {path: _last_line_end(path) for path in self._paths()}
        return dict(self._read)

    def new(self) -> list[tuple[Path, str]]:
        """The whole lines that have come since the last look."""
        return [(path, line) for path in self._paths() for line in self._new(path)]

    def lines(self) -> Iterator[tuple[Path, str]]:
        """New lines as they come, without end."""
        while True:
            yield from self.new()
            self._pause(LOOK)

    def _new(self, path: Path) -> list[str]:
        size, read = _size(path), self._read.get(path, 0)
        if size < read:  # it was rotated
            read = 0
        if size == read:
            self._read[path] = read
            return []
        try:
            with path.open("rb") as file:
                file.seek(read)
                block = file.read(size - read)
        except FileNotFoundError:  # somebody wiped it just now
            return []
        whole = block.rfind(b"\n") + 1
        self._read[path] = read + whole
        return block[:whole].decode(errors="replace").splitlines()


def _last_line_end(path: Path) -> int:
    size = _size(path)
    if not size:
        return 0
    with path.open("rb") as file:
        start = file.seek(max(size - LONGEST, 0))
        return start + file.read(size - start).rfind(b"\n") + 1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
