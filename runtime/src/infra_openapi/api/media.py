"""Compare media types of messages (and the schema of each), headers, and the values of parameters."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.api import encoding, xml_shape
from infra_openapi.api.media_type import covers, narrowest, normal
from infra_openapi.api.style import differ, style
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.document.reference import follow
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction
from infra_openapi.schema.change import Mode
from infra_openapi.schema.node import Term


def compare(
    scope: Scope, old: Element, new: Element, direction: Direction, *, negotiated: bool = False
) -> None:
    """Add facts about the changed `content` of a body, response, parameter or header.

    `content` maps media types to objects that contain the schemas. `negotiated` is true if the client selects
    the media type.
    """
    before, after = _by_name(old), _by_name(new)
    added, removed = facts.MEDIA_TYPE_ADDED, facts.MEDIA_TYPE_REMOVED
    if direction is Direction.RESPONSE and not negotiated:
        added, removed = facts.DELIVERED_MEDIA_TYPE_ADDED, facts.DELIVERED_MEDIA_TYPE_REMOVED
    for name, element in sorted(before.items()):
        if name in after:
            _compare_media_type(scope, name, element, after[name], direction)
            continue
        # A removed media type is compared with the narrowest media range of the new document that includes
        # the media type.
        wider = narrowest(name, list(after))
        if wider is not None:
            _compare_media_type(scope, name, element, after[wider], direction)
            if negotiated and direction is Direction.RESPONSE and wider not in before:
                subject = f"media type {name}"
                scope.fact(
                    facts.MEDIA_TYPE_GENERALIZED, direction, element, after[wider], name, wider, subject
                )
        elif (
            negotiated
            and direction is Direction.RESPONSE
            and (narrower := [new_name for new_name in sorted(after) if covers(name, new_name)])
        ):
            scope.fact(
                facts.MEDIA_TYPE_SPECIALIZED,
                direction,
                element,
                new,
                name,
                narrower,
                f"media type {name}",
            )
        else:
            scope.fact(removed, direction, element, new, name, None, f"media type {name}")
    for name, element in sorted(after.items()):
        if name in before:
            continue
        wider = narrowest(name, list(before))
        if wider is not None:
            _compare_media_type(scope, name, before[wider], element, direction)
        elif not negotiated or all(old_name in after or not covers(name, old_name) for old_name in before):
            scope.fact(added, direction, old, element, None, name, f"media type {name}")


def _by_name(element: Element) -> dict[str, Element]:
    return {normal(name): media for name, media in element.mapping("content").items()}


def _compare_media_type(scope: Scope, name: str, old: Element, new: Element, direction: Direction) -> None:
    old, new = follow(old), follow(new)
    for key in ("schema", "itemSchema"):
        old_term, new_term = _term(old, key), _term(new, key)
        if old_term or new_term:
            scope.schema(old_term, new_term, Mode(direction, _text(name, old, new)), key)
        if xml_shape.used(name):
            xml_shape.compare(scope, old_term, new_term, direction)
    for part, old_part, new_part in encoding.parts(scope, name, old, new):
        encoding.compare(scope, name, part, old_part, new_part, direction)
        if name.startswith("multipart/"):
            headers(
                scope, old_part.encoding, new_part.encoding, direction, old_part.element, new_part.element
            )


def _text(name: str, old: Element, new: Element) -> int:
    """Return `Mode.text` for a media type: 1 for `text/plain`, 2 for a form of text parts, otherwise 0.

    Numbers and strings are not distinguished in values that are sent as text.
    """
    if name == "text/plain":
        return 1
    if name not in encoding.FORMS:
        return 0
    encodings = (part for element in (old, new) for part in element.mapping("encoding").values())
    # A part with its own media type can be JSON, which distinguishes numbers from strings.
    typed = (part.text("contentType") for part in encodings if not encoding.styled(name, part))
    return 0 if any(kind and not kind.lower().startswith("text/") for kind in typed) else 2


def _term(element: Element, key: str) -> Term:
    inner = element.child(key)
    return (inner,) if inner is not None else ()


def headers(
    scope: Scope,
    old: Element | None,
    new: Element | None,
    direction: Direction,
    old_part: Element,
    new_part: Element,
) -> None:
    """Add facts about the changed headers of a response, or of a part of a form.

    `old` and `new` contain the headers. If only one document has a header, the fact contains `old_part` or
    `new_part` as the element of the other document.
    """
    before, after = _by_header(old), _by_header(new)
    for name in sorted({**before, **after}):
        old_header, new_header = before.get(name), after.get(name)
        if old_header is None and new_header is not None:
            fact = facts.HEADER_ADDED_REQUIRED if new_header.flag("required") else facts.HEADER_ADDED
            scope.fact(fact, direction, old_part, new_header, None, name, name)
        elif new_header is None and old_header is not None:
            fact = facts.REQUIRED_HEADER_REMOVED if old_header.flag("required") else facts.HEADER_REMOVED
            scope.fact(fact, direction, old_header, new_part, name, None, name)
        elif old_header is not None and new_header is not None:
            inner = scope.enter(f"header {name}", old_header, new_header, direction)
            if inner is not None:
                _header(inner, old_header, new_header, direction, name)


def _by_header(message_part: Element | None) -> dict[str, Element]:
    """Return the headers of a response or part by lower-case name, without the header `Content-Type`."""
    headers = message_part.mapping("headers") if message_part is not None else {}
    return {
        name.lower(): follow(element) for name, element in headers.items() if name.lower() != "content-type"
    }


def _header(scope: Scope, old: Element, new: Element, direction: Direction, name: str) -> None:
    was, is_ = old.flag("required"), new.flag("required")
    if was and not is_:
        scope.fact(facts.HEADER_BECAME_OPTIONAL, direction, old, new, True, False, name)
    elif is_ and not was:
        scope.fact(facts.HEADER_BECAME_REQUIRED, direction, old, new, False, True, name)
    if old.flag("deprecated") != new.flag("deprecated"):
        fact = facts.HEADER_DEPRECATED if new.flag("deprecated") else facts.HEADER_REACTIVATED
        scope.fact(fact, direction, old, new, None, None, name)
    value(scope, old, new, direction, facts.HEADER_SERIALIZATION_CHANGED, subject=name, sent_in="header")


def value(
    scope: Scope,
    old: Element,
    new: Element,
    direction: Direction,
    kind: FactKind,
    *,
    subject: str,
    sent_in: str,
) -> None:
    """Compare the schema and the serialization of a parameter or header.

    `kind` is the kind of the fact that is added if the serialization changed. `sent_in` is the value of `in`,
    such as `query`.
    """
    old_content, new_content = old.mapping("content"), new.mapping("content")
    if old_content and new_content:
        compare(scope, old, new, direction)
        return
    before, after = style(old, sent_in), style(new, sent_in)
    old_term, new_term = _term(old, "schema"), _term(new, "schema")
    if old_content or new_content:
        was, is_ = ", ".join(old_content) or str(before), ", ".join(new_content) or str(after)
        scope.fact(kind, direction, old, new, was, is_, subject)
        return
    if differ(scope, before, after, old_term, new_term):
        scope.fact(kind, direction, old, new, str(before), str(after), subject)
    exploded = sent_in == "query" and after == ("form", True)
    scope.schema(old_term, new_term, Mode(direction, text=2, exploded=exploded))
