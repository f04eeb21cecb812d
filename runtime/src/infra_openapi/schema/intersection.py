"""Compute the intersection of two schemas: a schema that allows exactly the values that both allow."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from infra_openapi.schema import pattern as expression
from infra_openapi.schema.node import Facet, Node, Term, narrower_end


def intersection(one: Node, other: Node, key: Hashable) -> Node:
    """Return the intersection of two schemas: a schema that allows the values that both schemas allow.

    Each part of the result keeps the element of the document that defines the part.
    """
    types = one.types & other.types
    integral = one.integral or other.integral
    values = _values(one, other, types)
    # A type is removed if no value of this type remains.
    types = types - {name for name, left in values.items() if not left}
    return Node(
        key=key,
        elements=(*one.elements, *(element for element in other.elements if element not in one.elements)),
        parts=tuple(dict.fromkeys((*(one.parts or one.elements), *(other.parts or other.elements)))),
        types=types,
        integral=integral,
        values={name: left for name, left in values.items() if left},
        facets=_facets(one.facets, other.facets),
        patterns={**one.patterns, **other.patterns},
        formats={**one.formats, **other.formats},
        properties=_properties(one, other),
        required={**other.required, **one.required},
        pattern_properties=_terms(one.pattern_properties, other.pattern_properties),
        additional=_joined(one.additional, other.additional),
        unevaluated=_joined(one.unevaluated, other.unevaluated),
        names=_joined(one.names, other.names),
        dependent={
            **other.dependent,
            **{
                name: (needs | other.dependent[name][0] if name in other.dependent else needs, element)
                for name, (needs, element) in one.dependent.items()
            },
        },
        dependent_schemas=_terms(one.dependent_schemas, other.dependent_schemas),
        prefix=_prefix(one, other),
        items=_joined(one.items, other.items),
        contains=(*one.contains, *(clause for clause in other.contains if clause not in one.contains)),
        groups=(*one.groups, *(group for group in other.groups if group not in one.groups)),
        negations=(*one.negations, *(term for term in other.negations if term not in one.negations)),
        conditions=(
            *one.conditions,
            *(condition for condition in other.conditions if condition not in one.conditions),
        ),
        opaque={**other.opaque, **one.opaque},
        notes={**other.notes, **one.notes},
        type_element=one.type_element or other.type_element,
    )


def joined(one: Term, other: Term) -> Term:
    """Return the intersection of two terms (tuples of schemas that must all match), without duplicates."""
    return (*one, *(element for element in other if not any(_same_place(element, known) for known in one)))


def _same_place(one: Any, other: Any) -> bool:
    return (one.document, one.file, one.pointer) == (other.document, other.file, other.pointer)


def _joined(one: Term | None, other: Term | None) -> Term | None:
    if one is None or other is None:
        return one if other is None else other
    return joined(one, other)


def _terms(one: Mapping[str, Term], other: Mapping[str, Term]) -> dict[str, Term]:
    return {
        name: joined(one[name], other[name])
        if name in one and name in other
        else one.get(name) or other[name]
        for name in {**one, **other}
    }


def _values(one: Node, other: Node, types: frozenset[str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for name in types:
        if name in one.values and name in other.values:
            values[name] = {
                text: value for text, value in one.values[name].items() if text in other.values[name]
            }
        elif name in one.values or name in other.values:
            values[name] = dict(one.values.get(name) or other.values[name])
    return values


def _facets(one: Mapping[str, Facet], other: Mapping[str, Facet]) -> dict[str, Facet]:
    facets = dict(one)
    for name, facet in other.items():
        facets[name] = _narrower(name, one[name], facet) if name in one else facet
    return facets


def _narrower(name: str, one: Facet, other: Facet) -> Facet:
    if name == "multipleOf":
        step = multiple(one.value, other.value)
        return one if step == one.value else Facet(value=step, element=other.element)
    if name in {"minimum", "maximum"}:
        return one if narrower_end(name, one.value, other.value) else other
    if name == "enum":
        return one if len(one.value) <= len(other.value) else other
    if name.startswith("min"):
        return one if one.value >= other.value else other
    return one if one.value <= other.value else other


def multiple(one: float, other: float) -> float:
    """Return the smallest number that is a multiple of both numbers."""
    first, second = Fraction(str(one)), Fraction(str(other))
    step = Fraction(
        lcm(first.numerator * second.denominator, second.numerator * first.denominator),
        first.denominator * second.denominator,
    )
    if step.denominator == 1:
        return step.numerator
    # If the result is too large for a float, one of the two numbers is kept.
    return float(step) if step < sys.float_info.max else one


def _properties(one: Node, other: Node) -> dict[str, Term]:
    properties: dict[str, Term] = {}
    for name in {**one.properties, **other.properties}:
        left, right = declared(one, name), declared(other, name)
        properties[name] = joined(left, right)
    return properties


def declared(node: Node, name: str) -> Term:
    """Return the schema that an object schema declares for the property `name`.

    This is the schema under the name of the property, under a pattern that the name matches, or the schema
    for undeclared properties.
    """
    schemas: Term = node.properties.get(name, ())
    matched = name in node.properties
    for pattern, term in node.pattern_properties.items():
        if expression.matches(pattern, name):
            schemas, matched = joined(schemas, term), True
    if not matched and node.additional is not None:
        return node.additional
    return schemas


def _prefix(one: Node, other: Node) -> tuple[Term, ...]:
    prefix = []
    for index in range(max(len(one.prefix), len(other.prefix))):
        left = one.prefix[index] if index < len(one.prefix) else one.items or ()
        right = other.prefix[index] if index < len(other.prefix) else other.items or ()
        prefix.append(joined(left, right))
    return tuple(prefix)
