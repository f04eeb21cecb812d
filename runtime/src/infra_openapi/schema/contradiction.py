"""Remove the types and enumerated values that a schema lists, but that its other keywords exclude.

For example, `minimum: 3` and `maximum: 2` contradict each other and exclude all numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from infra_openapi.schema import pattern as expression
from infra_openapi.schema.intersection import intersection
from infra_openapi.schema.node import Bound, Facet, Node, narrower_end, type_of


def consistent(node: Node) -> Node:
    """Return the schema without the types and enumerated values that its other keywords exclude."""
    node = _whole(node) if node.integral else node
    node = _ended(node) if node.items and _refuses_all(node.items[0].raw) else node
    values = {
        name: {text: value for text, value in listed.items() if allows(node, value)}
        for name, listed in node.values.items()
    }
    gone = {name for name, left in values.items() if not left} | set(_ruled_out(node))
    integral = node.integral or _all_whole(values.get("number"))
    if not gone & node.types and values == node.values:
        return node if integral == node.integral else replace(node, integral=integral)
    left = {name: listed for name, listed in values.items() if name not in gone}
    dropped = gone & node.types
    facets = {name: facet for name, facet in node.facets.items() if type_of(name) not in dropped}
    return replace(node, types=node.types - gone, integral=integral, values=left, facets=facets)


def _all_whole(listed: Mapping[str, Any] | None) -> bool:
    """Return whether numbers are enumerated and all of them are integers."""
    return listed is not None and bool(listed) and all(value == int(value) for value in listed.values())


def _whole(node: Node) -> Node:
    """Return the schema with bounds that are integers, because the schema allows only integers.

    For example, `minimum: 1.5` becomes `minimum: 2`.
    """
    facets = dict(node.facets)
    for name in ("minimum", "maximum"):
        facet = facets.get(name)
        if facet is not None:
            facets[name] = Facet(value=_whole_end(name, facet.value), element=facet.element)
    return replace(node, facets=facets) if facets != node.facets else node


def _whole_end(name: str, end: Bound) -> Bound:
    if name == "minimum":
        return Bound(value=math.floor(end.value) + 1 if end.exclusive else math.ceil(end.value))
    return Bound(value=math.ceil(end.value) - 1 if end.exclusive else math.floor(end.value))


def _ended(node: Node) -> Node:
    """Return an array schema with `maxItems` instead of an `items` that allows no value."""
    most, count = node.facets.get("maxItems"), len(node.prefix)
    if most and most.value <= count:
        return replace(node, items=None)
    element = node.items[0] if node.items else node.elements[0]
    return replace(node, items=None, facets={**node.facets, "maxItems": Facet(value=count, element=element)})


def _ruled_out(node: Node) -> Iterator[str]:
    """Yield the types for which the schema allows no value, because its keywords contradict each other."""
    facets = node.facets
    low, high = facets.get("minimum"), facets.get("maximum")
    if low and high:
        least, most = low.value, high.value
        if least.value > most.value or (least.value == most.value and (least.exclusive or most.exclusive)):
            yield "number"
    for name, kind in (("Length", "string"), ("Items", "array"), ("Properties", "object")):
        fewest, greatest = facets.get(f"min{name}"), facets.get(f"max{name}")
        if fewest and greatest and fewest.value > greatest.value:
            yield kind
    greatest = facets.get("maxProperties")
    if (greatest and len(node.required) > greatest.value) or any(
        _refuses_all(node.properties[name][0].raw)
        for name in node.required.keys() & node.properties.keys()
        if node.properties[name]
    ):
        yield "object"


def _refuses_all(raw: Any) -> bool:
    return raw is False or raw == {"not": {}}


def allows(node: Node, value: Any) -> bool:
    """Return whether the bounds, `multipleOf` and patterns of a schema allow a number or a string.

    Other keywords are not evaluated. The result is also true if a pattern cannot be evaluated, and for values
    of other types.
    """
    facets = node.facets
    if isinstance(value, str):
        least, most = facets.get("minLength"), facets.get("maxLength")
        if (least and len(value) < least.value) or (most and len(value) > most.value):
            return False
        return all(expression.matches(pattern, value) is not False for pattern in node.patterns)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, step = facets.get("minimum"), facets.get("maximum"), facets.get("multipleOf")
        point = Bound(value=value)
        if node.integral and value != int(value):
            return False
        if (low and not narrower_end("minimum", point, low.value)) or (
            high and not narrower_end("maximum", point, high.value)
        ):
            return False
        return not (step and (Fraction(str(value)) / Fraction(str(step.value))).denominator != 1)
    return True


def both(one: Node, other: Node) -> Node:
    """Return the intersection of two schemas."""
    return replace(consistent(intersection(one, other, ("both", one.key, other.key))), derived=True)
