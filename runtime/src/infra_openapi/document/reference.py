"""Resolve references (`$ref`) inside a file and to other files, including references by `$id` and anchor."""

from __future__ import annotations

import marshal
import posixpath
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urljoin

from infra_openapi.document.element import Document, Element
from infra_openapi.document.pointer import escaped, tokens
from infra_openapi.document.swagger import as_written
from infra_openapi.errors import CompareError

# The bytes with which marshal writes the key `$ref`, followed by a length. Version 2 of marshal does not
# share parts between values.
_REFERENCE = re.compile(rb"u(?:\x04\x00\x00\x00\$ref|\x0b\x00\x00\x00\$dynamicRef)u(....)", re.DOTALL)
# A text that looks like a reference. The mapping of a discriminator contains such texts without the key
# `$ref`.
_ADDRESS = re.compile(rb"u(....)(?=#/|\.\.?/)", re.DOTALL)
#: The keys whose value is example data, which is not a part of the API's description.
_DATA = frozenset({"example", "examples", "default", "enum", "const"})
_LONGEST_CHAIN = 100


def packed(raw: Any) -> bytes:
    """Return a value as bytes that are equal only for equal values with an equal order of keys."""
    return marshal.dumps(raw, 2)


def references(content: bytes) -> list[str]:
    """Return every distinct `$ref` in a value.

    The argument is a result of `packed`, and the references have the order of the document.
    """
    return _texts(content, _REFERENCE)


def mapped(content: bytes) -> list[str]:
    """Return every text in a discriminator's mapping that can be a reference.

    The argument is a result of `packed`.
    """
    return _texts(content, _ADDRESS)


def _texts(content: bytes, before: re.Pattern[bytes]) -> list[str]:
    texts: dict[str, None] = {}
    for match in before.finditer(content):
        size = int.from_bytes(match.group(1), "little")
        texts[content[match.end() : match.end() + size].decode(errors="surrogatepass")] = None
    return list(texts)


def check(document: Document) -> None:
    """Follow every reference of a document once, so that errors are found before the comparison.

    Raises:
        CompareError: a target does not exist, a reference is circular, or a file must not be read.
    """
    waiting = [document.root]
    seen = {""}
    while waiting:
        element = waiting.pop()
        try:
            content = packed(element.raw)
        except ValueError as error:  # marshal supports at most 2000 nested levels
            raise CompareError(element.file, "the document is nested too deeply to be read") from error
        for ref in references(content):
            key = f"{element.file} {ref}"
            if key in seen:
                continue
            seen.add(key)
            try:
                target = follow(resolve(element, ref))
            except CompareError:
                # The reference can be in an example, which is data. Only references outside of examples are
                # followed.
                for real in _described(element):
                    follow(real)
                continue
            if target.file != element.file:
                waiting.append(target)


def follow(element: Element) -> Element:
    """Return the element to which a chain of references leads, starting with the reference in `element`.

    An element that is not a reference is returned unchanged.

    Raises:
        CompareError: a target does not exist, or the chain is circular.
    """
    start = element
    for _ in range(_LONGEST_CHAIN):
        ref = element.raw.get("$ref") if isinstance(element.raw, dict) else None
        if not isinstance(ref, str):
            return element
        element = resolve(element, ref)
    location = start.location()
    reason = f"the reference {start.raw['$ref']!r} is circular"
    raise CompareError(location.file, reason, location.line, location.column)


def target_of(element: Element) -> Element | None:
    """Return the target of the reference in an element; None if the element is not a reference.

    The target can be a reference too; it is not followed.
    """
    ref = element.raw.get("$ref") if isinstance(element.raw, dict) else None
    return resolve(element, ref) if isinstance(ref, str) else None


def dynamic_target(element: Element, ref: str) -> Element | None:
    """Return the target of the `$dynamicRef` in an element.

    The result is None if several schemas have the anchor that the reference names.
    """
    places = _anchored(element, ref.removeprefix("#"))
    return resolve(element, ref) if len(places) < 2 else None


def all_targets(element: Element, ref: str) -> list[Element]:
    """Return all possible targets of a reference.

    A `$dynamicRef` has one target for each schema with its anchor. Any other reference has one target.

    Raises:
        CompareError: no target exists.
    """
    first = resolve(element, ref)
    fragment = ref.removeprefix("#")
    places = _anchored(element, fragment) if not fragment.startswith("/") else []
    if len(places) < 2:
        return [first]
    data = element.document.file(element.file, element)
    elements = (_descend(element.document, element.file, data, place) for place in places)
    return [place for place in elements if place is not None]


def resolve(element: Element, ref: str) -> Element:
    """Return the element to which the reference `ref` in `element` refers.

    Raises:
        CompareError: the target does not exist, or the reference is circular.
    """
    references = element.document.references
    resource = _resource(element)
    key = (element.file, resource, ref)
    if key not in references.targets:
        if key in references.underway:
            location = element.location()
            raise CompareError(
                location.file, f"the reference {ref!r} is circular", location.line, location.column
            )
        references.underway.add(key)
        try:
            references.targets[key] = _look_up(element, resource, ref)
        finally:
            references.underway.discard(key)
    return references.targets[key]


