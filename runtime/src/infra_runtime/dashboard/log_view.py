"""The log lines of several services, filtered and sorted by time, for the pages and streams of the log view.

A cursor is a string with a position in each log: `SERVICE:FILE:OFFSET,…`. The log was read up to this
position. FILE identifies the file, and OFFSET is in bytes.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from infra_runtime.dashboard.log_query import Query
from infra_runtime.dashboard.log_states import states_of
from infra_runtime.dashboard.parameters import ParameterError
from infra_runtime.logs.files import SUFFIXES, LogFile, services_with_logs
from infra_runtime.logs.index import NO_TIMES
from infra_runtime.logs.line import Line, position
from infra_runtime.logs.record import parse
from infra_runtime.logs.selection import Entry, Selection
from infra_runtime.value import frozen

#: the default and the largest number of lines on a page
LINES, MOST_LINES = 300, 1000
#: the largest number of characters of a line on a page; a longer line is cut
LONGEST_TEXT = 16_384
#: the number of bytes of each log after which the search of one request ends; twice as much within a message
SCANNED = 8 << 20
#: the largest number of new bytes of each log that one step of a stream sends; earlier new lines are skipped
FOLLOWED = 256 * 1024
#: the seconds between two checks of the sizes of the logs, and between two comments that keep a stream open
INTERVAL, KEEP_OPEN = 0.1, 15.0


class Place(NamedTuple):
    """A position in a log: the identity of the file, and an offset in bytes."""

    file: str
    offset: int


@frozen
class View:
    """Lines of several logs, oldest first; `first` is the cursor before them, `last` the one after them."""

    lines: tuple[Entry, ...]
    first: str
    last: str
    has_earlier: bool = False
    #: the number of bytes that a stream has skipped, because the logs grow faster than the stream sends lines
    skipped: int = 0

    def to_json(self) -> dict[str, object]:
        """Return the view as JSON data."""
        return {
            "items": [line_to_json(entry) for entry in self.lines],
            "first": self.first,
            "last": self.last,
            "has_earlier": self.has_earlier,
            "skipped": self.skipped,
        }


def line_to_json(entry: Entry) -> dict[str, object]:
    """Return a log line with its level as JSON data."""
    line, record = entry
    return {
        "service": line.service,
        "offset": line.offset,
        "time": line.time,
        "level": record.level,
        "continues": record.continues,
        "text": line.text[:LONGEST_TEXT],
        "cut": len(line.text) > LONGEST_TEXT,
    }


# --- pages -----------------------------------------------------------------------------------------


def page(
    folder: Path, query: Query, cursor: str = "", count: int = LINES, *, most_bytes: int = SCANNED
) -> View:
    """Return the newest `count` lines before a cursor; without a cursor, the newest `count` lines.

    At most about `most_bytes` bytes of each log are read.

    Raises `ParameterError` for a cursor or a filter that is not valid.
    """
    places, selection = parse_cursor(cursor), query.selection()
    searches = {
        name: _Search(folder, name, places.get(name), most_bytes) for name in _selected(folder, query)
    }
    entries = (search.entries(selection) for search in searches.values())
    merged = heapq.merge(*entries, key=lambda entry: entry.line.time, reverse=True)
    lines = [*itertools.islice(merged, count + 1)]
    page_lines = lines[:count]
    for entry in page_lines:
        searches[entry.line.service].shown = Place(entry.line.file, entry.line.offset)
    return View(
        lines=tuple(reversed(page_lines)),
        first=make_cursor({name: search.first for name, search in searches.items()}),
        last=make_cursor({name: search.start for name, search in searches.items()}),
        has_earlier=len(lines) > count or any(search.is_limited for search in searches.values()),
    )


class _Search:
    """The search for lines of one log, backwards from `end`; if `end` is None, from the end of the log."""

    def __init__(self, folder: Path, service: str, end: Place | None, most_bytes: int) -> None:
        self._folder, self._service, self._most = folder, service, most_bytes
        #: the place where the search starts; None if the service has no current log
        self.start = end or _end(folder, service)
        #: the places of the earliest line that was read, and of the earliest line that the page shows
        self._reached, self.shown = self.start, self.start
        self._is_complete = False
        #: whether the search has ended because of `most_bytes`
        self.is_limited = False

    @property
    def first(self) -> Place | None:
        """The place before which the next search continues."""
        return self._reached if self._is_complete else self.shown

    def entries(self, selection: Selection) -> Iterator[Entry]:
        """Yield the selected lines, the newest first."""
        yield from selection.entries_before(self._lines(selection))
        self._is_complete = True

    def _lines(self, selection: Selection) -> Iterator[Line]:
        scanned = 0
        for line in _lines_before(self._folder, self._service, self.start, selection.until):
            if line.time < selection.since:
                return
            yield line
            self._reached = Place(line.file, line.offset)
            scanned += 0 if line.dropped else line.end - line.offset
            # The search ends between two messages, because the level is in the first line of a message.
            if scanned >= self._most and (scanned >= 2 * self._most or not parse(line.text).continues):
                self.is_limited = True
                return


def _lines_before(folder: Path, service: str, place: Place | None, until: float) -> Iterator[Line]:
    """Yield the lines of a log before `place` that were written at or before `until`, the newest first.

    The lines before a truncation by the supervisor come last. If the file of the place was removed, no
    lines are yielded.
    """
    for suffix in reversed(SUFFIXES):
        try:
            log = LogFile(folder, service, suffix)
        except OSError:
            continue
        with log:
            if place and place.file != log.identity:
                continue
            end = log.end(until)
            yield from log.lines_before(min(end, place.offset) if place else end)
            place = None


def _end(folder: Path, service: str) -> Place | None:
    """Return the place after the last complete line of a log; None if the log is missing."""
    try:
        log = LogFile(folder, service, index=NO_TIMES)
    except OSError:
        return None
    with log:
        last_line = next(log.lines_before(), None)
        if last_line is None:
            return Place(log.identity, log.size)
        is_complete = next(log.lines(last_line.offset, last_line.end, complete=True), None) is not None
        return Place(log.identity, last_line.end if is_complete else last_line.offset)


# --- the stream ------------------------------------------------------------------------------------


async def follow(folder: Path, query: Query, cursor: str) -> AsyncGenerator[View, None]:
    """Yield the new lines after a cursor, and an empty view at intervals so that a stream stays open.

    Without a cursor, the stream begins at the ends of the logs. A log that appears later is read from its
    beginning.
    """
    selection = query.selection()
    places: dict[str, Place | None] = {**parse_cursor(cursor)}
    if not cursor:
        places = {name: _end(folder, name) for name in _selected(folder, query)}
    shared = states_of(folder)
    #: service → the inode and the size of its log when it was read
    known_states: Mapping[str, tuple[int, int]] = {}
    idle = 0.0
    while True:
        states = shared.read()
        grown = []
        if states is not known_states:
            changed_names = (name for name in sorted(states) if states[name] != known_states.get(name))
            known_states, grown = states, query.selected(changed_names)
        if grown:
            entries, skipped = await asyncio.to_thread(_advance, folder, selection, grown, places)
            if entries or skipped:
                idle = 0.0
                yield View(lines=tuple(entries), first="", last=make_cursor(places), skipped=skipped)
        await asyncio.sleep(INTERVAL)
        idle += INTERVAL
        if idle >= KEEP_OPEN:
            idle = 0.0
            yield View(lines=(), first="", last=make_cursor(places))


def _advance(
    folder: Path, selection: Selection, names: Iterable[str], places: dict[str, Place | None]
) -> tuple[list[Entry], int]:
    """Read new lines of the logs `names`, and update `places`.

    Return the selected lines and the number of skipped bytes.
    """
    merged: list[list[Entry]] = []
    skipped = 0
    for name in names:
        try:
            log = LogFile(folder, name, index=NO_TIMES)
        except OSError:
            continue
        with log:
            lines, places[name], left_out = _following(log, places.get(name))
        skipped += left_out
        merged.append([*selection.entries(lines)])
    entries = [*heapq.merge(*merged, key=lambda entry: entry.line.time)]
    return entries[-MOST_LINES:], skipped + sum(line.end - line.offset for line, _ in entries[:-MOST_LINES])


def _following(log: LogFile, place: Place | None) -> tuple[list[Line], Place, int]:
    """Return the complete lines of a log after `place`, the place after them, and the count of skipped bytes.

    A new or shorter file is read from its beginning.
    """
    size = log.size
    is_known = place is not None and place.file == log.identity and place.offset <= size
    offset = place.offset if place is not None and is_known else log.start
    skipped = 0
    if size - offset > FOLLOWED:
        partial = next(log.lines(size - FOLLOWED, size), None)
        skipped = partial.end - offset if partial else 0
    lines = [*log.lines(offset + skipped, size, complete=True)]
    return lines, Place(log.identity, lines[-1].end if lines else offset + skipped), skipped


def _selected(folder: Path, query: Query) -> list[str]:
    return query.selected(services_with_logs(folder))


# --- cursors ---------------------------------------------------------------------------------------


def make_cursor(places: Mapping[str, Place | None]) -> str:
    """Return the cursor for places in several logs."""
    return ",".join(
        f"{name}:{place.file}:{place.offset}" for name, place in sorted(places.items()) if place is not None
    )


def parse_cursor(text: str) -> dict[str, Place]:
    """Return a mapping from service to the place in a cursor. Raises `ParameterError`."""
    places = {}
    for position_text in filter(None, text.split(",")):
        name, _, file_and_offset = position_text.partition(":")
        try:
            places[name] = Place(*position(file_and_offset))
        except ValueError:
            raise ParameterError(
                f"{position_text[:80]!r} is not a position SERVICE:FILE:OFFSET in a log"
            ) from None
    return places
