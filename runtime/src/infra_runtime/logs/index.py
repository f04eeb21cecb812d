"""The index of a log: the sizes of the log at several times. The time of a line is computed from them.

The supervisor adds a line `TIME SIZE` to the index about once a second while the log grows.
"""

from __future__ import annotations

import bisect
import math
import os
from array import array
from pathlib import Path


class Index:
    """The times in an index file; `refresh` reads the lines that were added since the last call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times, self._sizes = array("d"), array("q")
        #: the inode of the index file, and the number of bytes that were read
        self._inode, self._read = 0, 0
        self.refresh()

    def refresh(self) -> None:
        """Read the new lines of the index file, or the whole file if it was replaced or truncated."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._read:
                    self._clear()
                    self._inode = status.st_ino
                file.seek(self._read)
                block = file.read()
        except OSError:
            self._clear()
            return
        complete = block.rfind(b"\n") + 1
        self._read += complete
        for line in block[:complete].splitlines():
            time, _, size = line.partition(b" ")
            if _is_time(time) and size.isdigit() and len(size) < 19:
                self._add(float(time), int(size))

    @property
    def size(self) -> int:
        """The size of the log at the last time in the index; 0 without an index."""
        return self._sizes[-1] if self._sizes else 0

    def time(self, end: int, default: float) -> float:
        """Return the time of the line that ends at the offset `end`; `default` if the index ends earlier."""
        entry = bisect.bisect_left(self._sizes, end)
        return self._times[entry] if entry < len(self._times) else default

    def offset(self, since: float) -> int:
        """Return the size of the log at the last time before `since`; 0 if no time is before `since`."""
        entry = bisect.bisect_left(self._times, since)
        return self._sizes[entry - 1] if entry else 0

    def _add(self, time: float, size: int) -> None:
        if self._sizes and size < self._sizes[-1]:  # the log was truncated
            del self._times[:], self._sizes[:]
        # The times stay sorted, even if the clock was set back.
        self._times.append(max(time, self._times[-1]) if self._times else time)
        self._sizes.append(size)

    def _clear(self) -> None:
        del self._times[:], self._sizes[:]
        self._inode = self._read = 0


#: an empty index, for a log whose times are not needed
NO_TIMES = Index(Path(os.devnull))


def _is_time(text: bytes) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:  # a crash of the machine can damage the file
        return False
