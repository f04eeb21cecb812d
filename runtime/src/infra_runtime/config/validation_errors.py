"""Convert validation errors of pydantic to messages with location, problem and allowed names."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from infra_runtime.errors import ConfigurationError, close_match, nearest
from infra_runtime.redaction import is_secret_name, masked_text

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from infra_runtime.config.stack_file import Key


def configuration_error(
    error: ValidationError, model: type[BaseModel], prefix: Key, location: Callable[[Key], str]
) -> ConfigurationError:
    """Return one error with the messages of all invalid settings that pydantic reports.

    The function `location` returns the location of a key, such as `infra.toml:3`.
    """
    messages = []
    for details in error.errors(include_url=False, include_input=True):
        # pydantic appends `[key]` to the location if a key in a table is invalid, not its value.
        key = tuple(str(part) for part in details["loc"] if part != "[key]")
        full_key = (*prefix, *key)
        messages.append((location(full_key), f"{_dotted(full_key)}: {_message(details, model, key)}"))
    (where, message), *other_messages = dict.fromkeys(messages)
    return ConfigurationError("\n".join([message, *map(": ".join, other_messages)]), where=where)


def unknown_key(name: str, known: Iterable[str]) -> str:
    """Return the error message for an unknown key, with the most similar known key and all allowed keys."""
    known = sorted(known)
    suggestion = nearest(name, known)
    allowed = f" (allowed: {', '.join(known)})" if close_match(name, known) else ""
    return f"unknown key {name!r}{suggestion}{allowed}"


def _dotted(key: Key) -> str:
    return ".".join(key)


def _message(details: ErrorDetails, model: type[BaseModel], key: Key) -> str:
    match details["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return unknown_key(key[-1], _fields(model, key[:-1]))
        case "missing":
            return "is missing"
        case "value_error":
            return str(details.get("ctx", {}).get("error", details["msg"]))
        case "tuple_type" | "list_type":
            return "input should be a list"
        case "dict_type" | "model_type" | "mapping_type" | "dataclass_type":
            return "input should be a table"
        case _:
            input_value = details["input"]
            is_visible = isinstance(input_value, str | int | float) and not is_secret_name(
                key[-1] if key else ""
            )
            suffix = f", not {_short(input_value)}" if is_visible else ""
            return f"{details['msg'][0].lower()}{details['msg'][1:]}{suffix}"


def _short(value: object) -> str:
    text = masked_text(repr(value))
    return text if len(text) <= 60 else f"{text[:59]}…"


def _fields(model: type, key: Key) -> Iterable[str]:
    """Return the names of the fields that the table at `key` can have.

    `model` is the class of the table to which `key` is relative.
    """
    for part in key:
        annotation = _annotations(model).get(part)
        model = _model_in(annotation) or model
    return _annotations(model)


def _annotations(model: Any) -> Mapping[str, Any]:
    """Return a mapping from field name to type for a model or dataclass."""
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
