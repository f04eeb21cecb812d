"""Where values come from, laid over each other: the first layer that has a key wins."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra_runtime.config.stack_file import Key
from infra_runtime.messages import MASK

#: tables that are one value: a part of one and a part of another would make a third that nobody wrote
WHOLE = frozenset({"ready", "route"})
_SECRET = re.compile(r"passw|secret|token|credential|(?:^|_)key(?:$|_)", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A value as it may be shown, secrets masked, and where it came from."""

    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values of one source, and how that source calls the place of a key."""

    values: Mapping[str, Any]
    where: Callable[[Key], str]


@dataclass(slots=True)
class Merged:
    """All layers in one table, and the place of each of its leaves."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, str] = field(default_factory=dict)

    def place(self, key: Key) -> str:
        """Where the key, or the nearest one around it, or the first one below it came from."""
        below = [place for known, place in self.places.items() if known[: len(key)] == key]
        if below:
            return below[0]
        return self.place(key[:-1]) if key else ""

    def exact(self, key: Key) -> str:
        """Where this very key came from, or a value that it is a part of; empty where nobody gave it."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.places:
                whole = (
                    end == len(key) or key[end - 1] in WHOLE or not isinstance(self._value(key[:end]), dict)
                )
                return self.places[key[:end]] if whole else ""
        return ""

    def _value(self, key: Key) -> object:
        value: Any = self.values
        for part in key:
            value = value[part]
        return value


def merge(layers: Sequence[Layer]) -> Merged:
    """Lay them over each other; the first is the strongest.

    In the result tables are sorted by name, behind the other values: their order in a file means nothing.
    """
    merged = Merged()
    for layer in reversed(layers):
        _lay(merged, merged.values, layer.values, (), layer.where)
    merged.values = _sorted_tables(merged.values)
    return merged


def _sorted_tables(values: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    tables = {name: value for name, value in sorted(values.items()) if name not in plain}
    return plain | {name: _sorted_tables(table) for name, table in tables.items()}


def _lay(
    merged: Merged, target: dict[str, Any], values: Mapping[str, Any], key: Key, where: Callable[[Key], str]
) -> None:
    for name, value in values.items():
        path = (*key, name)
        if isinstance(value, Mapping) and name not in WHOLE:
            if not isinstance(target.get(name), dict):
                target[name] = {}
                merged.places[path] = where(path)
            _lay(merged, target[name], value, path, where)
        else:
            for known in [known for known in merged.places if known[: len(path)] == path]:
                del merged.places[known]
            target[name] = value
            merged.places[path] = where(path)


def leaves(values: Mapping[str, Any], key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every value that is no table, with its key."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value and name not in WHOLE:
            yield from leaves(value, (*key, name))
        else:
            yield (*key, name), value


def shown(key: Key, value: object) -> str:
    """The value as text, with nothing in it that should be nobody's."""
    if _SECRET.search(key[-1]) and isinstance(value, str) and not re.fullmatch(r"\$\{[^}]*\}", value):
        return MASK
    text = json.dumps(value, default=str, ensure_ascii=False)
    return _USERINFO.sub(rf"\1:{MASK}@", text)
