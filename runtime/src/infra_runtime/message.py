"""`Message`: a frozen value that one process sends to another as JSON.

`decode` needs the types of the fields, so a module that defines messages must not have
`from __future__ import annotations`.
"""

import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field
from typing import Any, TypeVar, dataclass_transform

from infra_runtime.spec import ServiceSpec, decode_service
from infra_runtime.spec import encode as encode_spec
from infra_runtime.value import fields_of, frozen

T = TypeVar("T")

_WORDS: dict[object, str] = {
    int: "a whole number", float: "a number", str: "a string", bool: "true or false", types.NoneType: "null",
}  # fmt: skip


class MessageError(ValueError):
    """The error that JSON data do not match the type of a message.

    `field` is the path of the wrong field, such as `a.b[0].c`; empty if the data are not an object.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field, self.problem = field, problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Message:
    """The base class of messages. The annotations of a subclass are the fields of its JSON object.

    A field without a default is required.
    """

    def __init_subclass__(cls) -> None:
        frozen(cls)

    def to_json(self) -> dict[str, Any]:
        """Return this message as a JSON object with the fields in the order of their definition."""
        return {attribute.name: encode(getattr(self, attribute.name)) for attribute in fields_of(self)}


def encode(value: object) -> Any:
    """Convert a message, or the value of a field, to JSON data; scalar values stay as they are."""
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, ServiceSpec):
        return encode_spec(value)
    if isinstance(value, Mapping):
        return {key: encode(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [encode(inner) for inner in value]
    return value


def data_of(text: str) -> Any:
    """Return the data of a JSON document; every string in the result can be encoded as UTF-8.

    A surrogate without its second half, which UTF-8 cannot encode, is replaced by `?`. Raises `ValueError` if
    `text` is not JSON.
    """
    data = json.loads(text)
    if "\\ud" in text or "\\uD" in text:
        data = json.loads(json.dumps(data, ensure_ascii=False).encode(errors="replace"))
    return data


def decode(shape: type[T], data: object) -> T:
    """Convert JSON data to a value of the type `shape`. Fields that this type does not have are ignored.

    Raises `MessageError` with the path of a field that is missing or has the wrong type.
    """
    return typing.cast(T, _decode(shape, data, ""))


def _decode(shape: Any, data: object, path: str) -> object:
    origin = typing.get_origin(shape)
    if origin is not None:
        return _decode_generic(origin, typing.get_args(shape), data, path)
    if shape is object:
        return data
    if shape is float and isinstance(data, int) and not isinstance(data, bool):
        try:
            return float(data)
        except OverflowError:
            raise MessageError(path, "the number is too large") from None
    if shape in _WORDS:
        if not isinstance(data, shape) or (shape is int and isinstance(data, bool)):
            raise MessageError(path, f"must be {_WORDS[shape]}, not {_shown(data)}")
        if shape is float and data != data:  # noqa: PLR0124 - NaN, which Python's JSON module accepts
            raise MessageError(path, "must be a number, not NaN")
        return data
    if issubclass(shape, Message):
        return _decode_message(shape, data, path)
    if issubclass(shape, tuple):  # `Services`, which is a tuple with one type of item
        return shape(_decode_items(vars(shape)["item"], data, path))
    return _converted(decode_service if shape is ServiceSpec else shape, data, path)


def _decode_message(shape: type[Message], data: object, path: str) -> Message:
    table = _table(data, path)
    values = {}
    for attribute in fields_of(shape):
        field_path = f"{path}.{attribute.name}" if path else attribute.name
        if attribute.name in table:
            values[attribute.name] = _decode(attribute.type, table[attribute.name], field_path)
        elif attribute.default is MISSING and attribute.default_factory is MISSING:
            raise MessageError(field_path, "is missing")
    return shape(**values)


def _decode_generic(origin: Any, arguments: tuple[Any, ...], data: object, path: str) -> object:
    if origin is types.UnionType:  # `X | None` is the only union in a message
        return None if data is None else _decode(arguments[0], data, path)
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(_decode_items(arguments[0], data, path))
    if origin is tuple:
        if not isinstance(data, list) or len(data) != len(arguments):
            raise MessageError(path, f"must be a list of {len(arguments)}, not {_shown(data)}")
        pairs = enumerate(zip(arguments, data, strict=True))
        return tuple(_decode(item_type, value, f"{path}[{number}]") for number, (item_type, value) in pairs)
    table = _table(data, path)
    return {
        key: _decode(arguments[1], value, f"{path}.{key}" if path else key) for key, value in table.items()
    }


def _decode_items(shape: Any, data: object, path: str) -> list[object]:
    if not isinstance(data, list):
        raise MessageError(path, f"must be a list, not {_shown(data)}")
    return [_decode(shape, value, f"{path}[{number}]") for number, value in enumerate(data)]


def _table(data: object, path: str) -> dict[str, object]:
    if not isinstance(data, dict):
        raise MessageError(path, f"must be an object, not {_shown(data)}")
    return data


def _converted(convert: Callable[[Any], object], data: object, path: str) -> object:
    try:
        return convert(data)
    except ValueError as error:
        raise MessageError(path, str(error)) from error


def _shown(data: object) -> str:
    text = repr(data)
    return text if len(text) <= 40 else f"{text[:39]}…"
