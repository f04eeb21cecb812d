"""The lines of several logs in the order of time, filtered: the pages and the stream of the log view."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path

from infra_runtime.dashboard import log_files
from infra_runtime.dashboard.log_files import Line, Position
from infra_runtime.dashboard.log_level import LEVELS, is_at_least
from infra_runtime.value import frozen

#: lines of a page, if the request has no number, and at most
LINES, MOST_LINES = 300, 1000
#: seconds between two looks at the sizes of the logs, and between two comments that keep a stream open
INTERVAL, KEEP_OPEN = 0.1, 15.0


class LogQueryError(ValueError):
    """The error that a parameter of a request for lines is not valid."""


@frozen
class Query:
    """The filter of a log view."""

    #: empty: all services
    services: tuple[str, ...] = ()
    #: the smallest level; empty: all lines
    level: str = ""
    #: the text that each line contains, without regard to case
    text: str = ""

    def matches(self, line: Line) -> bool:
        """Return whether a line is shown."""
        return is_at_least(line.level, self.level) and self.text.lower() in line.text.lower()

    def __post_init__(self) -> None:
        if self.level and self.level not in LEVELS:
            raise LogQueryError(f"the level is one of {', '.join(LEVELS)}, not {self.level!r}")


@frozen
class View:
    """Lines of several logs, the oldest first, and the cursors before and after them."""

    lines: tuple[Line, ...]
    first: str
    last: str
    has_earlier: bool = False
    #: bytes that a stream has left out, because they arrived faster than they are shown
    skipped: int = 0

    def to_json(self) -> dict[str, object]:
        """Return the view as JSON data."""
        return {
            "items": [line_to_json(line) for line in self.lines],
            "first": self.first,
            "last": self.last,
            "has_earlier": self.has_earlier,
            "skipped": self.skipped,
        }


def line_to_json(line: Line) -> dict[str, object]:
    """Return a line as JSON data."""
    return {
        "service": line.service,
        "offset": line.start,
        "time": line.time,
        "level": line.level,
        "text": line.text,
        "cut": line.is_cut,
    }


def known_services(folder: Path) -> list[str]:
    """Return the services that have a log."""
    return sorted(path.stem for path in folder.glob("*.log"))


def page(folder: Path, query: Query, cursor: str = "", count: int = LINES) -> View:
    """Return the newest `count` lines before a cursor; without a cursor, the newest lines of all.

    Raises `LogQueryError` for a cursor that is not valid.
    """
    positions = parse_cursor(cursor)
    names = _selected(folder, query)
    pages = {
        name: log_files.before(folder, name, positions.get(name), count, query.matches) for name in names
    }
    merged = [*heapq.merge(*(each.lines for each in pages.values()), key=lambda line: line.time)]
    kept = merged[-count:]
    earliest: dict[str, int] = {}
    for line in kept:
        earliest.setdefault(line.service, line.start)
    dropped = {line.service for line in merged[: len(merged) - len(kept)]}
    first = {
        name: Position(each.first.inode, earliest.get(name, each.lines[-1].end))
        if name in dropped
        else each.first
        for name, each in pages.items()
    }
    return View(
        lines=tuple(kept),
        first=make_cursor(first),
        last=make_cursor({name: each.last for name, each in pages.items()}),
        has_earlier=bool(dropped) or any(each.has_earlier for each in pages.values()),
    )


async def follow(folder: Path, query: Query, cursor: str) -> AsyncGenerator[View, None]:
    """Yield the new lines after a cursor, and an empty view at intervals so that a stream stays open.

    Without a cursor, the stream begins at the ends of the logs. A log that appears later is read from its
    beginning.
    """
    positions = parse_cursor(cursor)
    if not cursor:
        positions = {name: log_files.end(folder, name) for name in _selected(folder, query)}
    idle = 0.0
    while True:
        grown = [name for name in _selected(folder, query) if _has_grown(folder, name, positions.get(name))]
        if grown:
            lines, skipped = await asyncio.to_thread(_advance, folder, query, grown, positions)
            if lines or skipped:
                idle = 0.0
                yield View(lines=tuple(lines), first="", last=make_cursor(positions), skipped=skipped)
        await asyncio.sleep(INTERVAL)
        idle += INTERVAL
        if idle >= KEEP_OPEN:
            idle = 0.0
            yield View(lines=(), first="", last=make_cursor(positions))


def _advance(
    folder: Path, query: Query, names: Iterable[str], positions: dict[str, Position]
) -> tuple[list[Line], int]:
    """Read the new lines of these logs, and move their positions; return lines and skipped bytes."""
    found: list[tuple[Line, ...]] = []
    skipped = 0
    for name in names:
        new = log_files.following(folder, name, positions.get(name, Position(0, 0)))
        positions[name] = new.last
        skipped += new.skipped
        found.append(tuple(filter(query.matches, new.lines)))
    lines = [*heapq.merge(*found, key=lambda line: line.time)]
    return lines[-MOST_LINES:], skipped + sum(line.end - line.start for line in lines[:-MOST_LINES])


def _has_grown(folder: Path, name: str, position: Position | None) -> bool:
    try:
        status = (folder / f"{name}.log").stat()
    except OSError:
        return False
    return position is None or (status.st_ino, status.st_size) != position


def _selected(folder: Path, query: Query) -> list[str]:
    known = known_services(folder)
    return [name for name in known if name in query.services] if query.services else known


# --- cursors ---------------------------------------------------------------------------------------


def make_cursor(positions: Mapping[str, Position]) -> str:
    """Return the text of positions in several logs: `NAME:INODE:OFFSET,…`."""
    return ",".join(f"{name}:{place.inode}:{place.offset}" for name, place in sorted(positions.items()))


def parse_cursor(text: str) -> dict[str, Position]:
    """Return the positions in a cursor. Raises `LogQueryError`."""
    positions = {}
    for part in filter(None, text.split(",")):
        name, *numbers = part.split(":")
        if len(numbers) != 2 or not all(_is_number(number) for number in numbers):
            raise LogQueryError(f"{part[:80]!r} is not a position in a log")
        positions[name] = Position(int(numbers[0]), int(numbers[1]))
    return positions


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
