"""Convert specs to JSON data and back; the JSON object of a dataclass contains the name of its class."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from infra_runtime.value import fields_of

#: the key of an object's class name; it is not an identifier, so no field has this name
TYPE = "$type"
#: the class name that is written for a dictionary of a user that itself contains the key `TYPE`
_TABLE = "Table"


def encode(value: object) -> Any:
    """Return a spec, or a part of a spec, as JSON data; the key `$type` of a dataclass is its class name."""
    if is_dataclass(value):
        encoded = {attribute.name: encode(getattr(value, attribute.name)) for attribute in fields_of(value)}
        return {TYPE: type(value).__name__, **encoded}
    if isinstance(value, Mapping):
        encoded_items = {key: encode(item) for key, item in value.items()}
        return (
            {TYPE: _TABLE, "rows": [[*row] for row in sorted(encoded_items.items())]}
            if TYPE in encoded_items
            else encoded_items
        )
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return int(value) if isinstance(value, signal.Signals) else value


def decode(data: Any, types: Mapping[str, type]) -> Any:
    """Return the value that `encode` converted; `types` maps the name of each allowed class to the class.

    Raises `KeyError`, `TypeError` or `ValueError` if the data are not a result of `encode`.
    """
    if isinstance(data, dict):
        fields = {key: decode(value, types) for key, value in data.items()}
        if fields.get(TYPE) == _TABLE:
            return dict(fields["rows"])
        return types[fields.pop(TYPE)](**fields) if TYPE in fields else fields
    if isinstance(data, list):
        return tuple(decode(value, types) for value in data)
    return data
