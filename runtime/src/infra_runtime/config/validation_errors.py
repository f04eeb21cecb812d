"""Pydantic's findings in a user's words: the place, what is wrong, what is allowed, the nearest name."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from infra_runtime.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from infra_runtime.config.stack_file import Key


def complaint(
    error: ValidationError, model: type[BaseModel], prefix: Key, place: Callable[[Key], str]
) -> ConfigurationError:
    """One error that tells all findings; `place` says where a key came from."""
    lines = []
    for found in error.errors(include_url=False, include_input=True):
        key = tuple(str(part) for part in found["loc"])
        lines.append((place((*prefix, *key)), f"{_dotted((*prefix, *key))}: {_said(found, model, key)}"))
    (where, message), *others = dict.fromkeys(lines)
    return ConfigurationError("\n".join([message, *(f"{there}: {it}" for there, it in others)]), where=where)


def unknown_key(name: str, known: Iterable[str]) -> str:
    """What to say of a key that is none of `known`."""
    known = sorted(known)
    meant = nearest(name, known)
    allowed = "" if "there are" in meant else f" (allowed: {', '.join(known)})"
    return f"unknown key {name!r}{meant}{allowed}"


def _dotted(key: Key) -> str:
    return ".".join(key)


def _said(found: ErrorDetails, model: type[BaseModel], key: Key) -> str:
    match found["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return unknown_key(key[-1], _fields(model, key[:-1]))
        case "missing":
            return "is missing"
        case "value_error":
            return str(found.get("ctx", {}).get("error", found["msg"]))
        case "tuple_type" | "list_type":
            return "input should be a list"
        case "dict_type" | "model_type" | "mapping_type" | "dataclass_type":
            return "input should be a table"
        case _:
            given = found["input"]
            what = f", not {given!r}" if isinstance(given, str | int | float) else ""
            return f"{found['msg'][0].lower()}{found['msg'][1:]}{what}"


def _fields(model: type, key: Key) -> Iterable[str]:
    """The fields of the model or dataclass that stands at `key` inside `model`."""
    for part in key:
        annotation = _annotations(model).get(part)
        model = _model_in(annotation) or model
    return _annotations(model)


def _annotations(model: Any) -> Mapping[str, Any]:
    """Field → its type."""
    if issubclass(model, BaseModel):
        return {name: field.annotation for name, field in model.model_fields.items()}
    return {field.name: field.type for field in fields(model)}


def _model_in(annotation: Any) -> type | None:
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation)):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, tuple):
        for inner in get_args(annotation):
            if model := _model_in(inner):
                return model
    return None
