"""Compare the life cycle (stability, deprecation, sunset, removal), ids and tags of operations."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from typing import Any

from infra_openapi import facts, stability
from infra_openapi.api.endpoint import Endpoint
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction

NONE = Direction.NONE
_STABILITY = {
    "decreased": facts.OPERATION_STABILITY_DECREASED,
    "increased": facts.OPERATION_STABILITY_INCREASED,
    "invalid": facts.OPERATION_STABILITY_INVALID,
}


def sunset(element: Element) -> Any:
    """Return the sunset date of an operation or parameter (`x-sunset`), as the document contains it.

    The sunset date is the day from which a deprecated part can be removed. The result is None if the element
    has no sunset date. If the document is invalid, the result can be a value that is not a string.
    """
    return element.value("x-sunset")


def day(value: Any) -> dt.date | None:
    """Return the date that a sunset value states: a date, a date-time or an HTTP date.

    The result is None for any other value.
    """
    if not isinstance(value, str):
        return None
    try:
        return dt.datetime.fromisoformat(value.strip()).date()
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).date()
    except (ValueError, TypeError, IndexError):
        return None


def sunset_removed(before: Any, after: Any) -> bool:
    """Return whether a sunset date was removed, or was replaced by a value that is not a date."""
    return before is not None and day(after) is None and (after is None or day(before) is not None)


def removed(scope: Scope, old: Endpoint, container: Element, today: dt.date, kind: FactKind) -> None:
    """Add the fact that an operation was removed.

    `kind` is the kind of the fact if the operation was neither unstable nor deprecated. `container` is the
    element of the new document that would contain the operation.
    """
    subject = str(old.name)
    sunset_value = sunset(old.element)
    if old.unstable:
        scope.fact(
            facts.OPERATION_REMOVED_UNSTABLE, NONE, old.element, container, old.stability, None, subject
        )
    elif not old.element.flag("deprecated"):
        scope.fact(kind, NONE, old.element, container, None, None, subject)
    elif sunset_value is None:
        scope.fact(facts.OPERATION_REMOVED_DEPRECATED, NONE, old.element, container, None, None, subject)
    else:
        sunset_day = day(sunset_value)
        has_passed = sunset_day is not None and sunset_day <= today
        fact = facts.OPERATION_REMOVED_AFTER_SUNSET if has_passed else facts.OPERATION_REMOVED_BEFORE_SUNSET
        scope.fact(fact, NONE, old.element, container, sunset_value, None, subject)


def compare(scope: Scope, old: Endpoint, new: Endpoint) -> None:
    """Add facts about the changed stability, deprecation, sunset, id and tags of an operation."""
    subject = str(new.name)
    _stability(scope, old, new, subject)
    _deprecation(scope, old, new, subject)
    before, after = old.element.text("operationId"), new.element.text("operationId")
    if before != after:
        removed_or_added = facts.OPERATION_ID_REMOVED if before else facts.OPERATION_ID_ADDED
        kind = facts.OPERATION_ID_CHANGED if before and after else removed_or_added
        scope.fact(kind, NONE, None, None, before or None, after or None, subject)
    tags = [element.raw for element in old.element.items("tags") if isinstance(element.raw, str)]
    new_tags = [element.raw for element in new.element.items("tags") if isinstance(element.raw, str)]
    for tag in sorted(set(tags) - set(new_tags)):
        scope.fact(facts.OPERATION_TAG_REMOVED, NONE, None, None, tag, None, subject)
    for tag in sorted(set(new_tags) - set(tags)):
        scope.fact(facts.OPERATION_TAG_ADDED, NONE, None, None, None, tag, subject)


def _stability(scope: Scope, old: Endpoint, new: Endpoint, subject: str) -> None:
    before, after = old.stability, new.stability
    change = stability.change(before, after)
    if change:
        scope.fact(_STABILITY[change], NONE, None, None, before, after, subject)


def _deprecation(scope: Scope, old: Endpoint, new: Endpoint, subject: str) -> None:
    was, is_ = old.element.flag("deprecated"), new.element.flag("deprecated")
    before, after = sunset(old.element), sunset(new.element)
    if is_ and not was:
        scope.fact(facts.OPERATION_DEPRECATED, NONE, None, None, None, after, subject)
    elif was and not is_:
        scope.fact(facts.OPERATION_REACTIVATED, NONE, None, None, before, None, subject)
    elif was and sunset_removed(before, after):
        scope.fact(facts.OPERATION_SUNSET_REMOVED, NONE, None, None, before, after, subject)
    if is_ and after is not None and before != after:
        old_day, new_day = day(before), day(after)
        if new_day is None:
            scope.fact(facts.OPERATION_SUNSET_INVALID, NONE, None, None, before, after, subject)
        elif was and old_day is not None and new_day < old_day:
            scope.fact(facts.OPERATION_SUNSET_EARLIER, NONE, None, None, before, after, subject)
