"""Search for an array that some schemas allow and that other schemas refuse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from infra_openapi.schema.literal import NOTHING, Literal, Literals, Search, limit
from infra_openapi.schema.node import Node, Term
from infra_openapi.schema.scalar_values import same_opaque

_LONGEST = 100


class _Way(NamedTuple):
    """One way in which an array violates a schema: its length, or the item at an index."""

    least: float = 0
    most: float = math.inf
    position: int = -1
    item: Literal | None = None


def array(search: Search, merged: Node, positive: list[Literal], negative: list[Literal]) -> Any:
    """Return an array that all `positive` literals allow and all `negative` literals refuse, or `NOTHING`."""
    ways = [list(_array_ways(search, merged, positive, refused)) for refused in negative]
    limits = (limit(merged, "minItems", 0), limit(merged, "maxItems", math.inf))
    return _array(search, positive, ways, limits, {})


def _item(node: Node, index: int) -> Term:
    return node.prefix[index] if index < len(node.prefix) else node.items or ()


def _array_ways(search: Search, merged: Node, positive: list[Literal], refusal: Literal) -> Iterator[_Way]:
    node, role = refusal
    if "minItems" in node.facets:
        yield _Way(most=node.facets["minItems"].value - 1)
    if "maxItems" in node.facets:
        yield _Way(least=node.facets["maxItems"].value + 1)
    if "uniqueItems" in node.facets and "uniqueItems" not in merged.facets:
        yield _Way(least=2)
    for index in range(max(len(merged.prefix), len(node.prefix)) + 1):
        term = _item(node, index)
        if term:
            literal = Literal(search.node_of(term), role)
            if search.part((*_items(search, positive, index), literal)) is not NOTHING:
                yield _Way(least=index + 1, position=index, item=literal)
    if any(clause not in merged.contains for clause in node.contains) or not same_opaque(merged, node):
        yield _Way()


def _items(search: Search, positive: list[Literal], index: int) -> Literals:
    terms = ((_item(node, index), role) for node, role in positive)
    return tuple(Literal(search.node_of(term), role) for term, role in terms if term)


def _array(
    search: Search,
    positive: list[Literal],
    ways: list[list[_Way]],
    limits: tuple[float, float],
    items: dict[int, Literals],
) -> Any:
    """Return an array that violates each refusing schema in one of the ways for this schema, or `NOTHING`."""
    least, most = limits
    if most < least:
        return NOTHING
    if not ways:
        return _filled(search, positive, least, items)
    fixed = max((len(node.prefix) for node, _ in positive), default=0)
    for way in ways[0]:
        index, made = way.position, items
        if way.item is not None:
            while index >= fixed and index in items and index + 1 < most:
                index += 1  # a separate item violates each schema, as long as the array allows more items
            made = {**items, index: (*items.get(index, ()), way.item)}
        narrowed = max(least, way.least, index + 1), min(most, way.most)
        value = _array(search, positive, ways[1:], narrowed, made)
        if value is not NOTHING:
            return value
    return NOTHING


def _filled(search: Search, positive: list[Literal], count: float, items: dict[int, Literals]) -> Any:
    fixed = max((len(node.prefix) for node, _ in positive), default=0)
    filling: list[Any] = []
    value: Any = None
    for index in range(int(min(count, _LONGEST))):
        if index <= fixed or index in items:
            value = search.part((*_items(search, positive, index), *items.get(index, ())))
            if value is NOTHING:
                return NOTHING
        filling.append(value)
    return filling
