"""Read the lines of log files, forwards and backwards, from a time or a position.

The service writes its log file, and the supervisor removes the beginning of a log that is too long. The file
then begins with a hole (a range without data), which is skipped. A line that is longer than `LONGEST_LINE` is
read as several lines. The amount of used memory depends on the size of the index, not on that of the log.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from infra_runtime.host.sparse_file import first_data
from infra_runtime.logs.index import Index
from infra_runtime.logs.line import Line, gap

#: the maximum number of bytes of a line; a longer line is split into several lines
LONGEST_LINE = 65_536
#: the number of bytes that are read at once when lines are read backwards
BLOCK = 65_536
#: the suffixes of a service's log files, in the order of their lines
SUFFIXES = (".1", "")
#: the number of decimal places of the time of a line, and the largest rounding error
_DIGITS, _ROUNDING = 3, 0.0005
#: the log of the supervisor, which is not a service
SUPERVISOR = "supervisor"


class LogFile:
    """An open log file, with the index of its times."""

    def __init__(self, folder: Path, service: str, suffix: str = "", index: Index | None = None) -> None:
        """Open the file. Raises `OSError` if it is missing or cannot be read."""
        path = folder / f"{service}.log{suffix}"
        self.service = service
        self._file = path.open("rb")
        status = os.fstat(self._file.fileno())
        self.identity = f"{status.st_ino:x}{_truncations(path)}"
        #: the Unix time of the last change
        self.changed = status.st_mtime
        self.index = Index(folder / f"{service}.index{suffix}") if index is None else index

    def __enter__(self) -> Self:
        """Return this object, whose file is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log file."""
        self._file.close()

    @property
    def size(self) -> int:
        """The size of the file in bytes, with the hole at its beginning."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def start(self) -> int:
        """The offset of the first byte after the hole at the beginning of the file; 0 without a hole."""
        descriptor = self._file.fileno()
        # `lseek` changes the position of the descriptor. The position is restored, because the buffer of the
        # file object is for this position.
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            return first_data(descriptor)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes between two offsets; fewer at the end of the file."""
        return os.pread(self._file.fileno(), end - start, start)

    def offset(self, since: float) -> int:
        """Return the offset of the first line that can have been written at the time `since` or later."""
        size = self.index.offset(since - _ROUNDING)
        if size <= self.start:
            return self.start
        self._file.seek(size - 1)  # the size in the index can be inside a line
        while (raw := self._file.readline(LONGEST_LINE)) and not raw.endswith(b"\n"):
            pass
        return self._file.tell()

    def end(self, until: float) -> int:
        """Return an offset: only lines that end there or before can have been written until `until`."""
        # A line that is not in the index has the time `changed`, which is rounded like the times of all
        # lines.
        if until >= round(self.changed, _DIGITS):
            return self.size
        return self.index.offset(math.nextafter(until, math.inf))

    def lines(
        self, start: int | None = None, end: int | None = None, *, complete: bool = False
    ) -> Iterator[Line]:
        """Yield the lines that begin at the offset `start` or later and end at the offset `end` or before.

        By default, all lines at the time of the call are yielded. If `complete` is true, an incomplete last
        line is left out. If the supervisor has dropped lines after `start` (above 0), a line that describes
        the gap is yielded instead.
        """
        offset = self.start if start is None else start
        end = self.size if end is None else end
        self._file.seek(offset)
        while offset < end:
            raw = self._file.readline(LONGEST_LINE)
            # The supervisor can remove the beginning of the log at any time.
            if raw.startswith(b"\0") and (data := self.start) > offset:
                if offset:
                    yield gap(self._time(data), self.service, self.identity, offset, data)
                offset = self._file.seek(data)
                continue
            is_complete = raw.endswith(b"\n")
            if len(raw) == LONGEST_LINE and not is_complete:
                raw, is_complete = _without_partial_character(raw), True
                self._file.seek(offset + len(raw))
            following = offset + len(raw)
            if not raw or following > end or (complete and not is_complete):
                return
            text = raw.decode(errors="replace").rstrip("\r\n")
            yield Line(self._time(following), self.service, text, self.identity, offset, following)
            offset = following

    def lines_before(self, end: int | None = None) -> Iterator[Line]:
        """Yield the lines that end at the offset `end` or before, the last line first."""
        end = self.size if end is None else end
        while end > (start := self._line_start(end - BLOCK, end)):
            yield from reversed([*self.lines(start, end)])
            end = start

    def _line_start(self, offset: int, end: int) -> int:
        """Return the start of a line in `offset`..`end`; of an earlier line if no line begins there."""
        first = self.start
        while offset > first:
            block = os.pread(self._file.fileno(), min(BLOCK, end - 1 - offset), offset)
            if line_end := block.find(b"\n") + 1:
                return offset + line_end
            offset, end = offset - BLOCK, offset + 1
        return min(first, end)

    def _time(self, end: int) -> float:
        return round(self.index.time(end, self.changed), _DIGITS)


def _truncations(path: Path) -> str:
    """Return a string that changes when the supervisor truncates a log.

    The supervisor truncates a log if the file system does not support holes, and then writes the end of the
    log to `NAME.log.1`.
    """
    with contextlib.suppress(OSError):
        return f"-{path.with_name(f'{path.name}.1').stat().st_mtime_ns:x}"
    return ""


def _without_partial_character(content: bytes) -> bytes:
    """Return bytes without the first bytes of a UTF-8 character whose last bytes are missing."""
    for length in (1, 2, 3):
        byte = content[-length]
        if byte >= 0xC0:
            return content[:-length] if length < 2 + (byte >= 0xE0) + (byte >= 0xF0) else content
        if byte < 0x80:
            break
    return content


def lines(folder: Path, service: str, since: float = 0.0, until: int | None = None) -> Iterator[Line]:
    """Yield the lines of one service since a time, up to the offset `until` (bytes) of the current log.

    The lines before a truncation by the supervisor come first. A missing file has no lines.
    """
    for suffix in SUFFIXES:
        try:
            log = LogFile(folder, service, suffix)
        except OSError:
            continue
        with log:
            read = log.lines(log.offset(since) if since else None, None if suffix else until)
            yield from itertools.dropwhile(lambda line: line.time < since, read)


def merged(folder: Path, services: Mapping[str, int | None], since: float = 0.0) -> Iterator[Line]:
    """Yield the lines of several services since a time, sorted by time.

    `services` maps each service to the offset in bytes at which the reading of its log ends; None means the
    end of the log.
    """
    logs = (lines(folder, name, since, until) for name, until in services.items())
    return heapq.merge(*logs, key=lambda line: line.time)


def services_with_logs(folder: Path) -> list[str]:
    """Return the services that have a log; the log of the supervisor is omitted."""
    return sorted(path.stem for path in folder.glob("*.log") if path.stem != SUPERVISOR)
