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

# Matches the key `$ref` or `$dynamicRef` in the output of marshal, and the length of the string that follows.
# In version 2 of marshal's format, an object that occurs again is written again.
_REFERENCE = re.compile(rb"u(?:\x04\x00\x00\x00\$ref|\x0b\x00\x00\x00\$dynamicRef)u(....)", re.DOTALL)
# Matches the start of a string that looks like a reference (`#/`, `./` or `../`). The mapping of a
# discriminator contains references without the key `$ref`.
_ADDRESS = re.compile(rb"u(....)(?=#/|\.\.?/)", re.DOTALL)
#: The keys whose value is data: a `$ref` inside this data is not a reference.
_DATA = frozenset({"example", "examples", "default", "enum", "const"})
_MAX_CHAIN = 100


def packed(raw: Any) -> bytes:
    """Return a value as bytes that are equal only for equal values with an equal order of keys."""
    return marshal.dumps(raw, 2)


def references(content: bytes) -> list[str]:
    """Return every distinct `$ref` and `$dynamicRef` in a value.

    `content` is a result of `packed`. The references are in the order of the document.
    """
    return _texts(content, _REFERENCE)


def mapped(content: bytes) -> list[str]:
    """Return every string in a value that begins with `#/`, `./` or `../`.

    In the mapping of a discriminator, such a string is a reference. `content` is a result of `packed`.
    """
    return _texts(content, _ADDRESS)


def _texts(content: bytes, prefix: re.Pattern[bytes]) -> list[str]:
    texts: dict[str, None] = {}
    for match in prefix.finditer(content):
        size = int.from_bytes(match.group(1), "little")
        texts[content[match.end() : match.end() + size].decode(errors="surrogatepass")] = None
    return list(texts)


def check(document: Document) -> None:
    """Follow every reference of a document once, to detect errors before the comparison.

    Raises:
        CompareError: a target does not exist, a reference is circular, or the reader does not allow a file.
            The error is not raised for a `$dynamicRef`, and for a reference inside data, such as an example.
    """
    queue = [document.root]
    seen = {""}
    while queue:
        element = queue.pop()
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
                # This `$ref` can be data in an example. Only the references outside of examples are followed.
                for reference in _references_outside_examples(element):
                    follow(reference)
                continue
            if target.file != element.file:
                queue.append(target)


def follow(element: Element) -> Element:
    """Return the element at the end of a chain of references that starts with the reference in `element`.

    An element that is not a reference is returned unchanged.

    Raises:
        CompareError: a target does not exist, or the chain is circular or has more than `_MAX_CHAIN`
            references.
    """
    start = element
    for _ in range(_MAX_CHAIN):
        ref = element.raw.get("$ref") if isinstance(element.raw, dict) else None
        if not isinstance(ref, str):
            return element
        element = resolve(element, ref)
    location = start.location()
    reason = f"the reference {start.raw['$ref']!r} is circular"
    raise CompareError(location.file, reason, location.line, location.column)


def target_of(element: Element) -> Element | None:
    """Return the target of the reference in an element; None if the element is not a reference.

    If the target is itself a reference, the target is returned, and this reference is not followed.
    """
    ref = element.raw.get("$ref") if isinstance(element.raw, dict) else None
    return resolve(element, ref) if isinstance(ref, str) else None


def dynamic_target(element: Element, ref: str) -> Element | None:
    """Return the target of the `$dynamicRef` in an element.

    The result is None if several schemas of the file have the anchor that the reference names.
    """
    pointers = _anchored(element, ref.removeprefix("#"))
    return resolve(element, ref) if len(pointers) < 2 else None


