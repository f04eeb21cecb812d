"""Search for an array that some schemas allow and other schemas reject."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from infra_openapi.schema.literal import NOTHING, Literal, Literals, Search, limit
from infra_openapi.schema.node import Node, Term
from infra_openapi.schema.scalar_values import same_opaque

_MAX_ITEMS = 100


class _Violation(NamedTuple):
    """A condition that makes an array violate a schema: limits of its length, or a schema for one item.

    Without a condition, any array can violate the schema, because some keywords are not evaluated.
    """

    min_length: float = 0
    max_length: float = math.inf
    position: int = -1
    item: Literal | None = None


def array(search: Search, merged: Node, positive: list[Literal], negative: list[Literal]) -> Any:
    """Return an array that all schemas in `positive` allow and all schemas in `negative` reject.

    The result is `NOTHING` if no such array was found.
    """
    violations = [list(_array_violations(search, merged, positive, rejecting)) for rejecting in negative]
    limits = (limit(merged, "minItems", 0), limit(merged, "maxItems", math.inf))
    return _array(search, positive, violations, limits, {})


def _item(node: Node, index: int) -> Term:
    return node.prefix[index] if index < len(node.prefix) else node.items or ()


def _array_violations(
    search: Search, merged: Node, positive: list[Literal], rejecting: Literal
) -> Iterator[_Violation]:
    node, role = rejecting
    if "minItems" in node.facets:
        yield _Violation(max_length=node.facets["minItems"].value - 1)
    if "maxItems" in node.facets:
        yield _Violation(min_length=node.facets["maxItems"].value + 1)
    if "uniqueItems" in node.facets and "uniqueItems" not in merged.facets:
        yield _Violation(min_length=2)
    for index in range(max(len(merged.prefix), len(node.prefix)) + 1):
        term = _item(node, index)
        if term:
            literal = Literal(search.node_of(term), role)
            if search.part((*_items(search, positive, index), literal)) is not NOTHING:
                yield _Violation(min_length=index + 1, position=index, item=literal)
    if any(clause not in merged.contains for clause in node.contains) or not same_opaque(merged, node):
        yield _Violation()


def _items(search: Search, positive: list[Literal], index: int) -> Literals:
    terms = ((_item(node, index), role) for node, role in positive)
    return tuple(Literal(search.node_of(term), role) for term, role in terms if term)


def _array(
    search: Search,
    positive: list[Literal],
    violations: list[list[_Violation]],
    limits: tuple[float, float],
    items: dict[int, Literals],
) -> Any:
    """Return an array that violates each rejecting schema, or `NOTHING`.

    `violations` contains, for each rejecting schema, the list of its possible violations. The array satisfies
    one violation of each list.
    """
    min_length, max_length = limits
    if max_length < min_length:
        return NOTHING
    if not violations:
        return _filled(search, positive, min_length, items)
    fixed = max((len(node.prefix) for node, _ in positive), default=0)
    for violation in violations[0]:
        index, new_items = violation.position, items
        if violation.item is not None:
            while index >= fixed and index in items and index + 1 < max_length:
                index += 1  # if the array allows more items, a separate item violates each rejecting schema
            new_items = {**items, index: (*items.get(index, ()), violation.item)}
        narrowed = max(min_length, violation.min_length, index + 1), min(max_length, violation.max_length)
        value = _array(search, positive, violations[1:], narrowed, new_items)
        if value is not NOTHING:
            return value
    return NOTHING


def _filled(search: Search, positive: list[Literal], count: float, items: dict[int, Literals]) -> Any:
    fixed = max((len(node.prefix) for node, _ in positive), default=0)
    array_items: list[Any] = []
    value: Any = None
    for index in range(int(min(count, _MAX_ITEMS))):
        if index <= fixed or index in items:
            value = search.part((*_items(search, positive, index), *items.get(index, ())))
            if value is NOTHING:
                return NOTHING
        array_items.append(value)
    return array_items
