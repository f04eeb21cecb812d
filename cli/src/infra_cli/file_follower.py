"""Read new lines of files while other processes write to the files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from infra_runtime.host.sparse_file import first_data

#: The seconds between two reads of a file.
POLL_INTERVAL = 0.1
#: The maximum number of bytes at the end of a file that are searched for the last line end.
MAX_TAIL = 1 << 20


class Follower:
    """A reader of the new lines in files that other processes create, extend and truncate.

    A file that has become shorter since the last read is read from its beginning.
    """

    def __init__(
        self,
        paths: Sequence[Path] | Callable[[], Sequence[Path]],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._paths = paths if callable(paths) else lambda: paths
        self._pause = pause
        self._read: dict[Path, int] = {}

    def skip(self) -> dict[Path, int]:
        """Skip all complete lines of the files; return, for each file, the number of skipped bytes."""
        self._read |= {path: _last_line_end(path) for path in self._paths()}
        return dict(self._read)

    def new(self) -> list[tuple[Path, str]]:
        """Return the complete lines that were written since the last call, each with its file."""
        return [(path, line) for path in self._paths() for line in self._new(path)]

    def lines(self) -> Iterator[tuple[Path, str]]:
        """Yield each new line with its file, about `POLL_INTERVAL` after it was written; do not end."""
        while True:
            yield from self.new()
            self._pause(POLL_INTERVAL)

    def _new(self, path: Path) -> list[str]:
        size, read = _size(path), self._read.get(path, 0)
        if size < read:  # the file was rotated
            read = 0
        if size == read:
            self._read[path] = read
            return []
        try:
            with path.open("rb") as file:
                # A hole in the file is skipped: the lines in the hole have been removed from the disk.
                read = first_data(file.fileno(), read)
                file.seek(read)
                block = file.read(max(size - read, 0))
        except FileNotFoundError:  # another process has removed the file
            return []
        complete = block.rfind(b"\n") + 1
        self._read[path] = read + complete
        return block[:complete].decode(errors="replace").splitlines()


def _last_line_end(path: Path) -> int:
    size = _size(path)
    if not size:
        return 0
    with path.open("rb") as file:
        start = file.seek(max(size - MAX_TAIL, 0))
        return start + file.read(size - start).rfind(b"\n") + 1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