def _look_up(element: Element, resource: str, ref: str) -> Element:
    document, references = element.document, element.document.references
    address, _, fragment = ref.partition("#")
    fragment = unquote(fragment)
    file, start = element.file, resource
    if address:
        base = references.resources.get(element.file, {}).get(resource, "")
        identified = references.identified.get(urljoin(base, address)) or references.identified.get(address)
        if identified:
            file, start = identified
        else:
            file, start = _neighbour(element.file, unquote(address)), ""
    data = document.file(file, element)
    for place in dict.fromkeys([start, ""]):
        pointer = place + fragment
        if fragment and not fragment.startswith("/"):
            _index(document, file, data)
            anchored = references.anchors.get((file, fragment), [])
            pointer = next((candidate for candidate in anchored if candidate.startswith(place)), "\0")
        target = _descend(document, file, data, pointer)
        if target is not None:
            return target
    location = element.location()
    shown = as_written(ref) if document.version.startswith("2") else ref
    raise CompareError(
        location.file, f"the target of the reference {shown!r} does not exist", location.line, location.column
    )


def _neighbour(file: str, address: str) -> str:
    if address.startswith("file:///") and "://" not in file:
        address = address.removeprefix("file://")
    if "://" in address:
        return address
    if "://" in file:
        return urljoin(file, address)
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), address))


def _descend(document: Document, file: str, data: Any, pointer: str) -> Element | None:
    if pointer == "\0":
        return None
    element = Element(document, file, "", data)
    for token in tokens(pointer):
        # A JSON pointer that leads through a reference is not valid, but has only one possible meaning.
        inner = element if _has(element.raw, token) else follow(element)
        step: Element | None
        if isinstance(inner.raw, list):
            step = inner.child(int(token)) if token.isdecimal() and len(token) < 10 else None
        else:
            step = inner.child(token)
        if step is None:
            return None
        element = step
    return element


def _resource(element: Element) -> str:
    """Return the JSON pointer of the innermost schema around an element that has an `$id`.

    The result is an empty string if no schema around the element has an `$id`.
    """
    resources_by_file = element.document.references.resources
    if element.file not in resources_by_file:
        _index(element.document, element.file, element.document.file(element.file, element))
    resources = resources_by_file[element.file]
    if not resources:
        return ""
    head = element.pointer
    while head and head not in resources:
        head = head.rpartition("/")[0]
    return head


def _index(document: Document, file: str, data: Any) -> None:
    """Search a file for schemas that have an `$id` or an anchor, and store their JSON pointers.

    Most files contain neither `$id` nor anchors; these files are not searched.
    """
    references = document.references
    if file in references.resources:
        return
    resources = references.resources[file] = {}
    content = packed(data)
    if b"$id" not in content and b"$anchor" not in content and b"$dynamicAnchor" not in content:
        return
    for pointer, raw in _objects(data):
        name = raw.get("$id")
        if isinstance(name, str) and pointer:
            outer = pointer
            while outer and outer not in resources:
                outer = outer.rpartition("/")[0]
            full = urljoin(resources.get(outer, ""), name.removesuffix("#"))
            resources[pointer] = full
            references.identified.setdefault(full, (file, pointer))
        for key in ("$anchor", "$dynamicAnchor"):
            if isinstance(raw.get(key), str):
                references.anchors.setdefault((file, raw[key]), []).append(pointer)


def _anchored(element: Element, name: str) -> list[str]:
    """Return the JSON pointers of those schemas in the file of an element that have the anchor `name`."""
    return element.document.references.anchors.get((element.file, name), [])


def _has(raw: Any, token: str) -> bool:
    return (isinstance(raw, dict) and token in raw) or (isinstance(raw, list) and token.isdecimal())


def _objects(data: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every JSON object of a file with its JSON pointer, without the objects inside examples."""
    waiting: list[tuple[str, Any, bool]] = [("", data, False)]
    while waiting:
        pointer, value, named = waiting.pop()
        if isinstance(value, dict):
            yield pointer, {} if named else value
            for key, inner in reversed(value.items()):
                if (
                    named
                    or not (key in _DATA or key.startswith("x-"))
                    or (key == "examples" and pointer == "/components")
                ):
                    waiting.append((f"{pointer}/{escaped(key)}", inner, not named and key in _MAPS))
        elif isinstance(value, list):
            waiting += [
                (f"{pointer}/{number}", member, False) for number, member in reversed(list(enumerate(value)))
            ]


#: The keys whose members have names that the author of the document chose. A property can have the name
#: `example` or `$ref`.
_MAPS = frozenset(
    {
        "properties",
        "patternProperties",
        "$defs",
        "definitions",
        "dependentSchemas",
        "paths",
        "webhooks",
        "responses",
        "schemas",
        "parameters",
        "headers",
        "requestBodies",
        "securitySchemes",
        "links",
        "callbacks",
        "pathItems",
        "content",
        "mapping",
        "encoding",
        "scopes",
        "variables",
    }
)


def _described(element: Element) -> Iterator[Element]:
    for pointer, raw in _objects(element.raw):
        if isinstance(raw.get("$ref"), str):
            yield Element(element.document, element.file, element.pointer + pointer, raw)
