"""Compare the parameters of an operation: added, removed, required, serialization, deprecation."""

from __future__ import annotations

import datetime as dt

from infra_openapi import facts
from infra_openapi.api import media
from infra_openapi.api.endpoint import Endpoint
from infra_openapi.api.lifecycle import day, lost, sunset
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction

#: A flag of a parameter, the kind of fact if the new document sets the flag, and the kind of fact if the new
#: document removes the flag.
_FLAGS = (
    ("allowReserved", facts.PARAMETER_RESERVED_ALLOWED, facts.PARAMETER_RESERVED_FORBIDDEN),
    ("allowEmptyValue", facts.PARAMETER_EMPTY_ALLOWED, facts.PARAMETER_EMPTY_FORBIDDEN),
)


def compare(scope: Scope, old: Endpoint, new: Endpoint, direction: Direction, today: dt.date) -> None:
    """Add facts about the changed parameters of an operation.

    `today` decides whether the sunset date of a removed parameter has passed.
    """
    before, after = old.parameters(), new.parameters()
    for key in sorted({**before, **after}):
        first, second = before.get(key), after.get(key)
        place = key[0]
        inner = scope.enter(f"parameter {place}", first, second, direction)
        if inner is None:
            continue
        if second is None and first is not None:
            name, last = _removed(first, direction, today)
            inner.fact(name, direction, first, new.element, last or _name(first), None, _called(first))
        elif first is None and second is not None:
            inner.fact(
                _added(inner, second, place),
                direction,
                old.element,
                second,
                None,
                _name(second),
                _called(second),
            )
        elif first is not None and second is not None:
            _changed(inner, first, second, direction)


def _name(element: Element) -> str:
    return element.text("name")


def _called(element: Element) -> str:
    return f"{element.text('in')} parameter {_name(element)}"


def _must(element: Element) -> bool:
    return element.flag("required") or element.text("in") == "path"


def _has_default(scope: Scope, element: Element) -> bool:
    schema = element.child("schema")
    return schema is not None and "default" in scope.graph.schemas.node((schema,)).notes


def _removed(element: Element, direction: Direction, today: dt.date) -> tuple[FactKind, str]:
    """Return the kind of fact for a removed parameter, and the sunset date that the parameter had."""
    last = sunset(element) if element.flag("deprecated") else None
    if last is not None:
        ends = day(last)
        passed = ends is not None and ends <= today
        kind = facts.PARAMETER_REMOVED_AFTER_SUNSET if passed else facts.PARAMETER_REMOVED_BEFORE_SUNSET
        return kind, str(last)
    if direction is Direction.RESPONSE and _must(element):
        return facts.REQUIRED_PARAMETER_REMOVED, ""
    return facts.PARAMETER_REMOVED, ""


def _added(scope: Scope, element: Element, place: str) -> FactKind:
    if not _must(element):
        return facts.PARAMETER_ADDED
    if place != "path" and _has_default(scope, element):
        return facts.PARAMETER_ADDED_REQUIRED_WITH_DEFAULT
    return facts.PARAMETER_ADDED_REQUIRED


def _changed(scope: Scope, old: Element, new: Element, direction: Direction) -> None:
    subject = _called(new)
    if _must(new) and not _must(old):
        default = _has_default(scope, new)
        kind = facts.PARAMETER_BECAME_REQUIRED_WITH_DEFAULT if default else facts.PARAMETER_BECAME_REQUIRED
        scope.fact(kind, direction, old, new, False, True, subject)
    elif _must(old) and not _must(new):
        scope.fact(facts.PARAMETER_BECAME_OPTIONAL, direction, old, new, True, False, subject)
    for key, allowed, forbidden in _FLAGS:
        was, is_ = (element.flag(key) and _applies(key, element) for element in (old, new))
        if was != is_:
            scope.fact(allowed if is_ else forbidden, direction, old, new, was, is_, subject)
    _life(scope, old, new, direction, subject)
    media.value(
        scope,
        old,
        new,
        direction,
        facts.PARAMETER_SERIALIZATION_CHANGED,
        subject=subject,
        place=new.text("in"),
    )


def _applies(key: str, element: Element) -> bool:
    """Return whether a flag of a parameter, such as `allowReserved`, has an effect.

    Flags apply only to query parameters; since OpenAPI 3.2, `allowReserved` applies to all parameters.
    """
    place = element.text("in")
    escaped = place != "header" and element.document.version.startswith("3.2")
    return place == "query" or (key == "allowReserved" and escaped)


def _life(scope: Scope, old: Element, new: Element, direction: Direction, subject: str) -> None:
    was, is_ = old.flag("deprecated"), new.flag("deprecated")
    before, after = sunset(old), sunset(new)
    if was != is_:
        name = facts.PARAMETER_DEPRECATED if is_ else facts.PARAMETER_REACTIVATED
        scope.fact(name, direction, old, new, before, after, subject)
    elif is_ and lost(before, after):
        scope.fact(facts.PARAMETER_SUNSET_REMOVED, direction, old, new, before, after, subject)
    elif is_:
        first, second = day(before), day(after)
        if first is not None and second is not None and second < first:
            scope.fact(facts.PARAMETER_SUNSET_EARLIER, direction, old, new, before, after, subject)
