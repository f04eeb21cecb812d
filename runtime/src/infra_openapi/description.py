"""Texts that describe an element, which is a part of a document.

`describe` returns a short path for the subject of a finding (`Pet.owner.name`). The subject is part of the
fingerprint of the finding, so the path must not change. `element_phrase` and `container` return noun phrases
for the message of a finding (`the property 'owner.name' of the schema 'Pet' in responses`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from infra_openapi.api.endpoint import METHODS
from infra_openapi.document import Element
from infra_openapi.document.pointer import escaped, tokens
from infra_openapi.finding import Direction

_SEPARATORS = {
    "properties": ".",
    "patternProperties": ".",
    "$defs": " ",
    "definitions": " ",
    "dependentSchemas": " ",
}
_ITEMS = {"items", "prefixItems", "contains"}
_OMITTED = {"allOf", "oneOf", "anyOf", "schema", "content", "get", "paths", "components"}
_PATHS = frozenset({"paths", "x-ms-paths", "webhooks"})
_DEFINITIONS = frozenset({"$defs", "definitions"})
#: section of `components`, or of a Swagger 2.0 document → the noun for one member of the section
_COMPONENTS = {
    "schemas": "schema",
    "definitions": "schema",
    "$defs": "schema",
    "responses": "response",
    "parameters": "parameter",
    "requestBodies": "request body",
    "headers": "header",
    "links": "link",
    "callbacks": "callback",
    "pathItems": "path item",
    "securitySchemes": "security scheme",
}
#: keyword of a schema → the phrase for the schemas under this keyword
_SUBSCHEMAS = {
    "additionalProperties": "the additional properties",
    "unevaluatedProperties": "the additional properties",
    "unevaluatedItems": "the additional items",
    "contains": "the items that match `contains`",
    "propertyNames": "the property names",
    "not": "the schema in `not`",
    "if": "the schema in `if`",
    "then": "the schema in `then`",
    "else": "the schema in `else`",
}
#: keyword with several named or numbered members → the phrase for one of these members
_MEMBERS = {
    "patternProperties": "the properties that match '{}'",
    "dependentSchemas": "the schema in `dependentSchemas` for '{}'",
    "prefixItems": "item {}",
    "oneOf": "alternative {} of `oneOf`",
    "anyOf": "alternative {} of `anyOf`",
    "headers": "the header '{}'",
    "links": "the link '{}'",
    "encoding": "the part '{}'",
}
_NUMBERED = frozenset({"prefixItems", "oneOf", "anyOf"})
#: matches a JSON pointer that ends with a keyword for items; the value `false` limits the number of items
_ITEMS_KEYWORD = re.compile(r"(?<!/properties)/(?:items|additionalItems|unevaluatedItems)\Z")
#: matches a JSON pointer that ends with a keyword for undeclared properties or for property names
_OBJECT_KEYWORD = re.compile(
    r"(?<!/properties)/(?:additionalProperties|unevaluatedProperties|propertyNames)\Z"
)
_PART = re.compile(r"/(?:properties|patternProperties|headers|links|responses|encoding|content)/[^/]+\Z")


def describe(element: Element) -> str:
    """Return a short text that locates an element in its document, such as `Pet.owner.name`.

    The text for a part of `components` starts with the name of the component. If the component is not a
    schema, the section is before the name: `responses NotFound`.
    """
    parts = tokens(element.pointer)
    if len(parts) >= 3 and parts[0] == "components":
        component = parts[2] if parts[1] == "schemas" else f"{parts[1]} {parts[2]}"
        return component + _inside(parts[3:])
    if len(parts) >= 3 and parts[0] in _PATHS:
        operation = f"{parts[2].upper()} {parts[1]}" if parts[2] in METHODS else parts[1]
        inner_parts = parts[3:] if parts[2] in METHODS else parts[2:]
        return _inside_operation(inner_parts, operation, element)
    if not parts:
        return element.file
    if parts[0] in _DEFINITIONS and len(parts) > 1:
        parts = parts[1:]
    return parts[0] + _inside(parts[1:])


def _inside_operation(parts: list[str], operation: str, element: Element) -> str:
    if not parts:
        return operation
    section, *inner_parts = parts
    if section == "parameters" and inner_parts:
        parameter = _parameter(element)
        described = (
            f"the {parameter[0]} parameter {parameter[1]}" if parameter else f"parameter {inner_parts[0]}"
        )
        return f"{described} of {operation}{_inside(inner_parts[1:])}"
    if section == "requestBody":
        return f"the body of {operation}{_inside(inner_parts)}"
    if section == "responses" and inner_parts:
        return f"the {inner_parts[0]} response of {operation}{_inside(inner_parts[1:])}"
    return operation + _inside(parts)


def _parameter(element: Element) -> tuple[str, str] | None:
    """Return `in` and `name` of the parameter that contains an element; None outside of a parameter."""
    value: Any = element.document.root.raw
    for token in tokens(element.pointer):
        try:
            value = value[int(token)] if isinstance(value, list) else value[token]
        except (KeyError, IndexError, ValueError, TypeError):
            break
        if (
            isinstance(value, dict)
            and isinstance(value.get("in"), str)
            and isinstance(value.get("name"), str)
        ):
            return value["in"], value["name"]
    return None


def _inside(parts: list[str]) -> str:
    text = ""
    remaining_parts = iter(parts)
    for part in remaining_parts:
        if part in _SEPARATORS:
            text += _SEPARATORS[part] + next(remaining_parts, "")
        elif part in _ITEMS:
            text += "[]"
        elif part == "content":
            text += f" ({next(remaining_parts, '')})"
        elif part == "headers":
            text += f", header {next(remaining_parts, '')}"
        elif part == "additionalProperties":
            text += ".*"
        elif part not in _OMITTED and not part.isdecimal():
            text += f" {part}"
    return text


def element_phrase(element: Element, direction: Direction, *, called_by_api: bool = False) -> str:
    """Return a noun phrase for the part of a request or response that an element describes.

    For a part of a parameter, body or response, the phrase does not contain the operation, because the
    finding lists its operations. A schema that several messages can share is followed by `in requests` or `in
    responses`; `called_by_api` is true inside callbacks and webhooks.
    """
    return " of ".join(reversed(list(_phrases(element, _messages(direction, called_by_api=called_by_api)))))


def object_phrase(element: Element, direction: Direction, *, called_by_api: bool = False) -> str:
    """Return a noun phrase for the object whose undeclared properties or property names have changed.

    `element` is the object, or the value of a keyword of the object, such as `additionalProperties`. If the
    allowed number of items has changed, the phrase names the array: `element` is the array, or its keyword
    `items` with the value `false`.
    """
    items_keyword = _ITEMS_KEYWORD.search(element.pointer) if element.raw is False else None
    if keyword := items_keyword or _OBJECT_KEYWORD.search(element.pointer):
        element = Element(element.document, element.file, element.pointer[: keyword.start()], None)
    return element_phrase(element, direction, called_by_api=called_by_api)


def container(element: Element, subject: str, direction: Direction, *, called_by_api: bool = False) -> str:
    """Return a noun phrase for the container of an element; the container of a property is its object.

    The container of a media type is its message. If the name of another element is not `subject`, or the
    element has no name (a property or a header has a name), the phrase describes the element itself.
    """
    matched = _PART.search(element.pointer)
    name = matched[0].rpartition("/")[2].lower() if matched else ""
    if matched and (name == escaped(subject).lower() or "/content/" in matched[0]):
        pointer = element.pointer[: matched.start()]
        if pointer not in {"", "/components"}:
            element = Element(element.document, element.file, pointer, None)
    return element_phrase(element, direction, called_by_api=called_by_api)


def _messages(direction: Direction, *, called_by_api: bool) -> str:
    """Return the end of a noun phrase for a shared schema: the messages that use the schema.

    Examples are ` in requests` and ` in callback responses`. The text is empty for the direction `NONE`.
    """
    if direction is Direction.NONE:
        return ""
    message = "requests" if (direction is Direction.REQUEST) != called_by_api else "responses"
    return f" in callback {message}" if called_by_api else f" in {message}"


def _phrases(element: Element, messages: str) -> Iterator[str]:
    """Yield the phrases for the parts of an element's JSON pointer, the outermost part first."""
    parts = tokens(element.pointer)
    if not parts:
        yield f"the document '{element.file}'" if element.raw is None else f"the schema in '{element.file}'"
        return
    if len(parts) >= 3 and parts[0] in _PATHS:
        is_operation = parts[2] in METHODS
        operation = f"the operation {parts[2].upper()} {parts[1]}" if is_operation else f"the path {parts[1]}"
        yield from _of_operation(parts[3:] if is_operation else parts[2:], operation, element, messages)
        return
    section, *inner_parts = parts[1:] if parts[0] == "components" and len(parts) > 2 else parts
    if section not in _COMPONENTS or not inner_parts:
        yield f"the schema '{section}'{messages}"
    elif section == "parameters":
        yield _parameter_phrase(element)
    else:
        noun = _COMPONENTS[section]
        yield f"the {noun} '{inner_parts[0]}'{messages if noun == 'schema' else ''}"
    yield from _of_schema(inner_parts[1:] if section in _COMPONENTS else inner_parts)


