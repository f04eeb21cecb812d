"""Check values with jsonschema; keywords of OpenAPI that jsonschema does not support are converted first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from infra_openapi.document import Element
from infra_openapi.document.reference import target_of
from infra_openapi.finding import Direction
from infra_openapi.schema.node import COUNTS, TYPES, Node
from infra_openapi.schema.pattern import harmless

#: After about this number of converted schemas of a document, no example with a further schema is found.
_MAX_SCHEMAS = 1500
#: The keyword of a property that messages of a direction do not contain.
HIDDEN = {Direction.REQUEST: "readOnly", Direction.RESPONSE: "writeOnly"}
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})
_TYPES = frozenset({*TYPES, "integer"})
#: Keywords whose value is data, and therefore contains no schemas.
_DATA = frozenset({"const"})
_SCHEMA, _NUMBER = (dict, bool), (int, float)
#: The keywords that jsonschema checks, with the valid types of their values.
_CHECKED: dict[str, tuple[type, ...]] = {
    "type": (str, list),
    "enum": (list,),
    "format": (str,),
    "pattern": (str,),
    "required": (list,),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _NUMBER),
    **dict.fromkeys(COUNTS, _NUMBER),
    "uniqueItems": (bool,),
    **dict.fromkeys(("properties", "patternProperties", "dependentSchemas", "dependentRequired"), (dict,)),
    **dict.fromkeys(
        (
            "items",
            "additionalProperties",
            "unevaluatedProperties",
            "propertyNames",
            "contains",
            "not",
            "if",
            "then",
            "else",
        ),
        _SCHEMA,
    ),
    **dict.fromkeys(("allOf", "oneOf", "anyOf", "prefixItems"), (list,)),
}


def _follow(
    validator: Any, target: tuple[dict[str, Any], str], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """Yield the errors of the value `instance` for a converted schema.

    `target` contains all converted schemas by name, and the name of the schema to use.
    """
    del schema
    schemas, name = target
    yield from validator.descend(instance, schemas[name])


_Validator: Any = extend(Draft202012Validator, {"x-follow": _follow})  # type: ignore[no-untyped-call]


class Checker:
    """Checks values with the schemas of one document; the schemas are first converted for jsonschema.

    Each schema is converted when a value is checked with it for the first time.
    """

    def __init__(self, direction: Direction) -> None:
        self._hidden = HIDDEN[direction]
        self._converted: dict[str, Any] = {}
        self._queued: list[tuple[str, Element]] = []

    def errors(self, node: Node, value: Any) -> Iterator[ValidationError]:
        """Yield the errors that jsonschema finds when it checks a value with the schemas of a node."""
        for element in node.elements:
            name = self._name(element)
            self._convert_queued()
            yield from _Validator(self._converted[name], format_checker=_FORMATS).iter_errors(value)

    def _name(self, element: Element) -> str:
        name = f"{element.file}#{element.pointer}"
        if name not in self._converted:
            if len(self._converted) > _MAX_SCHEMAS:
                raise OverflowError
            self._converted[name] = True
            self._queued.append((name, element))
        return name

    def _convert_queued(self) -> None:
        while self._queued:
            name, element = self._queued.pop()
            self._converted[name] = self._convert(element)

    def _convert(self, element: Element) -> Any:
        raw = element.raw
        if not isinstance(raw, dict):
            return raw if isinstance(raw, bool) else True
        target = target_of(element)
        if target is not None and not element.document.modern:
            return {"x-follow": (self._converted, self._name(target))}
        converted: dict[str, Any] = (
            {} if target is None else {"x-follow": (self._converted, self._name(target))}
        )
        for key, value in raw.items():
            if key in _DATA:
                converted[key] = value
            elif isinstance(value, _CHECKED.get(key, ())) and _usable(key, value):
                converted[key] = self._part(element, key, value)
        self._convert_old_keywords(element, raw, converted)
        return converted

    def _part(self, element: Element, key: str, value: Any) -> Any:
        inner = element.child(key)
        if inner is None:
            return value
        if key in {"enum", "type", "required", "dependentRequired"}:
            return value
        if key in _NAMED:
            return {name: self._convert(schema) for name, schema in inner.members().items()}
        if isinstance(value, list):
            return [self._convert(schema) for schema in element.items(key)]
        return self._convert(inner) if isinstance(value, dict) else value

    def _is_hidden(self, element: Element) -> bool:
        """Return whether messages of this direction do not contain a property (read-only or write-only).

        The keyword `readOnly` or `writeOnly` can be in the schema of the property (`element`), or in the
        schema to which this schema refers.
        """
        target = target_of(element)
        modern = target is None or element.document.modern
        is_hidden = modern and isinstance(element.raw, dict) and element.raw.get(self._hidden) is True
        return is_hidden or (target is not None and self._is_hidden(target))

    def _convert_old_keywords(self, element: Element, raw: dict[str, Any], converted: dict[str, Any]) -> None:
        """Convert keywords of OpenAPI 3.0 to JSON Schema 2020-12.

        Properties that are hidden in this direction (read-only in requests, write-only in responses) are no
        longer required.
        """
        if raw.get("nullable") is True and isinstance(converted.get("type"), str):
            converted["type"] = [converted["type"], "null"]
            if "enum" in converted:
                converted["enum"] = [*raw["enum"], None]
        for key, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(raw.get(strict), bool):
                converted.pop(strict, None)
                if raw[strict] and key in converted:
                    converted[strict] = converted.pop(key)
        if not isinstance(raw.get("required"), list):
            converted.pop("required", None)
        elif isinstance(raw.get("properties"), dict):
            inner = element.child("properties")
            hidden = (
                {name for name, schema in inner.members().items() if self._is_hidden(schema)}
                if inner
                else set()
            )
            converted["required"] = [
                name for name in raw["required"] if isinstance(name, str) and name not in hidden
            ]


def _usable(key: str, value: Any) -> bool:
    """Return whether the value of a keyword is valid, so that jsonschema can use it.

    Raises:
        ValueError: a pattern is invalid in Python, or can take exponential time.
    """
    patterns = [value] if key == "pattern" else list(value) if key == "patternProperties" else []
    if not all(map(harmless, patterns)):
        raise ValueError(key)
    if key == "type":
        return all(
            isinstance(member, str) and member in _TYPES
            for member in (value if isinstance(value, list) else [value])
        )
    if key == "required":
        return all(isinstance(member, str) for member in value)
    if key == "dependentRequired":
        return all(isinstance(member, list) for member in value.values())
    return not isinstance(value, float) or value > 0 or key != "multipleOf"


_FORMATS = FormatChecker(formats=("date", "email", "ipv4", "ipv6", "uuid", "regex"))


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or ("T" in value.upper() and bool(dt.datetime.fromisoformat(value)))


def _in_range(minimum: int, maximum: int) -> Any:
    return lambda value: isinstance(value, bool) or not isinstance(value, int) or minimum <= value <= maximum


_FORMATS.checks("int32")(_in_range(-(2**31), 2**31 - 1))
_FORMATS.checks("int64")(_in_range(-(2**63), 2**63 - 1))
