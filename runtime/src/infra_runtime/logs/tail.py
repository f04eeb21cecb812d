"""The lines of a log after a position, while the log grows, loses its beginning or is truncated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from infra_runtime.logs.files import LogFile
from infra_runtime.logs.index import Index
from infra_runtime.logs.line import Line, replaced

#: the seconds after the last change of a log after which its lines count as complete without an index
UNINDEXED = 3.0


class Tail:
    """Reads the lines of one log that were not forwarded yet."""

    def __init__(
        self, folder: Path, service: str, last: Line | None, now: Callable[[], float] = time.time
    ) -> None:
        """Start after `last`, the line that was forwarded last; None: no line of the log was forwarded."""
        self._folder, self._service, self._now = folder, service, now
        self._index = Index(folder / f"{service}.index")
        #: the identity of the content of the file, and the offset in bytes up to which lines were forwarded
        self._file, self._offset = (last.file, last.end) if last else ("", 0)
        self._is_shorter = False

    def lines(self) -> Iterator[Line]:
        """Yield the complete lines of the log that were not forwarded yet.

        A line is complete when the index of its log contains it, so that its time is final, or when the log
        has not changed for `UNINDEXED` seconds.
        """
        try:
            log = LogFile(self._folder, self._service, index=self._index)
        except OSError:  # the log was removed
            return
        with log:
            self._index.refresh()
            yield from self._changed(log)
            if self._is_shorter:
                return
            # After a truncation, the sizes in the index are too large until the supervisor adds the new size.
            end = self._index.size if self._index.size <= log.size else 0
            if end <= self._offset and self._now() - log.changed > UNINDEXED:
                end = log.size
            for line in log.lines(self._offset, end, complete=True):
                yield line._replace(file=self._file)

    def forwarded(self, line: Line) -> None:
        """Record that the server has stored a line: `lines` then continues after this line."""
        self._file, self._offset = line.file, line.end

    def _changed(self, log: LogFile) -> Iterator[Line]:
        """If the log was replaced or truncated, continue at its start, and yield a line that states this."""
        is_shorter = log.size < self._offset
        if not self._file:
            self._file = log.identity
        elif self._file.partition("~")[0] != log.identity:
            self._file, self._offset, self._is_shorter = log.identity, 0, False
            yield replaced(self._now(), self._service, self._file)
        elif is_shorter and self._is_shorter:
            # Another program has truncated the log. If the supervisor truncates a log, the identity changes.
            self._file, self._offset, self._is_shorter = f"{log.identity}~{self._now():.0f}", 0, False
            yield replaced(self._now(), self._service, self._file)
        else:
            self._is_shorter = is_shorter
