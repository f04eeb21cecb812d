"""Where a reference leads: within a file, to another one, by `$id` and by anchor."""

from __future__ import annotations

import marshal
import posixpath
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urljoin

from infra_openapi.document.element import Document, Site
from infra_openapi.document.pointer import escaped, tokens
from infra_openapi.document.swagger import as_written
from infra_openapi.errors import CompareError

# How marshal (version 2, which shares nothing between values) spells a reference's key; a length follows.
_REFERENCE = re.compile(rb"u(?:\x04\x00\x00\x00\$ref|\x0b\x00\x00\x00\$dynamicRef)u(....)", re.DOTALL)
# A text that can only be a reference: what a discriminator's mapping holds without saying `$ref`.
_ADDRESS = re.compile(rb"u(....)(?=#/|\.\.?/)", re.DOTALL)
#: Keys whose value is data of the API and not a part of its description.
_DATA = frozenset({"example", "examples", "default", "enum", "const"})
_LONGEST_CHAIN = 100


def packed(raw: Any) -> bytes:
    """A value as bytes that are equal only where the values are, and their keys stand in the same order."""
    return marshal.dumps(raw, 2)


def references(content: bytes) -> list[str]:
    """Every reference in a packed value, in order and each once."""
    return _texts(content, _REFERENCE)


def mapped(content: bytes) -> list[str]:
    """Every text of a packed value that leads somewhere, as the mapping of a discriminator does."""
    return _texts(content, _ADDRESS)


def _texts(content: bytes, before: re.Pattern[bytes]) -> list[str]:
    found: dict[str, None] = {}
    for match in before.finditer(content):
        size = int.from_bytes(match.group(1), "little")
        found[content[match.end() : match.end() + size].decode(errors="surrogatepass")] = None
    return list(found)


def check(document: Document) -> None:
    """Follow every reference of the document once, so that none is found to dangle later.

    Raises:
        CompareError: one leads nowhere, in a circle, or where nobody may read.
    """
    waiting = [document.root]
    seen = {""}
    while waiting:
        site = waiting.pop()
        try:
            content = packed(site.raw)
        except ValueError as error:  # marshal goes no deeper than 2000 levels
            raise CompareError(site.file, "is nested too deep to be read") from error
        for ref in references(content):
            key = f"{site.file} {ref}"
            if key in seen:
                continue
            seen.add(key)
            try:
                target = follow(resolve(site, ref))
            except CompareError:
                # It may be a reference in an example, which is data: look at what is a description alone.
                for real in _described(site):
                    follow(real)
                continue
            if target.file != site.file:
                waiting.append(target)


def follow(site: Site) -> Site:
    """The value that a site stands for: its reference, and the reference there, to the end.

    Raises:
        CompareError: the chain leads nowhere, or in a circle.
    """
    start = site
    for _ in range(_LONGEST_CHAIN):
        ref = site.raw.get("$ref") if isinstance(site.raw, dict) else None
        if not isinstance(ref, str):
            return site
        site = resolve(site, ref)
    origin = start.origin()
    reason = f"the reference {start.raw['$ref']!r} leads in a circle"
    raise CompareError(origin.file, reason, origin.line, origin.column)


def target_of(site: Site) -> Site | None:
    """Where the site's own reference leads, one step; None where it has none."""
    ref = site.raw.get("$ref") if isinstance(site.raw, dict) else None
    return resolve(site, ref) if isinstance(ref, str) else None


def dynamic_target(site: Site, ref: str) -> Site | None:
    """Where a `$dynamicRef` leads; None where more than one anchor could be meant."""
    places = _anchored(site, ref.removeprefix("#"))
    return resolve(site, ref) if len(places) < 2 else None


def all_targets(site: Site, ref: str) -> list[Site]:
    """All that a reference may lead to: one place, or every one that bears the anchor.

    Raises:
        CompareError: there is none.
    """
    first = resolve(site, ref)
    fragment = ref.removeprefix("#")
    places = _anchored(site, fragment) if not fragment.startswith("/") else []
    if len(places) < 2:
        return [first]
    data = site.document.file(site.file, site)
    found = (_descend(site.document, site.file, data, place) for place in places)
    return [place for place in found if place is not None]


