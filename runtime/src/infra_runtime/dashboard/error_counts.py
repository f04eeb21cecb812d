"""The number of errors in the log of each service, counted while the logs grow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from infra_runtime.logs.files import LogFile, services_with_logs
from infra_runtime.logs.index import NO_TIMES
from infra_runtime.logs.record import PYTHON_ERROR, TRACEBACK, at_least, may_be_error, parse

#: the largest number of bytes that the first count reads from the end of a log, and that each later count
#: reads; errors in earlier bytes are not counted
FIRST, MOST = 1 << 20, 1 << 18
#: the number of bytes that are read and searched at once
_BLOCK = 1 << 16
_ERRORS = at_least("error")
#: the kind of a line of an error → the kinds of the line above that belong to the same error
_PARTS_BEFORE = {"traceback": ("message",), "exception": ("message", "traceback")}


class _Counted(NamedTuple):
    """The errors of a log up to an offset in bytes."""

    #: the inode and the size of the file when the file was read, and the identity of the file
    state: tuple[int, int]
    identity: str
    offset: int
    errors: int


class ErrorCounts:
    """Counts the messages with the level `error` or `critical` in the logs of a folder."""

    def __init__(self, folder: Path, since: float = 0.0) -> None:
        """Count only lines since `since` (Unix seconds), which is the start of the stack."""
        self._folder, self._since = folder, since
        #: service → the result of the newest count
        self._counted: dict[str, _Counted] = {}

    def update(self) -> Mapping[str, int]:
        """Read the new lines, and return a mapping from service to number of errors, without zeros."""
        counted = {}
        for name in services_with_logs(self._folder):
            try:
                counted[name] = _count(self._folder, name, self._since, self._counted.get(name))
            except OSError:  # the log was removed
                continue
        self._counted = counted
        return {name: log.errors for name, log in counted.items() if log.errors}


def _offset(folder: Path, name: str, since: float) -> int:
    """Return the offset in bytes of the first line that was logged at or after `since`. Raises `OSError`."""
    with LogFile(folder, name) as log:
        return log.offset(since)


def _count(folder: Path, name: str, since: float, previous: _Counted | None) -> _Counted:
    """Return the number of errors in a log; only the lines after the count `previous` are read.

    If the file is new, or shorter than before, the count begins at 0. Raises `OSError`.
    """
    status = (folder / f"{name}.log").stat()
    state = status.st_ino, status.st_size
    if previous and previous.state == state:
        return previous
    with LogFile(folder, name, index=NO_TIMES) as log:
        size = log.size
        if previous and previous.identity == log.identity and previous.offset <= size:
            errors, offset = previous.errors, max(previous.offset, size - MOST)
        else:
            errors, offset = 0, max(log.start, size - FIRST, min(_offset(folder, name, since), size))
        while offset < size:
            block = log.read(offset, min(offset + _BLOCK, size))
            complete = block.rfind(b"\n") + 1
            if not complete and offset + len(block) == size:  # the service has not written the whole line yet
                break
            end = offset + (complete or len(block))
            if may_be_error(block):
                errors += _errors(line.text for line in log.lines(offset, end))
            offset = end
        return _Counted(state, log.identity, offset, errors)


def _errors(lines: Iterable[str]) -> int:
    """Return the number of errors; a message and the traceback below it are one error."""
    count, previous_kind = 0, ""
    for text in lines:
        record = parse(text)
        if record.continues:
            continue
        kind = _kind(text) if record.level in _ERRORS else ""
        count += bool(kind) and previous_kind not in _PARTS_BEFORE.get(kind, ())
        previous_kind = kind
    return count


def _kind(text: str) -> str:
    if text.startswith(TRACEBACK):
        return "traceback"
    return "exception" if PYTHON_ERROR.match(text) else "message"
