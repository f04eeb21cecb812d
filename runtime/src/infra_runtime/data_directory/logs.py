"""The log files of the services: each service writes its own file, and the supervisor limits their sizes.

A service appends to its log itself. When a log exceeds its limit, the supervisor replaces the beginning of
the file by a hole, which needs no disk space; the offsets of the remaining lines do not change. If the file
system does not support holes, the end of the log is copied to `NAME.log.1`, and the log is truncated.

In the folder of `NAME.log`, the file `NAME.index` contains lines `TIME OFFSET`: the size of the log in bytes
at a Unix time. From the index, the time of each log line is known to the second, although the service's
output is not changed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping

from infra_runtime.errors import ConfigurationError
from infra_runtime.host import sparse_file

TAIL_BYTES = 16_384
#: the default limits in bytes: of one log, and of all logs of a stack together
LIMIT, TOTAL_LIMIT = 20_000_000, 200_000_000
#: the variables that set other limits, in bytes
LIMIT_VARIABLE, TOTAL_VARIABLE = "INFRA_LOG_LIMIT", "INFRA_LOG_TOTAL"
#: the smallest limit in bytes; a smaller number is replaced by this limit, because the log of a verbose
#: service would change at each line
LEAST_LIMIT = 65_536
#: the least number of seconds between two lines of an index
INDEX_SECONDS = 0.9
#: seconds between two updates: while a log grows fast, and while the logs grow slowly
SHORTEST, LONGEST = 0.02, 0.25
#: the number of bytes at the beginning of a log's remaining part in which the end of a line is searched for
LINE_BYTES = 65_536
#: the size in bytes, with the hole, above which a log is truncated. Source: ext4 has files up to 16 TB
LARGEST = 1 << 40
#: the number of bytes at the end of a log that are copied when the log is truncated
COPIED_BYTES = 1_000_000


class Logs:
    """The folder with all logs of one stack."""

    def __init__(
        self,
        folder: str,
        now: Callable[[], float] = time.time,
        *,
        limit: int = LIMIT,
        total: int = TOTAL_LIMIT,
    ) -> None:
        self.folder = folder
        self._now = now
        self._limit, self._total = max(limit, LEAST_LIMIT), max(total, LEAST_LIMIT)
        self._sizes: dict[str, int] = {}
        #: service → the size in the last line of its index, and the time of that line
        self._indexed: dict[str, tuple[int, float]] = {}
        #: service → the offset of the first byte after the hole
        self._starts: dict[str, int] = {}
        #: service → the number of bytes that were removed by truncation
        self._truncated: dict[str, int] = {}
        self._updated = now()
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, service: str) -> str:
        """Return the path of a service's log."""
        return f"{self.folder}/{service}.log"

    def size(self, service: str) -> int:
        """Return the size of a service's log in bytes, including its hole; 0 if the file is missing."""
        try:
            return os.stat(self.path(service)).st_size
        except OSError:
            return 0

    def dropped(self, service: str) -> int:
        """Return the number of bytes that were removed from a service's log because of a limit."""
        return self._starts.get(service, 0) + self._truncated.get(service, 0)

    def update(self, services: Iterable[str], *, last: bool = False) -> float:
        """Write the sizes of changed logs to their indexes, and shorten logs above the limit.

        The supervisor calls this method repeatedly. Return the seconds until the next call, which depend on
        how fast the logs grow. At the end of the stack, `last` is true: the call then writes the size of each
        changed log, even if less than `INDEX_SECONDS` have passed since the last line of its index.
        """
        services = list(services)
        now, growth = self._now(), 0
        for service in services:
            size = self.size(service)
            growth = max(growth, size - self._sizes.get(service, 0)) if service in self._sizes else growth
            if service not in self._starts or size < self._sizes.get(service, 0):
                self._starts[service] = self._first_data(service) if size else 0
            self._sizes[service] = size
            indexed_size, index_time = self._indexed.get(service, (0, 0.0))
            if size != indexed_size and (last or now - index_time >= INDEX_SECONDS or size < indexed_size):
                self._write_index(service, size, now)
        self._bound(services)
        seconds, self._updated = max(now - self._updated, SHORTEST), now
        return min(max(self._limit / 4 * seconds / growth, SHORTEST), LONGEST) if growth else LONGEST

    def tail(self, service: str, lines: int = 15, since: int = 0) -> list[str]:
        """Return the last lines of a service's log after the byte offset `since`, at most `lines` lines."""
        return tail(self.path(service), lines, since)

    def _bound(self, services: list[str]) -> None:
        """Remove the beginning of each log that exceeds the limit of one log.

        If all logs together exceed their limit, also remove the beginnings of the largest logs.
        """
        sizes = {service: self._sizes[service] - self._starts[service] for service in services}
        limit = self._limit
        if sum(min(size, limit) for size in sizes.values()) > self._total:
            limit = max(self._total // len(sizes), LEAST_LIMIT)
        for service, size in sizes.items():
            if size > limit:
                # An error on a full disk is ignored, because the log cannot grow on a full disk.
                with contextlib.suppress(OSError):
                    self._drop(service, limit // 2)

    def _drop(self, service: str, keep: int) -> None:
        """Replace the beginning of a log by a hole; at most about `keep` bytes remain.

        The hole ends near the end of a line. The first line after the hole contains the number of removed
        bytes.
        """
        path, size = self.path(service), self._sizes[service]
        # The service could have replaced its log by a link to another file.
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            cut = size - keep
            block = os.pread(descriptor, LINE_BYTES, cut)
            line_end = block.find(b"\n", len(_mark(size)))
            end = cut + (line_end if line_end >= 0 else len(_mark(size)))
            # The new line ends at the end of the replaced line. Its length is computed for the number `end`,
            # because the number of removed bytes in the line can have one digit less.
            start = end - len(_mark(end))
            if size > LARGEST:
                self._truncate(service, descriptor, size, keep)
                return
            dropped = start + self._truncated.get(service, 0)
            # The line is written before the hole, so that a reader always finds it at the end of the hole.
            os.pwrite(descriptor, _mark(dropped).rjust(end - start)[: end - start] + b"\n", start)
            sparse_file.punch(descriptor, start)
            self._starts[service] = start
            self._shorten_index(service, start)
        except OSError:
            self._truncate(service, descriptor, size, keep)
        finally:
            os.close(descriptor)

    def _truncate(self, service: str, descriptor: int, size: int, keep: int) -> None:
        """Copy the end of a log to `NAME.log.1`, and truncate the log.

        Lines written during the copy are lost.
        """
        path = self.path(service)
        copied_bytes = min(keep, COPIED_BYTES)
        block = os.pread(descriptor, copied_bytes, size - copied_bytes)
        dropped = self.dropped(service) + size - self._starts[service] - len(block)
        os.ftruncate(descriptor, 0)
        self._truncated[service] = dropped
        self._starts[service] = self._sizes[service] = 0
        self._indexed.pop(service, None)
        with open(f"{path}.1", "wb") as target:
            os.fchmod(target.fileno(), 0o600)
            target.write(_mark(dropped) + b"\n" + block.partition(b"\n")[2])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.folder}/{service}.index")

    def _first_data(self, service: str) -> int:
        try:
            with open(self.path(service), "rb", buffering=0) as file:
                return sparse_file.first_data(file.fileno())
        except OSError:
            return 0

    def _write_index(self, service: str, size: int, now: float) -> None:
        # An error on a full disk is ignored: some log lines then have no exact time.
        with contextlib.suppress(OSError), open(self._index(service), "a", encoding="ascii") as file:
            file.write(f"{now:.3f} {size}\n")
            self._indexed[service] = size, now

    def _shorten_index(self, service: str, start: int) -> None:
        """Remove the lines of a log's index whose offsets are in the hole of the log."""
        with contextlib.suppress(OSError):
            with open(self._index(service), encoding="ascii") as file:
                lines = [line for line in file if int(line.split()[-1]) > start]
            with open(f"{self._index(service)}.new", "w", encoding="ascii") as file:
                file.writelines(lines)
            os.replace(f"{self._index(service)}.new", self._index(service))

    def _index(self, service: str) -> str:
        return f"{self.folder}/{service}.index"


def _mark(dropped: int) -> bytes:
    """Return the first line of a shortened log, which contains the number of removed bytes."""
    return b"infra: the first %d bytes of this log were dropped" % dropped


def limits(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return the limits in bytes for one log and for all logs.

    Raises `ConfigurationError` if a variable is neither empty nor a number of bytes greater than 0, with at
    most 18 digits.
    """
    return _limit(environ, LIMIT_VARIABLE, LIMIT), _limit(environ, TOTAL_VARIABLE, TOTAL_LIMIT)


def _limit(environ: Mapping[str, str], variable: str, default: int) -> int:
    text = environ.get(variable, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text)):
        raise ConfigurationError(
            f"{text!r} is not a number of bytes", variable, f"Set {variable} to a number such as {default}."
        )
    return int(text)


def tail(path: str, lines: int, since: int = 0) -> list[str]:
    """Return the last lines of a file after the byte offset `since`, at most `lines` lines.

    Only the last `TAIL_BYTES` bytes are read, so the first line can be incomplete. If the file has fewer than
    `since` bytes, it was truncated, and `since` is ignored. If the file is missing, the list is empty.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(since if since <= size else 0, size - TAIL_BYTES)
            file.seek(start)
            text = file.read().lstrip(b"\0").decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]
