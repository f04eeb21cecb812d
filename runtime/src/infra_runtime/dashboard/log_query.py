"""The filter of log lines in the parameters of a request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import cast

from infra_runtime.dashboard.parameters import ParameterError, time_of
from infra_runtime.logs.condition import Condition
from infra_runtime.logs.linear_pattern import LinearPattern, PatternError
from infra_runtime.logs.record import LEVELS
from infra_runtime.logs.selection import Level, Pattern, Selection
from infra_runtime.value import frozen

#: conditions of a filter, and characters of one of them, at most
CONDITIONS, LONGEST_CONDITION = 50, 500
#: names of conditions that are not fields of a message
_NOT_FIELDS = ("service", "text")


@frozen
class Query:
    """The filter of a log view, as a request contains it; empty texts select all lines."""

    #: empty: all services
    services: tuple[str, ...] = ()
    #: the least important level
    level: str = ""
    #: the text that each line contains, without regard to case
    text: str = ""
    #: a regular expression that a part of each line matches (`LinearPattern`)
    grep: str = ""
    #: one of the ids of the line
    correlation: str = ""
    #: `NAME=VALUE`: a field that the message has, or does not have; the names `service`, `level` and `text`
    #: are the name of the service, the level, and a text that the line contains
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    #: times, or durations before now (`15m`)
    since: str = ""
    until: str = ""
    #: the Unix times between which the lines of the selected run were written
    began: float = 0.0
    ended: float = math.inf

    def __post_init__(self) -> None:
        """Raise `ParameterError` for a text that is not valid."""
        self.selection()

    def selection(self) -> Selection:
        """Return the conditions for lines; a duration ends now."""
        if self.level and self.level not in LEVELS:
            raise ParameterError(f"the level must be one of {', '.join(LEVELS)}, not {self.level[:80]!r}")
        if len(self.include) + len(self.exclude) > CONDITIONS:
            raise ParameterError(f"`include` and `exclude` have at most {CONDITIONS} values")
        included, excluded = _conditions("include", self.include), _conditions("exclude", self.exclude)
        return Selection(
            since=max(time_of("since", self.since, 0.0), self.began),
            until=min(time_of("until", self.until, math.inf), self.ended),
            level=cast("Level", self.level) if self.level else None,
            correlation=self.correlation,
            patterns=(*self._patterns(), *_texts(included)),
            excluded=tuple(_texts(excluded)),
            conditions=tuple(
                condition for condition in (*included, *excluded) if condition.name not in _NOT_FIELDS
            ),
        )

    def selected(self, services: Iterable[str]) -> list[str]:
        """Return those of the services whose lines are selected."""
        wanted = {*self.services, *_named("service", self.include)}
        unwanted = {*_named("service", self.exclude)}
        return [name for name in services if name not in unwanted and (not wanted or name in wanted)]

    def _patterns(self) -> Iterator[Pattern]:
        if self.text:
            yield _Text(self.text)
        if self.grep:
            try:
                yield LinearPattern(self.grep)
            except PatternError as error:
                raise ParameterError(
                    f"`grep` is not a regular expression that can be used here: {error}"
                ) from None


class _Text:
    """A text that a line contains, in upper or lower case.

    `re` would compare the text at each position of a line, which takes seconds for a long text and line.
    """

    def __init__(self, text: str) -> None:
        self._text = text.lower()

    def search(self, string: str, /) -> object | None:
        """Return None if the line does not contain the text."""
        return True if self._text in string.lower() else None


def _conditions(name: str, texts: Iterable[str]) -> list[Condition]:
    """Return the conditions in a parameter. Raises `ParameterError`."""
    try:
        conditions = [Condition.parse(text, is_excluded=name == "exclude") for text in texts]
    except ValueError as error:
        raise ParameterError(f"`{name}`: {error}") from None
    if any(len(condition.name) + len(condition.value) > LONGEST_CONDITION for condition in conditions):
        raise ParameterError(f"`{name}` can have at most {LONGEST_CONDITION} characters")
    return conditions


def _texts(conditions: Iterable[Condition]) -> Iterator[Pattern]:
    """Yield the patterns of the conditions for the text of a line."""
    for condition in conditions:
        if condition.name == "text":
            yield _Text(condition.value)


def _named(name: str, texts: Iterable[str]) -> Iterator[str]:
    """Yield the values of the conditions with a name."""
    for text in texts:
        if text.startswith(f"{name}="):
            yield text.removeprefix(f"{name}=")
