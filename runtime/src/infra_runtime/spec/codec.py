"""Convert specs to JSON data and back; each JSON object contains the name of its class."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from infra_runtime.value import fields_of

#: the key of an object's class name; it is not an identifier, so no field has this name
TYPE = "$type"
#: the class name of a user's table that contains the key `TYPE`
_TABLE = "Table"


def encode(value: object) -> Any:
    """Return a spec, or a part of a spec, as JSON data; the key `$type` of each object is its class name."""
    if is_dataclass(value):
        encoded = {attribute.name: encode(getattr(value, attribute.name)) for attribute in fields_of(value)}
        return {TYPE: type(value).__name__, **encoded}
    if isinstance(value, Mapping):
        table = {key: encode(inner) for key, inner in value.items()}
        return {TYPE: _TABLE, "rows": [[*row] for row in sorted(table.items())]} if TYPE in table else table
    if isinstance(value, tuple | list):
        return [encode(inner) for inner in value]
    return int(value) if isinstance(value, signal.Signals) else value


def decode(data: Any, types: Mapping[str, type]) -> Any:
    """Return the value that `encode` converted; `types` maps the names of the allowed classes to classes.

    Raises `KeyError` or `TypeError` for data that `encode` did not write.
    """
    if isinstance(data, dict):
        inner = {key: decode(value, types) for key, value in data.items()}
        if inner.get(TYPE) == _TABLE:
            return dict(inner["rows"])
        return types[inner.pop(TYPE)](**inner) if TYPE in inner else inner
    if isinstance(data, list):
        return tuple(decode(value, types) for value in data)
    return data
