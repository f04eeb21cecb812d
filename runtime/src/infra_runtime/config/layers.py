"""Merge the layers of the configuration: the first layer that contains a key determines its value."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from infra_runtime.config.masking import masked_copy, masked_value
from infra_runtime.config.stack_file import Key
from infra_runtime.redaction import MASK
from infra_runtime.value import frozen

#: tables that are not merged, because keys of different layers could be invalid together: the table of the
#: first layer is used
WHOLE = frozenset({"ready", "route"})


@frozen
class Origin:
    """The value of a setting as text, with secrets masked, and the source that set the value."""

    value: str
    source: str


@frozen
class Layer:
    """The values of one source of settings, and a function that returns the location of a key there."""

    values: Mapping[str, Any]
    where: Callable[[Key], str]


class Merged:
    """The values of all layers in one table, and the location of each value."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.locations: dict[Key, str] = {}

    def location(self, key: Key) -> str:
        """Return the location of a setting, such as `infra.toml:3`.

        If no source sets the key itself, the result is the location of the first key below this key, or of
        the table that contains this key.
        """
        inner_locations = [location for path, location in self.locations.items() if path[: len(key)] == key]
        if inner_locations:
            return inner_locations[0]
        return self.location(key[:-1]) if key else ""

    def exact_location(self, key: Key) -> str:
        """Return the location of a setting, or of the value that contains it; empty if no source sets it."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.locations:
                is_complete_value = (
                    end == len(key) or key[end - 1] in WHOLE or not isinstance(self._value(key[:end]), dict)
                )
                return self.locations[key[:end]] if is_complete_value else ""
        return ""

    def _value(self, key: Key) -> object:
        value: Any = self.values
        for part in key:
            value = value[part]
        return value


def merge(layers: Sequence[Layer]) -> Merged:
    """Merge layers; a value of an earlier layer replaces the value with this key in later layers.

    In the result, tables come after the other values and are sorted by name, because the order of tables in a
    file must not change the plan.
    """
    merged = Merged()
    for layer in reversed(layers):
        _add_layer(merged, merged.values, layer.values, (), layer.where)
    merged.values = _sorted_tables(merged.values)
    return merged


def _sorted_tables(values: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    tables = {name: value for name, value in sorted(values.items()) if name not in plain}
    return plain | {name: _sorted_tables(table) for name, table in tables.items()}


def _add_layer(
    merged: Merged, target: dict[str, Any], values: Mapping[str, Any], key: Key, where: Callable[[Key], str]
) -> None:
    for name, value in values.items():
        path = (*key, name)
        if isinstance(value, Mapping) and name not in WHOLE:
            if not isinstance(target.get(name), dict):
                target[name] = {}
                merged.locations[path] = where(path)
            _add_layer(merged, target[name], value, path, where)
        else:
            for replaced in [key for key in merged.locations if key[: len(path)] == path]:
                del merged.locations[replaced]
            target[name] = value
            merged.locations[path] = where(path)


def leaves(values: Mapping[str, Any], key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield the complete key and the value of every setting in nested tables."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value and name not in WHOLE:
            yield from leaves(value, (*key, name))
        else:
            yield (*key, name), value


def value_text(key: Key, value: object, sensitive: Collection[str] = ()) -> str:
    """Return the value of a setting as text for output, with secrets masked.

    `sensitive` contains names of secrets, in addition to names such as `api_key`.
    """
    if isinstance(value, str) and (masked := masked_value(key[-1], value, sensitive)) == MASK:
        return masked
    return json.dumps(masked_copy({key[-1]: value}, sensitive)[key[-1]], default=str, ensure_ascii=False)
