"""Parameters: which there are, whether they must come, and where they go."""

from __future__ import annotations

import datetime as dt

from infra_openapi.api import media
from infra_openapi.api.endpoint import Endpoint
from infra_openapi.api.lifecycle import day, lost, sunset
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.finding import Direction


def compare(scope: Scope, old: Endpoint, new: Endpoint, direction: Direction, today: dt.date) -> None:
    """Tell how the parameters of an operation changed; `today` decides whether a sunset has passed."""
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
    return schema is not None and "default" in scope.graph.comparer.node((schema,)).notes


def _removed(element: Element, direction: Direction, today: dt.date) -> tuple[str, str]:
    """The fact, by what was said of the parameter before, and its sunset."""
    last = sunset(element) if element.flag("deprecated") else None
    if last is not None:
        ends = day(last)
        passed = ends is not None and ends <= today
        return f"parameter-removed-{'after' if passed else 'before'}-sunset", str(last)
    if direction is Direction.RESPONSE and _must(element):
        return "required-parameter-removed", ""
    return "parameter-removed", ""


def _added(scope: Scope, element: Element, place: str) -> str:
    if not _must(element):
        return "parameter-added"
    return "parameter-added-required" + (
        "-with-default" if place != "path" and _has_default(scope, element) else ""
    )


def _changed(scope: Scope, old: Element, new: Element, direction: Direction) -> None:
    subject = _called(new)
    if _must(new) and not _must(old):
        name = "parameter-became-required" + ("-with-default" if _has_default(scope, new) else "")
        scope.fact(name, direction, old, new, False, True, subject)
    elif _must(old) and not _must(new):
        scope.fact("parameter-became-optional", direction, old, new, True, False, subject)
    _toggled(scope, old, new, direction, "allowReserved", word="reserved", subject=subject)
    _toggled(scope, old, new, direction, "allowEmptyValue", word="empty", subject=subject)
    _life(scope, old, new, direction, subject)
    media.value(scope, old, new, direction, "parameter", subject=subject, place=new.text("in"))


def _toggled(
    scope: Scope, old: Element, new: Element, direction: Direction, key: str, *, word: str, subject: str
) -> None:
    was, is_ = (element.flag(key) and _heeded(key, element) for element in (old, new))
    if was != is_:
        name = f"parameter-{word}-{'allowed' if is_ else 'forbidden'}"
        scope.fact(name, direction, old, new, was, is_, subject)


def _heeded(key: str, element: Element) -> bool:
    """Both flags are of the query alone, until 3.2 let reserved characters into other escaped places."""
    place = element.text("in")
    escaped = place != "header" and element.document.version.startswith("3.2")
    return place == "query" or (key == "allowReserved" and escaped)


def _life(scope: Scope, old: Element, new: Element, direction: Direction, subject: str) -> None:
    was, is_ = old.flag("deprecated"), new.flag("deprecated")
    before, after = sunset(old), sunset(new)
    if was != is_:
        name = "parameter-deprecated" if is_ else "parameter-reactivated"
        scope.fact(name, direction, old, new, before, after, subject)
    elif is_ and lost(before, after):
        scope.fact("parameter-sunset-removed", direction, old, new, before, after, subject)
    elif is_:
        first, second = day(before), day(after)
        if first is not None and second is not None and second < first:
            scope.fact("parameter-sunset-earlier", direction, old, new, before, after, subject)
