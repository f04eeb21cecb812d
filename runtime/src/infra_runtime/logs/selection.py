"""Select log lines of files or of the stream, by time, level, correlation id, fields and pattern."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

from infra_runtime.logs.condition import Condition
from infra_runtime.logs.line import Line
from infra_runtime.logs.record import Record, at_least, parse
from infra_runtime.value import frozen

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
#: the largest number of continuation lines of a message that are kept in memory while lines are read
#: backwards
_LONGEST_MESSAGE = 1000
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Pattern(Protocol):
    """A compiled regular expression: a pattern of the module `re`, or a `LinearPattern`."""

    def search(self, string: str, /) -> object | None:
        """Return None if no part of the string matches, and otherwise an object that is not None."""


class Entry(NamedTuple):
    """A selected line with its content. A continuation line of a message has the level of the message."""

    line: Line
    record: Record


@frozen
class Selection:
    """The conditions that a line must fulfil; the default conditions select all lines."""

    #: Unix times, inclusive
    since: float = 0.0
    until: float = float("inf")
    #: the lowest selected level; if it is set, lines without a level are not selected
    level: Level | None = None
    #: an id that the line must contain; a line in the format `text` is also selected if it contains the id as
    #: a word
    correlation: str = ""
    #: the patterns that must all match a part of the text of the line
    patterns: tuple[Pattern, ...] = ()
    #: the patterns that must not match any part of the text of the line
    excluded: tuple[Pattern, ...] = ()
    #: The conditions for the fields of the message. For each name, the message must fulfil at least one of
    #: the conditions that require a value, and all conditions that exclude a value.
    conditions: tuple[Condition, ...] = ()

    @property
    def _is_by_message(self) -> bool:
        """Whether the first line of a message determines if its other lines are selected."""
        return bool(self.level or self.correlation or self.conditions)

    def lines(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield the selected lines without their parsed content; lines are parsed only if it is necessary."""
        if self._is_by_message:
            return (entry.line for entry in self.entries(lines))
        return (line for line in lines if self._contains(line))

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Yield the selected lines.

        If a message is selected because of its level, id or fields, those of its continuation lines, such as
        a traceback, are also selected that match the times and patterns.
        """
        last_messages: dict[str, tuple[str, bool]] = {}
        for line in lines:
            record = parse(line.text)
            if record.continues:
                level, is_selected = last_messages.get(line.service, ("", not self._is_by_message))
                record = record._replace(level=level)
            else:
                is_selected = self._selects(line, record)
                last_messages[line.service] = record.level, is_selected
            if is_selected and self._contains(line):
                yield Entry(line, record)

    def entries_before(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Yield the selected lines of `lines`, whose newest line is first."""
        continuation_lines: dict[str, list[tuple[Line, Record]]] = {}
        for line in lines:
            record = parse(line.text)
            later_lines = continuation_lines.setdefault(line.service, [])
            later_lines.append((line, record))
            if record.continues and len(later_lines) < _LONGEST_MESSAGE:
                continue
            del continuation_lines[line.service]
            if self._selects(line, record):
                for later_line, content in later_lines:
                    if self._contains(later_line):
                        yield Entry(later_line, content._replace(level=record.level))
        if not self._is_by_message:  # the first lines of the messages were dropped
            for later_lines in continuation_lines.values():
                yield from (
                    Entry(later_line, content)
                    for later_line, content in later_lines
                    if self._contains(later_line)
                )

    def _selects(self, line: Line, record: Record) -> bool:
        if self.conditions and not self._fulfils(line, record):
            return False
        if self.level and record.level not in at_least(self.level):
            return False
        return not self.correlation or self.correlation in record.ids or (
            record.format == "text" and _has_word(record.message, self.correlation)
        )  # fmt: skip

    def _fulfils(self, line: Line, record: Record) -> bool:
        is_fulfilled: dict[str, bool] = {}
        for condition in self.conditions:
            is_selected = condition.selects(line.text, record)
            if condition.is_excluded:
                if not is_selected:
                    return False
            else:
                is_fulfilled[condition.name] = is_fulfilled.get(condition.name, False) or is_selected
        return all(is_fulfilled.values())

    def _contains(self, line: Line) -> bool:
        if not self.since <= line.time <= self.until:
            return False
        return all(pattern.search(line.text) is not None for pattern in self.patterns) and not any(
            pattern.search(line.text) is not None for pattern in self.excluded
        )


def _has_word(text: str, word: str) -> bool:
    """Return whether a string contains `word`, but not as a part of a longer word."""
    return word in text and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def moment(text: str, now: float | None = None) -> float:
    """Return the Unix time that a string describes, for the options `--since` and `--until`.

    The string is a duration before `now` (`30s`, `5m`, `2h`, `1d`), a time of today, or a date and time.
    Raises `ValueError` for any other string.
    """
    now = time.time() if now is None else now
    if span := _SPAN.fullmatch(text.strip()):
        return now - float(span[1]) * _UNITS[span[2]]
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        hour, _, rest = text.partition(":")
        today = datetime.fromtimestamp(now).astimezone().date().isoformat()
        return datetime.fromisoformat(f"{today}T{hour:0>2}:{rest}").timestamp()
    return datetime.fromisoformat(text).timestamp()
