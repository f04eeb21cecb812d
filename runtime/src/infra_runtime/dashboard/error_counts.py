"""The number of errors in the log of each service, counted while the logs grow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from infra_runtime.logs.files import LogFile, services_with_logs
from infra_runtime.logs.index import NO_TIMES
from infra_runtime.logs.record import PYTHON_ERROR, TRACEBACK, at_least, may_be_error, parse

#: bytes at the end of a log that are read at first, and of each log that a later count reads at most; what
#: is before them is not counted
FIRST, MOST = 1 << 20, 1 << 18
#: bytes that are searched at once
_BLOCK = 1 << 16
_ERRORS = at_least("error")
#: the part of an error → the parts that can be above it
_PARTS_BEFORE = {"traceback": ("message",), "exception": ("message", "traceback")}


class _Counted(NamedTuple):
    """The errors of a log up to an offset in bytes."""

    #: the inode and the size of the file when it was read, and its identity
    state: tuple[int, int]
    identity: str
    offset: int
    errors: int


class ErrorCounts:
    """Counts the messages with the level `error` or `critical` in the logs of a folder."""

    def __init__(self, folder: Path, since: float = 0.0) -> None:
        """`since` is the Unix time of the start of the stack; the lines of earlier runs are not counted."""
        self._folder, self._since = folder, since
        #: service → what was counted of its log
        self._counted: dict[str, _Counted] = {}

    def update(self) -> Mapping[str, int]:
        """Read what is new, and return a mapping from service to the errors in its log; 0 is left out."""
        counted = {}
        for name in services_with_logs(self._folder):
            try:
                counted[name] = _count(self._folder, name, self._since, self._counted.get(name))
            except OSError:  # the log was removed
                continue
        self._counted = counted
        return {name: log.errors for name, log in counted.items() if log.errors}


def _offset(folder: Path, name: str, since: float) -> int:
    """Return the offset of the first line of a log since a time. Raises `OSError`."""
    with LogFile(folder, name) as log:
        return log.offset(since)


def _count(folder: Path, name: str, since: float, before: _Counted | None) -> _Counted:
    """Return the errors of a log, whose count continues after `before`. Raises `OSError`.

    A new or shorter file is counted like one that is read for the first time.
    """
    status = (folder / f"{name}.log").stat()
    state = status.st_ino, status.st_size
    if before and before.state == state:
        return before
    with LogFile(folder, name, index=NO_TIMES) as log:
        size = log.size
        if before and before.identity == log.identity and before.offset <= size:
            errors, offset = before.errors, max(before.offset, size - MOST)
        else:
            errors, offset = 0, max(log.start, size - FIRST, min(_offset(folder, name, since), size))
        while offset < size:
            block = log.read(offset, min(offset + _BLOCK, size))
            complete = block.rfind(b"\n") + 1
            if not complete and offset + len(block) == size:  # the line is still being written
                break
            end = offset + (complete or len(block))
            if may_be_error(block):
                errors += _errors(line.text for line in log.lines(offset, end))
            offset = end
        return _Counted(state, log.identity, offset, errors)


def _errors(lines: Iterable[str]) -> int:
    """Return the number of errors; a message and the traceback below it are one error."""
    count, before = 0, ""
    for text in lines:
        record = parse(text)
        if record.continues:
            continue
        kind = _kind(text) if record.level in _ERRORS else ""
        count += bool(kind) and before not in _PARTS_BEFORE.get(kind, ())
        before = kind
    return count


def _kind(text: str) -> str:
    if text.startswith(TRACEBACK):
        return "traceback"
    return "exception" if PYTHON_ERROR.match(text) else "message"