def all_targets(element: Element, ref: str) -> list[Element]:
    """Return all possible targets of a reference.

    A reference by an anchor, such as a `$dynamicRef`, has one target for each schema of the file with this
    anchor. Any other reference has one target.

    Raises:
        CompareError: no target exists.
    """
    target = resolve(element, ref)
    fragment = ref.removeprefix("#")
    pointers = _anchored(element, fragment) if not fragment.startswith("/") else []
    if len(pointers) < 2:
        return [target]
    data = element.document.file(element.file, element)
    elements = (_descend(element.document, element.file, data, pointer) for pointer in pointers)
    return [anchored for anchored in elements if anchored is not None]


def resolve(element: Element, ref: str) -> Element:
    """Return the element to which the reference `ref` in `element` refers.

    Raises:
        CompareError: the target does not exist, or the reference is circular.
    """
    references = element.document.references
    resource = _resource(element)
    key = (element.file, resource, ref)
    if key not in references.targets:
        if key in references.unresolved:
            location = element.location()
            raise CompareError(
                location.file, f"the reference {ref!r} is circular", location.line, location.column
            )
        references.unresolved.add(key)
        try:
            references.targets[key] = _look_up(element, resource, ref)
        finally:
            references.unresolved.discard(key)
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
            file, start = _resolved_path(element.file, unquote(address)), ""
    data = document.file(file, element)
    for resource_pointer in dict.fromkeys([start, ""]):
        pointer = resource_pointer + fragment
        if fragment and not fragment.startswith("/"):
            _index_identifiers(document, file, data)
            anchored = references.anchors.get((file, fragment), [])
            pointer = next(
                (candidate for candidate in anchored if candidate.startswith(resource_pointer)), "\0"
            )
        target = _descend(document, file, data, pointer)
        if target is not None:
            return target
    location = element.location()
    written_ref = as_written(ref) if document.version.startswith("2") else ref
    raise CompareError(
        location.file,
        f"the target of the reference {written_ref!r} does not exist",
        location.line,
        location.column,
    )


def _resolved_path(file: str, address: str) -> str:
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
        # A JSON pointer must not lead through a `$ref`, but the target of such a pointer is unambiguous.
        inner = element if _has(element.raw, token) else follow(element)
        child: Element | None
        if isinstance(inner.raw, list):
            child = inner.child(int(token)) if token.isdecimal() and len(token) < 10 else None
        else:
            child = inner.child(token)
        if child is None:
            return None
        element = child
    return element


def _resource(element: Element) -> str:
    """Return the JSON pointer of the innermost schema with an `$id` that is the element or contains it.

    The result is an empty string if no such schema exists.
    """
    resources_by_file = element.document.references.resources
    if element.file not in resources_by_file:
        _index_identifiers(element.document, element.file, element.document.file(element.file, element))
    resources = resources_by_file[element.file]
    if not resources:
        return ""
    pointer = element.pointer
    while pointer and pointer not in resources:
        pointer = pointer.rpartition("/")[0]
    return pointer


def _index_identifiers(document: Document, file: str, data: Any) -> None:
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
    """Yield every JSON object of a file with its JSON pointer, without the objects inside data.

    Data are, for example, examples, default values and extensions. Instead of an object that maps names to
    elements (see `_MAPS`), an empty object is yielded.
    """
    queue: list[tuple[str, Any, bool]] = [("", data, False)]
    while queue:
        pointer, value, is_map = queue.pop()
        if isinstance(value, dict):
            yield pointer, {} if is_map else value
            for key, inner in reversed(value.items()):
                if (
                    is_map
                    or not (key in _DATA or key.startswith("x-"))
                    or (key == "examples" and pointer == "/components")
                ):
                    queue.append((f"{pointer}/{escaped(key)}", inner, not is_map and key in _MAPS))
        elif isinstance(value, list):
            queue += [
                (f"{pointer}/{number}", member, False) for number, member in reversed(list(enumerate(value)))
            ]


#: The keys whose value maps names to elements. These names are not keywords: a property can have the name
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


def _references_outside_examples(element: Element) -> Iterator[Element]:
    for pointer, raw in _objects(element.raw):
        if isinstance(raw.get("$ref"), str):
            yield Element(element.document, element.file, element.pointer + pointer, raw)
