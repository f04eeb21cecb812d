"""Compare the parts of form bodies (multipart and urlencoded): serialization and media types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra_openapi import facts
from infra_openapi.api.media_type import covers, normal
from infra_openapi.api.style import differ, style
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.finding import Direction
from infra_openapi.schema.node import Node, Term

_URLENCODED, _FORM_DATA = "application/x-www-form-urlencoded", "multipart/form-data"
FORMS = frozenset({_URLENCODED, _FORM_DATA})
_TEXT, _OBJECT, _BYTES = "text/plain", "application/json", "application/octet-stream"
_BINARY = frozenset({"binary", "base64", "byte"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a form in one document: its schema, and its `encoding` (None if it has no `encoding`)."""

    encoding: Element | None
    holder: Element
    term: Term

    @property
    def element(self) -> Element:
        """Return the element of the part's `encoding`, or of the form's media type without an `encoding`."""
        return self.encoding or self.holder


def parts(scope: Scope, name: str, old: Element, new: Element) -> Iterator[tuple[str, Part, Part]]:
    """Yield the name of each part of a form that has an `encoding` in the old or the new document.

    The old and the new part follow the name. In OpenAPI, `encoding` applies only to the declared properties
    of forms.
    """
    if not name.startswith(("multipart/", _URLENCODED)):
        return
    before, after = _encodings(old), _encodings(new)
    first, second = _terms(scope, old), _terms(scope, new)
    for part in sorted({**before, **after}):
        if part in first and part in second:
            yield (
                part,
                Part(encoding=before.get(part), holder=old, term=first[part]),
                Part(encoding=after.get(part), holder=new, term=second[part]),
            )


def compare(scope: Scope, name: str, part: str, old: Part, new: Part, direction: Direction) -> None:
    """Add facts about the changed `encoding` of one part of a form.

    `name` is the media type of the form, and `part` is the name of the part.
    """
    if name == _URLENCODED or (name == _FORM_DATA and old.holder.document.modern):
        before, after = style(old.encoding, "query"), style(new.encoding, "query")
        if differ(scope, before, after, old.term, new.term):
            scope.fact(
                facts.ENCODING_CHANGED, direction, old.element, new.element, str(before), str(after), part
            )
        was, is_ = (bool(each.encoding and each.encoding.flag("allowReserved")) for each in (old, new))
        if was != is_:
            kind = facts.PARAMETER_RESERVED_ALLOWED if is_ else facts.PARAMETER_RESERVED_FORBIDDEN
            scope.fact(kind, direction, old.element, new.element, was, is_, f"form field {part}")
    first, second = _media_types(scope, old), _media_types(scope, new)
    for gone in sorted(each for each in first if not any(covers(other, each) for other in second)):
        scope.fact(facts.PART_MEDIA_TYPE_REMOVED, direction, old.element, new.element, gone, None, part)
    for come in sorted(each for each in second if not any(covers(other, each) for other in first)):
        scope.fact(facts.PART_MEDIA_TYPE_ADDED, direction, old.element, new.element, None, come, part)


def _encodings(media: Element) -> dict[str, Element]:
    found = dict(media.mapping("encoding"))
    found |= {str(number): element for number, element in enumerate(media.items("prefixEncoding"))}
    item = media.child("itemEncoding")
    return found | ({"*": item} if item is not None else {})


def _terms(scope: Scope, media: Element) -> dict[str, Term]:
    schema, item = media.child("schema"), media.child("itemSchema")
    node = scope.graph.comparer.node((schema,) if schema is not None else ())
    found: dict[str, Term] = dict(node.properties)
    found |= {str(number): term for number, term in enumerate(node.prefix)}
    return found | {"*": (item,) if item is not None else node.items or ()}


def _media_types(scope: Scope, part: Part) -> set[str]:
    """Return the media types of a part of a form.

    They are listed in the `encoding` of the part, or the schema of the part implies them.
    """
    encoding = part.encoding.text("contentType") if part.encoding else ""
    if encoding:
        return {normal(each) for each in encoding.split(",") if each.strip()}
    return set(_defaults(scope, scope.graph.comparer.node(part.term)))


def _defaults(scope: Scope, node: Node) -> Iterator[str]:
    if node.types - {"null"} == {"array"}:  # each item of an array is a part
        node = scope.graph.comparer.node(node.items or ())
    if node.types >= {"object", "string", "number"}:  # a part without a type
        yield _BYTES
        return
    for kind in node.types - {"null"}:
        if kind in {"array", "object"}:
            yield _OBJECT
        else:
            yield _BYTES if kind == "string" and _binary(node) else _TEXT


def _binary(node: Node) -> bool:
    return "contentEncoding" in node.opaque or not _BINARY.isdisjoint(node.formats)
