"""The lines of several services' logs, sorted by time.

Log files do not contain times. Instead, each log has an index, to which the supervisor writes the time and
the length of the log once a second. Therefore the time of a line is accurate to about a second. Lines of the
same log always have the order of the file.
"""

from __future__ import annotations

import bisect
import heapq
import os
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from infra_runtime.host.sparse_file import first_data

#: bytes; a longer line is split
LONGEST_LINE = 1 << 20
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Line(NamedTuple):
    """A line of a log, and the latest Unix time at which the line can have been written."""

    time: float
    service: str
    text: str


def merged(folder: Path, services: Mapping[str, int | None], since: float = 0.0) -> Iterator[Line]:
    """Yield the lines of several services since a time, sorted by time.

    `services` maps each service to the byte up to which its log is read; None means the end of the log.
    """
    logs = (lines(folder, name, since, until) for name, until in services.items())
    return heapq.merge(*logs, key=lambda line: line.time)


def lines(folder: Path, service: str, since: float = 0.0, until: int | None = None) -> Iterator[Line]:
    """Yield the lines of one service from the rotated log, and from the current log up to byte `until`."""
    for suffix in (".1", ""):
        log, index = folder / f"{service}.log{suffix}", folder / f"{service}.index{suffix}"
        try:
            last = log.stat().st_mtime
            file = log.open("rb")
        except OSError:
            continue
        with file:
            times, ends = _index_entries(index)
            file.seek(first_data(file.fileno()))  # a log above its limit has a hole at its beginning
            before = bisect.bisect_left(times, since)
            if before:  # a length in the index can be inside a line that began before `since`
                file.seek(max(ends[before - 1] - 1, file.tell()))
                file.readline()
            offset = file.tell()
            # A service may write faster than this function reads.
            end = os.fstat(file.fileno()).st_size if until is None or suffix else until
            while raw := file.readline(LONGEST_LINE):
                # The beginning of the log may have become a hole since then.
                if raw.startswith(b"\0") and (start := first_data(file.fileno(), offset)) > offset:
                    offset = file.seek(start)
                    continue
                offset += len(raw)
                if offset > end:
                    break
                index_entry = bisect.bisect_left(ends, offset)
                written = times[index_entry] if index_entry < len(times) else last
                if written >= since:
                    yield Line(written, service, raw.decode(errors="replace").rstrip("\r\n"))


def _index_entries(index: Path) -> tuple[list[float], list[int]]:
    """Return the times in the index of a log, and the length of the log in bytes at each of these times."""
    times, ends = [], []
    try:
        text = index.read_text(encoding="ascii")
    except OSError:
        return [], []
    for line in text.splitlines():
        moment_text, _, end = line.partition(" ")
        if end.isdigit():  # the last line can be incomplete
            times.append(float(moment_text))
            ends.append(int(end))
    return times, ends


def moment(text: str, now: float | None = None) -> float:
    """Return the Unix time that a text describes, for the option `--since`.

    The text is a duration before now (`30s`, `5m`, `2h`, `1d`), a time of day, or a date and time. Raises
    `ValueError` for any other text.
    """
    now = time.time() if now is None else now
    if span := _SPAN.fullmatch(text.strip()):
        return now - float(span[1]) * _UNITS[span[2]]
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        hour, _, rest = text.partition(":")
        today = datetime.fromtimestamp(now).astimezone().date().isoformat()
        return datetime.fromisoformat(f"{today}T{hour:0>2}:{rest}").timestamp()
    return datetime.fromisoformat(text).timestamp()


def services_with_logs(folder: Path) -> list[str]:
    """Return the services that have a log; the log of the supervisor is omitted."""
    return sorted(path.stem for path in folder.glob("*.log") if path.stem != "supervisor")
