"""Compare how the parts (fields) of form bodies are written: serialization and media type of each part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra_openapi import facts
from infra_openapi.api.media_type import covers, normal
from infra_openapi.api.style import alternatives, differ, style, types
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.finding import Direction
from infra_openapi.schema.node import Node, Term

_URLENCODED, _FORM_DATA = "application/x-www-form-urlencoded", "multipart/form-data"
FORMS = frozenset({_URLENCODED, _FORM_DATA})
_TEXT, _OBJECT, _BYTES = "text/plain", "application/json", "application/octet-stream"
_BINARY = frozenset({"binary", "base64", "byte"})
#: If an encoding has one of these keywords and they apply (see `styled`), its `contentType` is ignored.
_STYLE_KEYS = frozenset({"style", "explode", "allowReserved"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part (field) of a form in one document.

    `encoding` is the encoding object of the part (None if it is missing), `form` is the media type object of
    the form, and `term` is the schema of the part.
    """

    encoding: Element | None
    form: Element
    term: Term

    @property
    def element(self) -> Element:
        """Return the `encoding` of the part, or the media type of the form if the part has no `encoding`."""
        return self.encoding or self.form


def parts(scope: Scope, name: str, old: Element, new: Element) -> Iterator[tuple[str, Part, Part]]:
    """Yield the parts of a form that have an `encoding` in the old or the new document.

    Each result is a tuple of the name of the part, the old part and the new part. A part is omitted if one of
    the documents declares no schema for it. The name of an item is its index, or `*` for `itemEncoding`.
    """
    if not name.startswith(("multipart/", _URLENCODED)):
        return
    before, after = _encodings(old), _encodings(new)
    old_terms, new_terms = _terms(scope, old), _terms(scope, new)
    for part in sorted({**before, **after}):
        if part in old_terms and part in new_terms:
            yield (
                part,
                Part(encoding=before.get(part), form=old, term=old_terms[part]),
                Part(encoding=after.get(part), form=new, term=new_terms[part]),
            )


def compare(scope: Scope, name: str, part: str, old: Part, new: Part, direction: Direction) -> None:
    """Add facts about the changed encoding of one part of a form; `name` is the form's media type."""
    was_styled, is_styled = styled(name, old.encoding), styled(name, new.encoding)
    if was_styled and is_styled:
        before, after = style(old.encoding, "query"), style(new.encoding, "query")
        if differ(scope, before, after, old.term, new.term):
            scope.fact(
                facts.ENCODING_CHANGED, direction, old.element, new.element, str(before), str(after), part
            )
    elif was_styled or is_styled:
        _switched(scope, name, part, old, new, direction)
    else:
        _media_type_changes(scope, part, old, new, direction)
    was, is_ = (
        bool(form_part.encoding and has_style and form_part.encoding.flag("allowReserved"))
        for form_part, has_style in ((old, was_styled), (new, is_styled))
    )
    if was != is_:
        kind = facts.PARAMETER_RESERVED_ALLOWED if is_ else facts.PARAMETER_RESERVED_FORBIDDEN
        scope.fact(kind, direction, old.element, new.element, was, is_, f"form field {part}")


def styled(name: str, encoding: Element | None) -> bool:
    """Return whether `encoding` defines that a form part is written like a query parameter.

    The media type of such a part has no effect.

    Source: OpenAPI 3.0.4 and 3.1.1, "Encoding Object": `contentType` is ignored if `style`, `explode` or
    `allowReserved` is given. In OpenAPI 3.0, these keywords apply only to
    `application/x-www-form-urlencoded`.
    """
    if encoding is None or not isinstance(encoding.raw, dict):
        return False
    applies = name == _URLENCODED or (name == _FORM_DATA and encoding.document.modern)
    return applies and not _STYLE_KEYS.isdisjoint(encoding.raw)


