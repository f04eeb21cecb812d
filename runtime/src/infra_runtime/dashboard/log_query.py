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

#: the largest number of conditions in a filter, and of characters in a condition
CONDITIONS, LONGEST_CONDITION = 50, 500
#: the names of conditions that do not refer to a field of a message
_NOT_FIELDS = ("service", "text")


@frozen
class Query:
    """The filter for log lines in a request; a field that is empty does not restrict the lines."""

    #: the names of the services; empty: all services
    services: tuple[str, ...] = ()
    #: the lowest level of the selected messages
    level: str = ""
    #: a text that each line contains, in upper or lower case
    text: str = ""
    #: a regular expression that matches a part of each line (`LinearPattern`)
    grep: str = ""
    #: a correlation id that the line contains
    correlation: str = ""
    #: Conditions `NAME=VALUE`: `include` selects lines with this value, `exclude` leaves out lines with this
    #: value. NAME is a field of the message, or `service`, `level` or `text` (a text that the line contains).
    #: If `include` has several values of one NAME, one of them is enough; of `text`, all must occur.
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    #: the first and the last time, each as a time or as a duration before the present time (`15m`)
    since: str = ""
    until: str = ""
    #: the start and the end of the selected run, in Unix seconds
    began: float = 0.0
    ended: float = math.inf

    def __post_init__(self) -> None:
        """Check the filter. Raises `ParameterError` if a string is not valid."""
        self.selection()

    def selection(self) -> Selection:
        """Return the filter as a `Selection`, with durations converted to times. Raises `ParameterError`."""
        if self.level and self.level not in LEVELS:
            raise ParameterError(f"the level must be one of {', '.join(LEVELS)}, not {self.level[:80]!r}")
        if len(self.include) + len(self.exclude) > CONDITIONS:
            raise ParameterError(f"`include` and `exclude` together have at most {CONDITIONS} values")
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
        """Return the names in `services` whose lines the filter selects."""
        included_names = {*self.services, *_named("service", self.include)}
        excluded_names = {*_named("service", self.exclude)}
        return [
            name
            for name in services
            if name not in excluded_names and (not included_names or name in included_names)
        ]

    def _patterns(self) -> Iterator[Pattern]:
        if self.text:
            yield _Text(self.text)
        if self.grep:
            try:
                yield LinearPattern(self.grep)
            except PatternError as error:
                raise ParameterError(
                    f"`grep` is not a valid or supported regular expression: {error}"
                ) from None


class _Text:
    """A pattern that matches each line that contains a text, in upper or lower case.

    The module `re` would compare the text at each position of a line; for long texts, this would take
    seconds.
    """

    def __init__(self, text: str) -> None:
        self._text = text.lower()

    def search(self, string: str, /) -> object | None:
        """Return True if the line contains the text, and otherwise None (like `re.Pattern.search`)."""
        return True if self._text in string.lower() else None


def _conditions(name: str, texts: Iterable[str]) -> list[Condition]:
    """Return the conditions in the values of the parameter `name`. Raises `ParameterError`."""
    try:
        conditions = [Condition.parse(text, is_excluded=name == "exclude") for text in texts]
    except ValueError as error:
        raise ParameterError(f"`{name}`: {error}") from None
    if any(len(condition.name) + len(condition.value) > LONGEST_CONDITION for condition in conditions):
        raise ParameterError(f"each value of `{name}` can have at most {LONGEST_CONDITION} characters")
    return conditions


def _texts(conditions: Iterable[Condition]) -> Iterator[Pattern]:
    """Yield a pattern for each condition with the name `text`."""
    for condition in conditions:
        if condition.name == "text":
            yield _Text(condition.value)


def _named(name: str, texts: Iterable[str]) -> Iterator[str]:
    """Yield the values of the conditions `NAME=VALUE` whose name is `name`."""
    for text in texts:
        if text.startswith(f"{name}="):
            yield text.removeprefix(f"{name}=")