def resolve(site: Site, ref: str) -> Site:
    """Return the value that a reference at this site names.

    Raises:
        CompareError: there is none.
    """
    known = site.document.references
    resource = _resource(site)
    key = (site.file, resource, ref)
    if key not in known.targets:
        if key in known.underway:
            origin = site.origin()
            raise CompareError(
                origin.file, f"the reference {ref!r} leads in a circle", origin.line, origin.column
            )
        known.underway.add(key)
        try:
            known.targets[key] = _look_up(site, resource, ref)
        finally:
            known.underway.discard(key)
    return known.targets[key]


def _look_up(site: Site, resource: str, ref: str) -> Site:
    document, known = site.document, site.document.references
    address, _, fragment = ref.partition("#")
    fragment = unquote(fragment)
    file, start = site.file, resource
    if address:
        base = known.resources.get(site.file, {}).get(resource, "")
        identified = known.identified.get(urljoin(base, address)) or known.identified.get(address)
        if identified:
            file, start = identified
        else:
            file, start = _neighbour(site.file, unquote(address)), ""
    data = document.file(file, site)
    for place in dict.fromkeys([start, ""]):
        pointer = place + fragment
        if fragment and not fragment.startswith("/"):
            _index(document, file, data)
            anchored = known.anchors.get((file, fragment), [])
            pointer = next((one for one in anchored if one.startswith(place)), "\0")
        found = _descend(document, file, data, pointer)
        if found is not None:
            return found
    origin = site.origin()
    shown = as_written(ref) if document.version.startswith("2") else ref
    raise CompareError(origin.file, f"the reference {shown!r} leads nowhere", origin.line, origin.column)


def _neighbour(file: str, address: str) -> str:
    if address.startswith("file:///") and "://" not in file:
        address = address.removeprefix("file://")
    if "://" in address:
        return address
    if "://" in file:
        return urljoin(file, address)
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), address))


def _descend(document: Document, file: str, data: Any, pointer: str) -> Site | None:
    if pointer == "\0":
        return None
    site = Site(document, file, "", data)
    for token in tokens(pointer):
        # A pointer may lead through a reference; strictly it must not, but the meaning is plain.
        inner = site if _has(site.raw, token) else follow(site)
        step: Site | None
        if isinstance(inner.raw, list):
            step = inner.child(int(token)) if token.isdecimal() and len(token) < 10 else None
        else:
            step = inner.child(token)
        if step is None:
            return None
        site = step
    return site


def _resource(site: Site) -> str:
    """Return the pointer of the innermost schema with an `$id` around the site; empty for the file itself."""
    known = site.document.references.resources
    if site.file not in known:
        _index(site.document, site.file, site.document.file(site.file, site))
    resources = known[site.file]
    if not resources:
        return ""
    head = site.pointer
    while head and head not in resources:
        head = head.rpartition("/")[0]
    return head


def _index(document: Document, file: str, data: Any) -> None:
    """Find what has an `$id` or an anchor; files that have none, nearly all, are not walked."""
    known = document.references
    if file in known.resources:
        return
    resources = known.resources[file] = {}
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
            known.identified.setdefault(full, (file, pointer))
        for key in ("$anchor", "$dynamicAnchor"):
            if isinstance(raw.get(key), str):
                known.anchors.setdefault((file, raw[key]), []).append(pointer)


def _anchored(site: Site, name: str) -> list[str]:
    """Return the pointers of the schemas in the site's file that have this anchor."""
    return site.document.references.anchors.get((site.file, name), [])


def _has(raw: Any, token: str) -> bool:
    return (isinstance(raw, dict) and token in raw) or (isinstance(raw, list) and token.isdecimal())


def _objects(data: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that belongs to the description, with its pointer, in the order of the text."""
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
                (f"{pointer}/{number}", each, False) for number, each in reversed(list(enumerate(value)))
            ]


#: Keys under which the names are the author's: a property may be called `example` or `$ref`.
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


def _described(site: Site) -> Iterator[Site]:
    for pointer, raw in _objects(site.raw):
        if isinstance(raw.get("$ref"), str):
            yield Site(site.document, site.file, site.pointer + pointer, raw)