def _switched(scope: Scope, name: str, part: str, old: Part, new: Part, direction: Direction) -> None:
    """Compare a form part that has a style in one document only; in the other document, it has no style."""
    descriptions: list[str] = []
    changed = False
    for version, other_version in ((old, new), (new, old)):
        if styled(name, version.encoding):
            descriptions.append(str(style(version.encoding, "query")))
            continue
        explicit = version.encoding.text("contentType") if version.encoding else ""
        shared_types = types(scope, version.term) & types(scope, other_version.term) - {"null"}
        if explicit:
            changed = normal(explicit) != _TEXT or "object" in shared_types
            descriptions.append(normal(explicit))
        else:
            # Without `contentType`, a field of a form has the style `form`, but an object in
            # `multipart/form-data` is JSON.
            default = style(None, "query")
            changed = (name == _FORM_DATA and "object" in shared_types) or differ(
                scope, default, style(other_version.encoding, "query"), version.term, other_version.term
            )
            descriptions.append(str(default))
    if changed:
        scope.fact(
            facts.ENCODING_CHANGED,
            direction,
            old.element,
            new.element,
            descriptions[0],
            descriptions[1],
            part,
        )


def _media_type_changes(scope: Scope, part: str, old: Part, new: Part, direction: Direction) -> None:
    old_types, new_types = _media_types(scope, old), _media_types(scope, new)
    for removed_type in sorted(
        media_type
        for media_type in old_types
        if not any(covers(covering_type, media_type) for covering_type in new_types)
    ):
        scope.fact(
            facts.PART_MEDIA_TYPE_REMOVED, direction, old.element, new.element, removed_type, None, part
        )
    for added_type in sorted(
        media_type
        for media_type in new_types
        if not any(covers(covering_type, media_type) for covering_type in old_types)
    ):
        scope.fact(facts.PART_MEDIA_TYPE_ADDED, direction, old.element, new.element, None, added_type, part)


def _encodings(media: Element) -> dict[str, Element]:
    encodings = dict(media.mapping("encoding"))
    encodings |= {str(number): element for number, element in enumerate(media.items("prefixEncoding"))}
    item = media.child("itemEncoding")
    return encodings | ({"*": item} if item is not None else {})


def _terms(scope: Scope, media: Element) -> dict[str, Term]:
    schema, item = media.child("schema"), media.child("itemSchema")
    node = scope.graph.schemas.node((schema,) if schema is not None else ())
    terms: dict[str, Term] = dict(node.properties)
    terms |= {str(number): term for number, term in enumerate(node.prefix)}
    return terms | {"*": (item,) if item is not None else node.items or ()}


def _media_types(scope: Scope, part: Part) -> set[str]:
    """Return the media types of a part of a form.

    If the `encoding` of the part lists no media types, the default media types for the schema of the part are
    returned.
    """
    encoding = part.encoding.text("contentType") if part.encoding else ""
    if encoding:
        return {normal(name) for name in encoding.split(",") if name.strip()}
    return {default for node in alternatives(scope, part.term) for default in _defaults(scope, node)}


def _defaults(scope: Scope, node: Node) -> set[str]:
    """Return the default media types of a form part whose schema is `node`; `node` has no alternatives."""
    if node.types - {"null"} == {"array"}:  # each item of an array is a part
        return {
            default for item in alternatives(scope, node.items or ()) for default in _defaults_of_types(item)
        }
    return _defaults_of_types(node)


def _defaults_of_types(node: Node) -> set[str]:
    if node.types >= {"object", "string", "number"}:  # the schema has no `type`
        return {_BYTES}
    defaults = set()
    for kind in node.types - {"null"}:
        if kind in {"array", "object"}:
            defaults.add(_OBJECT)
        else:
            defaults.add(_BYTES if kind == "string" and _binary(node) else _TEXT)
    return defaults


def _binary(node: Node) -> bool:
    return "contentEncoding" in node.opaque or not _BINARY.isdisjoint(node.formats)
