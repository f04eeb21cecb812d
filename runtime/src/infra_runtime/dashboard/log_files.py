"""Read the log of one service in both directions, with bounded memory.

A position in a log is the inode of the file and an offset. The offsets of lines do not change when the
supervisor drops the beginning of a log (`infra_runtime.data_directory.logs`).
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from infra_runtime.dashboard.log_level import level_of
from infra_runtime.value import frozen

#: bytes of a line that are kept; the rest of a longer line is cut
LONGEST_LINE = 16_384
BLOCK = 65_536
#: bytes that one request reads at most while it searches for lines
SCANNED = 8 << 20
#: bytes of new lines that one call of `following` returns at most; older lines are skipped
FOLLOWED = 256 * 1024


class Position(NamedTuple):
    """A place between two lines of a log."""

    inode: int
    offset: int


@frozen
class Line:
    """One line of a log."""

    service: str
    #: the offsets of the first byte and of the byte after the line
    start: int
    end: int
    #: the latest Unix time at which the line can have been written, exact to about a second
    time: float
    #: `error`, `warn`, `info`, `debug`, or empty if the line names no level
    level: str
    text: str
    #: whether the end of the text is missing
    is_cut: bool


@frozen
class Page:
    """Lines of one log in the order of the file, and the positions before and after them."""

    lines: tuple[Line, ...]
    first: Position
    last: Position
    #: whether earlier lines may exist (`before`), or the bytes that were skipped (`following`)
    has_earlier: bool = False
    skipped: int = 0


def before(
    folder: Path, service: str, position: Position | None, count: int, matches: Callable[[Line], bool]
) -> Page:
    """Return at most `count` matching lines that end before a position, or at the end of the log (None)."""
    try:
        file = (folder / f"{service}.log").open("rb")
    except OSError:
        nowhere = Position(0, 0)
        return Page(lines=(), first=nowhere, last=nowhere)
    with file:
        status = os.fstat(file.fileno())
        is_known = position is not None and position.inode == status.st_ino
        end = min(position.offset, status.st_size) if position is not None and is_known else status.st_size
        if position is None:
            end = _end_of_lines(file.fileno(), end)
        times = _Times(folder / f"{service}.index", status.st_mtime)
        found: list[Line] = []
        start, limit = end, max(end - SCANNED, 0)
        while start > limit and len(found) < count:
            begin = max(start - BLOCK, 0)
            block = os.pread(file.fileno(), start - begin, begin)
            # The dropped beginning of the log is a hole, which is read as zeros.
            is_first = begin == 0 or block.startswith(b"\0")
            if not is_first:  # the first line of the block may have begun before it
                line_end = block.find(b"\n")
                if line_end + 1 in (0, len(block)):  # one long line: continue in front of its kept part
                    begin, block = _long_line(file.fileno(), begin, start, limit)
                else:
                    begin, block = begin + line_end + 1, block[line_end + 1 :]
            kept = block.lstrip(b"\0")
            lines = _lines(service, kept, begin + len(block) - len(kept), times)
            found = [*filter(matches, lines), *found]
            start = 0 if is_first or len(kept) < len(block) else begin
    found = found[-count:] if count else []
    first = found[0].start if len(found) == count and found else start
    return Page(
        lines=tuple(found),
        first=Position(status.st_ino, first),
        last=Position(status.st_ino, end),
        has_earlier=first > 0,
    )


def following(folder: Path, service: str, position: Position) -> Page:
    """Return the complete lines after a position. A new or shorter file is read from its beginning."""
    try:
        file = (folder / f"{service}.log").open("rb")
    except OSError:
        return Page(lines=(), first=position, last=position)
    with file:
        status = os.fstat(file.fileno())
        is_same = status.st_ino == position.inode and position.offset <= status.st_size
        begin = position.offset if is_same else 0
        skipped = 0
        if status.st_size - begin > FOLLOWED:
            skipped = status.st_size - FOLLOWED - begin
            begin += skipped
        block = os.pread(file.fileno(), FOLLOWED, begin)
        if skipped:
            line_end = block.find(b"\n") + 1
            begin, block, skipped = begin + line_end, block[line_end:], skipped + line_end
        complete = block[: block.rfind(b"\n") + 1]
        if not complete and len(block) > LONGEST_LINE:
            complete = block
        times = _Times(None, status.st_mtime)
        lines = _lines(service, complete.lstrip(b"\0"), begin, times)
    return Page(
        lines=tuple(lines),
        first=Position(status.st_ino, begin),
        last=Position(status.st_ino, begin + len(complete)),
        skipped=skipped,
    )


def end(folder: Path, service: str) -> Position:
    """Return the position after the last complete line of a log."""
    try:
        with (folder / f"{service}.log").open("rb") as file:
            status = os.fstat(file.fileno())
            return Position(status.st_ino, _end_of_lines(file.fileno(), status.st_size))
    except OSError:
        return Position(0, 0)


def _end_of_lines(descriptor: int, size: int) -> int:
    """Return the offset after the last complete line. A line without an end is complete if it is long."""
    begin = max(size - LONGEST_LINE, 0)
    block = os.pread(descriptor, size - begin, begin)
    line_end = block.rfind(b"\n") + 1
    return begin + line_end if line_end or not begin else size


def _long_line(descriptor: int, begin: int, end_: int, limit: int) -> tuple[int, bytes]:
    """Return the beginning of the line that ends at an offset, and the part of it that is kept."""
    start = begin
    while start > limit:
        previous = max(start - BLOCK, 0)
        block = os.pread(descriptor, start - previous, previous)
        line_end = max(block.rfind(b"\n"), block.rfind(b"\0"))
        if line_end >= 0:
            start = previous + line_end + 1
            break
        start = previous
    return start, os.pread(descriptor, min(end_ - start, LONGEST_LINE + 1), start)


class _Times:
    """The times of lines, by the index of the log."""

    def __init__(self, index: Path | None, last: float) -> None:
        self._index, self._last = index, last
        self._entries: tuple[list[float], list[int]] | None = None

    def at(self, offset: int) -> float:
        """Return the time at which the byte before an offset was written."""
        if self._index is None:
            return self._last
        if self._entries is None:
            self._entries = _index_entries(self._index)
        times, ends = self._entries
        number = bisect.bisect_left(ends, offset)
        return times[number] if number < len(times) else self._last


def _index_entries(index: Path) -> tuple[list[float], list[int]]:
    """Return the times in the index of a log, and the length of the log in bytes at each of these times."""
    times, ends = [], []
    try:
        text = index.read_text(encoding="ascii", errors="replace")
    except OSError:
        return [], []
    for line in text.splitlines():
        moment, _, length = line.partition(" ")
        if length.isdigit():  # the last line can be incomplete
            times.append(float(moment))
            ends.append(int(length))
    return times, ends


def _lines(service: str, block: bytes, begin: int, times: _Times) -> list[Line]:
    """Return the lines of a block that begins at an offset; an indented line has the level before it."""
    lines, offset, level = [], begin, ""
    for raw in block.splitlines(keepends=True) if b"\r" not in block else _split(block):
        stop = offset + len(raw)
        content = raw.rstrip(b"\r\n")
        text = content[:LONGEST_LINE].decode(errors="replace")
        if not (text[:1].isspace() and level):
            level = level_of(text)
        lines.append(
            Line(
                service=service,
                start=offset,
                end=stop,
                time=times.at(stop),
                level=level,
                text=text,
                is_cut=len(content) > LONGEST_LINE,
            )
        )
        offset = stop
    return lines


def _split(block: bytes) -> list[bytes]:
    """Return the lines of a block; a carriage return alone does not end a line."""
    parts = block.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
