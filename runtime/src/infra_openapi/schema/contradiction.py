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
    node = _with_integer_bounds(node) if node.integral else node
    node = _with_max_items(node) if node.items and _allows_nothing(node.items[0].raw) else node
    values = {
        name: {text: value for text, value in enumerated.items() if allows(node, value)}
        for name, enumerated in node.values.items()
    }
    excluded_types = {name for name, remaining in values.items() if not remaining} | set(
        _contradictory_types(node)
    )
    integral = node.integral or _all_integers(values.get("number"))
    if not excluded_types & node.types and values == node.values:
        return node if integral == node.integral else replace(node, integral=integral)
    remaining = {name: enumerated for name, enumerated in values.items() if name not in excluded_types}
    removed_types = excluded_types & node.types
    facets = {name: facet for name, facet in node.facets.items() if type_of(name) not in removed_types}
    return replace(
        node, types=node.types - excluded_types, integral=integral, values=remaining, facets=facets
    )


def _all_integers(enumerated: Mapping[str, Any] | None) -> bool:
    """Return whether numbers are enumerated, and all enumerated numbers are integers."""
    return (
        enumerated is not None
        and bool(enumerated)
        and all(value == int(value) for value in enumerated.values())
    )


def _with_integer_bounds(node: Node) -> Node:
    """Return the schema with bounds that are integers, because the schema allows only integers.

    For example, `minimum: 1.5` becomes `minimum: 2`.
    """
    facets = dict(node.facets)
    for name in ("minimum", "maximum"):
        facet = facets.get(name)
        if facet is not None:
            facets[name] = Facet(value=_integer_bound(name, facet.value), element=facet.element)
    return replace(node, facets=facets) if facets != node.facets else node


def _integer_bound(name: str, bound: Bound) -> Bound:
    if name == "minimum":
        return Bound(value=math.floor(bound.value) + 1 if bound.exclusive else math.ceil(bound.value))
    return Bound(value=math.ceil(bound.value) - 1 if bound.exclusive else math.floor(bound.value))


def _with_max_items(node: Node) -> Node:
    """Return an array schema in which `maxItems` replaces an `items` that allows no value."""
    max_items, count = node.facets.get("maxItems"), len(node.prefix)
    if max_items and max_items.value <= count:
        return replace(node, items=None)
    element = node.items[0] if node.items else node.elements[0]
    return replace(node, items=None, facets={**node.facets, "maxItems": Facet(value=count, element=element)})


def _contradictory_types(node: Node) -> Iterator[str]:
    """Yield the types for which the schema allows no value, because its keywords contradict each other."""
    facets = node.facets
    low, high = facets.get("minimum"), facets.get("maximum")
    if low and high:
        minimum, maximum = low.value, high.value
        if minimum.value > maximum.value or (
            minimum.value == maximum.value and (minimum.exclusive or maximum.exclusive)
        ):
            yield "number"
    for name, kind in (("Length", "string"), ("Items", "array"), ("Properties", "object")):
        min_size, max_size = facets.get(f"min{name}"), facets.get(f"max{name}")
        if min_size and max_size and min_size.value > max_size.value:
            yield kind
    max_size = facets.get("maxProperties")
    if (max_size and len(node.required) > max_size.value) or any(
        _allows_nothing(node.properties[name][0].raw)
        for name in node.required.keys() & node.properties.keys()
        if node.properties[name]
    ):
        yield "object"


def _allows_nothing(raw: Any) -> bool:
    return raw is False or raw == {"not": {}}


def allows(node: Node, value: Any) -> bool:
    """Return whether a number or a string fits bounds, `multipleOf`, `integer` and patterns of a schema.

    Other keywords are not evaluated. The result is also true if a pattern cannot be evaluated, and for values
    of other types.
    """
    facets = node.facets
    if isinstance(value, str):
        min_length, max_length = facets.get("minLength"), facets.get("maxLength")
        if (min_length and len(value) < min_length.value) or (max_length and len(value) > max_length.value):
            return False
        return all(expression.matches(pattern, value) is not False for pattern in node.patterns)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, step = facets.get("minimum"), facets.get("maximum"), facets.get("multipleOf")
        number = Bound(value=value)
        if node.integral and value != int(value):
            return False
        if (low and not narrower_end("minimum", number, low.value)) or (
            high and not narrower_end("maximum", number, high.value)
        ):
            return False
        return not (step and (Fraction(str(value)) / Fraction(str(step.value))).denominator != 1)
    return True


def both(first: Node, second: Node) -> Node:
    """Return the intersection of two schemas."""
    return replace(consistent(intersection(first, second, ("both", first.key, second.key))), derived=True)
