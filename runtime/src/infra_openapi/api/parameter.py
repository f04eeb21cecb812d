"""Compare the parameters of an operation: added, removed, required, serialization, deprecation."""

from __future__ import annotations

import datetime as dt

from infra_openapi import facts
from infra_openapi.api import media
from infra_openapi.api.endpoint import Endpoint
from infra_openapi.api.lifecycle import day, sunset, sunset_removed
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

    The sunset date of a removed parameter has passed if it is not later than `today`.
    """
    before, after = old.parameters(), new.parameters()
    for key in sorted({**before, **after}):
        old_parameter, new_parameter = before.get(key), after.get(key)
        location = key[0]
        inner = scope.enter(f"parameter {location}", old_parameter, new_parameter, direction)
        if inner is None:
            continue
        if new_parameter is None and old_parameter is not None:
            name, sunset_date = _removed(old_parameter, direction, today)
            inner.fact(
                name,
                direction,
                old_parameter,
                new.element,
                sunset_date or _name(old_parameter),
                None,
                _subject(old_parameter),
            )
        elif old_parameter is None and new_parameter is not None:
            inner.fact(
                _added(inner, new_parameter, location),
                direction,
                old.element,
                new_parameter,
                None,
                _name(new_parameter),
                _subject(new_parameter),
            )
        elif old_parameter is not None and new_parameter is not None:
            _changed(inner, old_parameter, new_parameter, direction)


def _name(element: Element) -> str:
    return element.text("name")


def _subject(element: Element) -> str:
    return f"{element.text('in')} parameter {_name(element)}"


def _is_required(element: Element) -> bool:
    return element.flag("required") or element.text("in") == "path"


def _has_default(scope: Scope, element: Element) -> bool:
    schema = element.child("schema")
    return schema is not None and "default" in scope.graph.schemas.node((schema,)).notes


def _removed(element: Element, direction: Direction, today: dt.date) -> tuple[FactKind, str]:
    """Return the kind of fact for a removed parameter, and the sunset date that the parameter had.

    The date is an empty string if the parameter was not deprecated or had no sunset date.
    """
    sunset_value = sunset(element) if element.flag("deprecated") else None
    if sunset_value is not None:
        sunset_day = day(sunset_value)
        has_passed = sunset_day is not None and sunset_day <= today
        kind = facts.PARAMETER_REMOVED_AFTER_SUNSET if has_passed else facts.PARAMETER_REMOVED_BEFORE_SUNSET
        return kind, str(sunset_value)
    if direction is Direction.RESPONSE and _is_required(element):
        return facts.REQUIRED_PARAMETER_REMOVED, ""
    return facts.PARAMETER_REMOVED, ""


def _added(scope: Scope, element: Element, location: str) -> FactKind:
    if not _is_required(element):
        return facts.PARAMETER_ADDED
    if location != "path" and _has_default(scope, element):
        return facts.PARAMETER_ADDED_REQUIRED_WITH_DEFAULT
    return facts.PARAMETER_ADDED_REQUIRED


def _changed(scope: Scope, old: Element, new: Element, direction: Direction) -> None:
    subject = _subject(new)
    if _is_required(new) and not _is_required(old):
        default = _has_default(scope, new)
        kind = facts.PARAMETER_BECAME_REQUIRED_WITH_DEFAULT if default else facts.PARAMETER_BECAME_REQUIRED
        scope.fact(kind, direction, old, new, False, True, subject)
    elif _is_required(old) and not _is_required(new):
        scope.fact(facts.PARAMETER_BECAME_OPTIONAL, direction, old, new, True, False, subject)
    for key, allowed, forbidden in _FLAGS:
        was, is_ = (element.flag(key) and _applies(key, element) for element in (old, new))
        if was != is_:
            scope.fact(allowed if is_ else forbidden, direction, old, new, was, is_, subject)
    _deprecation(scope, old, new, direction, subject)
    media.value(
        scope,
        old,
        new,
        direction,
        facts.PARAMETER_SERIALIZATION_CHANGED,
        subject=subject,
        sent_in=new.text("in"),
    )


def _applies(key: str, element: Element) -> bool:
    """Return whether a flag of a parameter, such as `allowReserved`, has an effect.

    Flags apply only to query parameters. Since OpenAPI 3.2, `allowReserved` applies to all parameters except
    headers.
    """
    location = element.text("in")
    reserved_applies = location != "header" and element.document.version.startswith("3.2")
    return location == "query" or (key == "allowReserved" and reserved_applies)


def _deprecation(scope: Scope, old: Element, new: Element, direction: Direction, subject: str) -> None:
    was, is_ = old.flag("deprecated"), new.flag("deprecated")
    before, after = sunset(old), sunset(new)
    if was != is_:
        name = facts.PARAMETER_DEPRECATED if is_ else facts.PARAMETER_REACTIVATED
        scope.fact(name, direction, old, new, before, after, subject)
    elif is_ and sunset_removed(before, after):
        scope.fact(facts.PARAMETER_SUNSET_REMOVED, direction, old, new, before, after, subject)
    elif is_:
        old_day, new_day = day(before), day(after)
        if old_day is not None and new_day is not None and new_day < old_day:
            scope.fact(facts.PARAMETER_SUNSET_EARLIER, direction, old, new, before, after, subject)
