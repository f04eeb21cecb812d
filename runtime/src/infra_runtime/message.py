"""`Message`: a frozen value with keyword-only fields that crosses a process boundary as JSON.

It is what `dataclass(frozen=True, kw_only=True)` would make, without its price: a dataclass compiles its
methods at import, about 0.5 ms for each class, and the supervisor's whole boot takes 90 ms. Type checkers
treat a message as a dataclass.

The annotations of a message are evaluated when the class is made, so a module that defines messages must not
have `from __future__ import annotations`.
"""

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

from infra_runtime.spec import ServiceSpec, decode_service
from infra_runtime.spec import encode as encode_spec

T = TypeVar("T")

#: the default of a field that is a mapping
EMPTY: Mapping[str, Any] = types.MappingProxyType({})

_WORDS: dict[object, str] = {
    int: "a whole number", float: "a number", str: "a text", bool: "true or false", types.NoneType: "null",
}  # fmt: skip


class MessageError(ValueError):
    """JSON data does not have the shape of a message; `field` is the path of the field, `a.b[0].c`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field, self.problem = field, problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Message:
    """The base of every message. Its fields are its annotations; a field without a default is required."""

    _fields: typing.ClassVar[Mapping[str, Any]] = EMPTY
    _defaults: typing.ClassVar[Mapping[str, Any]] = EMPTY

    def __init_subclass__(cls) -> None:
        own = cls.__annotations__
        cls._fields = {**cls._fields, **own}
        cls._defaults = {**cls._defaults, **{name: vars(cls)[name] for name in own if name in vars(cls)}}

    def __init__(self, **values: Any) -> None:
        cls = type(self)
        values = {**cls._defaults, **values}
        if values.keys() != cls._fields.keys():
            missing, unknown = cls._fields.keys() - values.keys(), values.keys() - cls._fields.keys()
            raise TypeError(f"{cls.__name__}: missing {sorted(missing)}, unknown {sorted(unknown)}")
        vars(self).update({name: values[name] for name in cls._fields})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # a message may have mappings, which have no hash

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the message as plain JSON data, its fields in the order of their definition."""
        return {name: encode(value) for name, value in vars(self).items()}


def encode(value: object) -> Any:
    """Return a message, or a value of one of its fields, as plain JSON data."""
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, ServiceSpec):
        return encode_spec(value)
    if isinstance(value, Mapping):
        return {key: encode(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [encode(inner) for inner in value]
    return value


def decode(shape: type[T], data: object) -> T:
    """Return the message of a type that JSON data has. Fields that the type does not have are ignored.

    Raises `MessageError` with the path of the field that is missing or has the wrong type.
    """
    return typing.cast(T, _decode(shape, data, ""))


def _decode(shape: Any, data: object, path: str) -> object:
    origin = typing.get_origin(shape)
    if origin is not None:
        return _decode_generic(origin, typing.get_args(shape), data, path)
    if shape is object:
        return data
    if shape is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if shape in _WORDS:
        if not isinstance(data, shape) or (shape is int and isinstance(data, bool)):
            raise MessageError(path, f"must be {_WORDS[shape]}, not {_shown(data)}")
        return data
    if issubclass(shape, Message):
        return _decode_message(shape, data, path)
    if issubclass(shape, tuple):  # `Services`, which is a tuple with one type of item
        return shape(_decode_items(vars(shape)["item"], data, path))
    return _converted(decode_service if shape is ServiceSpec else shape, data, path)


def _decode_message(shape: type[Message], data: object, path: str) -> Message:
    table = _table(data, path)
    values = {}
    for name, inner in shape._fields.items():
        place = f"{path}.{name}" if path else name
        if name in table:
            values[name] = _decode(inner, table[name], place)
        elif name not in shape._defaults:  # noqa: SLF001 - the codec is part of the class
            raise MessageError(place, "is missing")
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
        return tuple(_decode(inner, item, f"{path}[{number}]") for number, (inner, item) in pairs)
    table = _table(data, path)
    return {key: _decode(arguments[1], item, f"{path}.{key}" if path else key) for key, item in table.items()}


def _decode_items(shape: Any, data: object, path: str) -> list[object]:
    if not isinstance(data, list):
        raise MessageError(path, f"must be a list, not {_shown(data)}")
    return [_decode(shape, item, f"{path}[{number}]") for number, item in enumerate(data)]


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
