"""The lines of several services' logs in the order of their time.

A log has no times of its own: the supervisor notes once a second how long each one is, so a line's time is
right to about a second. Within one log the order is always that of the file.
"""

from __future__ import annotations

import bisect
import heapq
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Line(NamedTuple):
    """A line, and the Unix time by which it was written."""

    time: float
    service: str
    text: str


def merged(folder: Path, services: Mapping[str, int | None], since: float = 0.0) -> Iterator[Line]:
    """The lines of these services up to a byte of each (None: its end), without those from before `since`."""
    several = (lines(folder, name, since, until) for name, until in services.items())
    return heapq.merge(*several, key=lambda line: line.time)


def lines(folder: Path, service: str, since: float = 0.0, until: int | None = None) -> Iterator[Line]:
    """The lines of one service: the rotated file first, then the present one up to the byte `until`."""
    for suffix in (".1", ""):
        log, index = folder / f"{service}.log{suffix}", folder / f"{service}.index{suffix}"
        try:
            last = log.stat().st_mtime
            file = log.open("rb")
        except OSError:
            continue
        with file:
            times, ends = _marks(index)
            before = bisect.bisect_left(times, since)
            if before:  # a mark may stand inside a line, which then began too early
                file.seek(max(ends[before - 1] - 1, 0))
                file.readline()
            offset = file.tell()
            for raw in file:
                offset += len(raw)
                if until is not None and not suffix and offset > until:
                    return
                place = bisect.bisect_left(ends, offset)
                written = times[place] if place < len(times) else last
                if written >= since:
                    yield Line(written, service, raw.decode(errors="replace").rstrip("\r\n"))


def _marks(index: Path) -> tuple[list[float], list[int]]:
    """Times, and the length that the log had at each."""
    times, ends = [], []
    try:
        text = index.read_text(encoding="ascii")
    except OSError:
        return [], []
    for line in text.splitlines():
        when, _, end = line.partition(" ")
        if end.isdigit():  # the last line may be cut
            times.append(float(when))
            ends.append(int(end))
    return times, ends


def moment(text: str, now: float | None = None) -> float:
    """`30s`, `5m`, `2h`, `1d` ago, or a time of day, or a date and time. Raises `ValueError`."""
    now = time.time() if now is None else now
    if span := _SPAN.fullmatch(text.strip()):
        return now - float(span[1]) * _UNITS[span[2]]
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        hour, _, rest = text.partition(":")
        today = datetime.fromtimestamp(now).astimezone().date().isoformat()
        return datetime.fromisoformat(f"{today}T{hour:0>2}:{rest}").timestamp()
    return datetime.fromisoformat(text).timestamp()


def known_services(folder: Path) -> list[str]:
    """Those that have a log; the supervisor's own is not among them."""
    return sorted(path.stem for path in folder.glob("*.log") if path.stem != "supervisor")
