"""A line of a log, and its position."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """A line of a service's log, or a part of a line that is too long."""

    #: the latest Unix time at which the line can have been written; accurate to about a second
    time: float
    service: str
    #: the text without the line end; bytes that are not UTF-8 are replaced by U+FFFD
    text: str
    #: the identity of the content of the log file, which changes when the file is replaced or truncated
    file: str = ""
    #: the offset in bytes of the line in the file, and the offset of the following line
    offset: int = 0
    end: int = 0
    #: if not 0, the line is not in the log: it replaces this number of bytes, which were removed before they
    #: were read; -1 if this number is unknown
    dropped: int = 0

    @property
    def cursor(self) -> str:
        """The position of the line as a string, unique among the lines of its service."""
        return f"{self.file}:{self.offset}"


def gap(time: float, service: str, file: str, offset: int, end: int) -> Line:
    """Return a line that replaces the bytes of a log from `offset` to `end`, which were removed."""
    dropped = end - offset
    text = f"infra: {dropped} bytes of this log were dropped before they were read"
    return Line(time, service, text, file, offset, end, dropped)


def replaced(time: float, service: str, file: str) -> Line:
    """Return a line that states that the earlier content of a log was replaced or truncated."""
    text = "infra: this log was truncated; lines that were not read before are lost"
    return Line(time, service, text, file, dropped=-1)


def position(cursor: str) -> tuple[str, int]:
    """Return the file and the offset of a cursor. Raises `ValueError` if the text is not a cursor."""
    file, colon, offset = cursor.rpartition(":")
    if not (file and colon and offset.isascii() and offset.isdigit() and len(offset) < 19):
        raise ValueError(f"{cursor!r} is not the position of a log line")
    return file, int(offset)
