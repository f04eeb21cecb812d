"""Locations in words: `Pet.owner.name`, `the query parameter limit of GET /pets`."""

from __future__ import annotations

from typing import Any

from infra_openapi.api.endpoint import METHODS
from infra_openapi.document import Element
from infra_openapi.document.pointer import tokens

_NAMED = {
    "properties": ".",
    "patternProperties": ".",
    "$defs": " ",
    "definitions": " ",
    "dependentSchemas": " ",
}
_ITEMS = {"items", "prefixItems", "contains"}
_SILENT = {"allOf", "oneOf", "anyOf", "schema", "content", "get", "paths", "components"}


def describe(element: Element) -> str:
    """Return the location of an element in words; a shared part has its own name in every operation."""
    parts = tokens(element.pointer)
    if len(parts) >= 3 and parts[0] == "components":
        start = parts[2] if parts[1] == "schemas" else f"{parts[1]} {parts[2]}"
        return start + _inside(parts[3:])
    if len(parts) >= 3 and parts[0] in {"paths", "x-ms-paths", "webhooks"}:
        operation = f"{parts[2].upper()} {parts[1]}" if parts[2] in METHODS else parts[1]
        rest = parts[3:] if parts[2] in METHODS else parts[2:]
        return _message(rest, operation, element)
    if not parts:
        return element.file
    return (parts[-1] if parts[0] in {"$defs", "definitions"} else parts[0]) + _inside(parts[1:])


def _message(rest: list[str], operation: str, element: Element) -> str:
    if not rest:
        return operation
    head, *tail = rest
    if head == "parameters" and tail:
        name = _name(element, tail[0])
        return f"{name} of {operation}{_inside(tail[1:])}"
    if head == "requestBody":
        return f"the body of {operation}{_inside(tail)}"
    if head == "responses" and tail:
        return f"the {tail[0]} response of {operation}{_inside(tail[1:])}"
    return operation + _inside(rest)


def _name(element: Element, index: str) -> str:
    data: Any = element.document.root.raw
    for token in tokens(element.pointer):
        try:
            data = data[int(token)] if isinstance(data, list) else data[token]
        except (KeyError, IndexError, ValueError, TypeError):
            break
        if isinstance(data, dict) and isinstance(data.get("in"), str) and isinstance(data.get("name"), str):
            return f"the {data['in']} parameter {data['name']}"
    return f"parameter {index}"


def _inside(parts: list[str]) -> str:
    text = ""
    waiting = iter(parts)
    for part in waiting:
        if part in _NAMED:
            text += _NAMED[part] + next(waiting, "")
        elif part in _ITEMS:
            text += "[]"
        elif part == "content":
            text += f" ({next(waiting, '')})"
        elif part == "headers":
            text += f", header {next(waiting, '')}"
        elif part == "additionalProperties":
            text += ".*"
        elif part not in _SILENT and not part.isdecimal():
            text += f" {part}"
    return text
