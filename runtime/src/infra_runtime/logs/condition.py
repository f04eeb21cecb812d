"""Conditions for the fields of log messages: a field must have, or must not have, a given value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra_runtime.logs.record import Record, fields_of
from infra_runtime.value import frozen


@frozen
class Condition:
    """The name of a field of JSON or logfmt, and its value as a string, such as `order.id` and `17`.

    The name `level` is the level of the message in any format. If the value of a field is a list, each item
    of the list counts as a value of the field.
    """

    name: str
    value: str
    #: if true, lines with this value are left out; if false, lines without this value are left out
    is_excluded: bool = False

    @classmethod
    def parse(cls, text: str, *, is_excluded: bool = False) -> Condition:
        """Return the condition in a string `NAME=VALUE`. Raises `ValueError` for other strings."""
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ValueError(f"{text[:80]!r} must be written as NAME=VALUE")
        return cls(name=name, value=value, is_excluded=is_excluded)

    def selects(self, text: str, record: Record) -> bool:
        """Return whether a message is selected; `text` and `record` are the first line of the message."""
        return self._has(text, record) is not self.is_excluded

    def _has(self, text: str, record: Record) -> bool:
        if self.name == "level" and self.value == record.level:
            return True
        if record.format == "text":
            return False
        return any(_is_equal(value, self.value) for value in _values(fields_of(text) or {}, self.name))


def _values(fields: Mapping[str, Any], path: str) -> Iterator[Any]:
    """Yield the values at a path. Dots separate the keys of the path; a key itself can contain dots, too."""
    if path in fields:
        yield from _items(fields[path])
    for key, inner in fields.items():
        if isinstance(inner, Mapping | list) and path.startswith(f"{key}."):
            for item in _items(inner):
                if isinstance(item, Mapping):
                    yield from _values(item, path.removeprefix(f"{key}."))


def _items(value: Any) -> Iterator[Any]:
    waiting = [value]  # a recursion could be too deep, because lists can be nested deeply
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        else:
            yield item


def _is_equal(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    if isinstance(value, bool) or value is None:
        return json.dumps(value) == text
    try:
        # A browser writes large numbers, and numbers such as 1.0, in a different notation.
        return float(value) == float(text)
    except (TypeError, ValueError, OverflowError):
        return False
