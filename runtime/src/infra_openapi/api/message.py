"""Compare the messages of an operation: its request body, and its responses with headers and links."""

from __future__ import annotations

from typing import Any

from infra_openapi import facts
from infra_openapi.api import encoding, media
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.document.reference import follow
from infra_openapi.finding import Direction

_SUCCESS = ("2", "3")


def body(scope: Scope, old: Element, new: Element, direction: Direction) -> None:
    """Add facts about the changed request body of an operation.

    `old` and `new` are the operations with the old and the new request body.
    """
    before, after = _followed(old.child("requestBody")), _followed(new.child("requestBody"))
    inner = scope.enter("body", before, after, direction) if before or after else None
    if inner is None:
        return
    if before is None and after is not None:
        name = facts.BODY_ADDED_REQUIRED if after.flag("required") else facts.BODY_ADDED
        inner.fact(name, direction, old, after)
    elif after is None:
        inner.fact(facts.BODY_REMOVED, direction, before, new)
    elif before is not None:
        was, is_ = before.flag("required"), after.flag("required")
        if _is_form_of_fields(before) and _is_form_of_fields(after):
            pass  # required form fields have separate facts
        elif is_ and not was:
            inner.fact(facts.BODY_BECAME_REQUIRED, direction, before, after, False, True)
        elif was and not is_:
            inner.fact(facts.BODY_BECAME_OPTIONAL, direction, before, after, True, False)
        media.compare(inner, before, after, direction)


def _is_form_of_fields(body: Element) -> bool:
    """Return whether a request body was created from the form fields that a Swagger 2.0 document declares."""
    return body.document.version.startswith("2") and body.mapping("content").keys() <= encoding.FORMS


def _followed(element: Element | None) -> Element | None:
    return follow(element) if element is not None and element.raw is not None else None


def responses(scope: Scope, old: Element, new: Element, direction: Direction) -> None:
    """Add facts about the changed responses of an operation.

    The response for a status is under the first of these keys that exists: the status itself, the range of
    the status (such as `4XX`), and `default`.
    """
    before, after = _by_status(old), _by_status(new)
    compared: set[tuple[str, str]] = set()
    for status in sorted({**before, **after}):
        old_status, new_status = _response_key(status, before), _response_key(status, after)
        if old_status and new_status:
            if status in after or status in before:
                compared.add((old_status, new_status))
        elif old_status and not _range_contains_any(status, after):
            kind = facts.SUCCESS_STATUS_REMOVED if status.startswith(_SUCCESS) else facts.STATUS_REMOVED
            scope.fact(kind, direction, before[old_status], new, status, None, status)
        elif new_status and not old_status and not _range_contains_any(status, before):
            kind = facts.SUCCESS_STATUS_ADDED if status.startswith(_SUCCESS) else facts.STATUS_ADDED
            scope.fact(kind, direction, old, after[new_status], None, status, status)
    for old_key, new_key in sorted(compared):
        _response(scope, follow(before[old_key]), follow(after[new_key]), direction)


def _by_status(operation: Element) -> dict[str, Element]:
    responses: dict[str, Element] = {}
    for status, element in operation.mapping("responses").items():
        name = status if status == "default" else status.upper()
        if name == "default" or (
            len(name) == 3 and name[0] in "12345" and (name[1:] == "XX" or name.isdecimal())
        ):
            responses[name] = element
        elif not status.startswith("x-"):
            operation.document.note(
                element, f"the key {status!r} is not a status, so the comparison ignores this response"
            )
    return responses


def _response_key(status: str, responses: dict[str, Element]) -> str:
    """Return the key of the response for a status; empty if `responses` does not contain such a response.

    The key is the first of these that exists: the status itself, its range (such as `4XX`), and `default`.
    """
    for name in (status, f"{status[0]}XX", "default"):
        if name in responses:
            return name
    return ""


def _range_contains_any(status: str, statuses: dict[str, Element]) -> bool:
    """Return whether `status` is a range, such as `4XX`, and `statuses` contains a status in this range."""
    return status.endswith("XX") and any(single_status[0] == status[0] for single_status in statuses)


def _response(scope: Scope, old: Element, new: Element, direction: Direction) -> None:
    inner = scope.enter("response", old, new, direction)
    if inner is None:
        return
    media.compare(inner, old, new, direction, negotiated=True)
    media.headers(inner, old, new, direction, old, new)
    _links(inner, old, new, direction)


def _links(scope: Scope, old: Element, new: Element, direction: Direction) -> None:
    before, after = old.mapping("links"), new.mapping("links")
    for name in sorted({**before, **after}):
        old_link, new_link = before.get(name), after.get(name)
        if new_link is None:
            scope.fact(facts.LINK_REMOVED, direction, old_link, new, name, None, name)
        elif old_link is None:
            scope.fact(facts.LINK_ADDED, direction, old, new_link, None, name, name)
        else:
            old_target, new_target = _link(follow(old_link)), _link(follow(new_link))
            if old_target != new_target:
                scope.fact(facts.LINK_CHANGED, direction, old_link, new_link, old_target, new_target, name)


def _link(element: Element) -> dict[str, Any]:
    """Return the target operation of a link, and the parameters and the body that the link sets."""
    raw = element.raw if isinstance(element.raw, dict) else {}
    return {
        key: raw[key] for key in ("operationRef", "operationId", "parameters", "requestBody") if key in raw
    }