def _of_operation(parts: list[str], operation: str, element: Element, messages: str) -> Iterator[str]:
    section, *inner_parts = parts or [""]
    if section == "parameters" and inner_parts:
        yield _parameter_phrase(element)
        inner_parts = inner_parts[1:]
    elif section == "requestBody":
        yield "the request body" + _media_type(inner_parts, element)
    elif section == "responses" and inner_parts:
        yield _response(inner_parts[0]) + _media_type(inner_parts[1:], element)
        inner_parts = inner_parts[1:]
    elif section == "callbacks" and len(inner_parts) > 2:
        yield f"the callback '{inner_parts[0]}'"
        inner = list(_of_operation(inner_parts[3:], "", element, messages))
        yield from inner if inner != [""] else ()
        return
    else:
        yield operation
        return
    yield from _of_schema(inner_parts)


def _parameter_phrase(element: Element) -> str:
    location, name = _parameter(element) or ("", "")
    if location == "body":
        return "the request body"
    return f"the form field '{name}'" if location == "formData" else f"the {location} parameter '{name}'"


def _response(status: str) -> str:
    if status == "default":
        return "the default response"
    return f"the response{'s' if status.upper().endswith('XX') else ''} with status {status}"


def _media_type(parts: list[str], element: Element) -> str:
    """Return the media type that contains an element, in parentheses.

    The result is an empty text if the body has only one media type, or if no media type contains the element.
    """
    if len(parts) < 2 or parts[0] != "content":
        return ""
    value: Any = element.document.root.raw
    pointer = tokens(element.pointer)
    for token in pointer[: len(pointer) - len(parts) + 1]:
        value = value.get(token) if isinstance(value, dict) else None
    is_only_type = isinstance(value, dict) and len(value) == 1
    return "" if is_only_type else f" ({parts[1]})"


def _of_schema(parts: list[str]) -> Iterator[str]:
    chain = ""
    remaining_parts = iter(parts)
    for part in remaining_parts:
        if part == "properties":
            name = next(remaining_parts, "")
            chain = f"{chain}.{name}" if chain else name
            continue
        if part == "items" and chain:
            chain += "[]"
            continue
        if part in _DEFINITIONS:
            yield from _chain(chain)
            chain = ""
            yield f"the schema '{next(remaining_parts, '')}'"
            continue
        phrase = "the items" if part == "items" else _SUBSCHEMAS.get(part, "")
        if part in _MEMBERS:
            member = next(remaining_parts, "")
            number = str(int(member) + 1) if part in _NUMBERED and member.isdecimal() else member
            phrase = _MEMBERS[part].format(number)
        elif part == "content":
            next(remaining_parts, "")
        if phrase:
            yield from _chain(chain)
            chain = ""
            yield phrase
    yield from _chain(chain)


def _chain(names: str) -> Iterator[str]:
    """Yield the phrase for nested properties and items, such as `owner.name`, `tags[].name` or `tags[]`."""
    if names.endswith("[]"):
        yield f"the property '{names.removesuffix('[]')}'"
        yield "the items"
    elif names:
        yield f"the property '{names}'"
