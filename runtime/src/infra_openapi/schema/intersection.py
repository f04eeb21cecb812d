"""Compute the intersection of two schemas: a schema for the values that both schemas allow."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from fractions import Fraction
from math import lcm
from typing import Any

from infra_openapi.schema import pattern as expression
from infra_openapi.schema.node import Facet, Node, Term, narrower_end


def intersection(first: Node, second: Node, key: Hashable) -> Node:
    """Return the intersection of two schemas: a schema that allows the values that both schemas allow.

    Each part of the result keeps the element of the document that defines the part.
    """
    types = first.types & second.types
    integral = first.integral or second.integral
    values = _values(first, second, types)
    # A type is removed if no value of this type remains.
    types = types - {name for name, remaining in values.items() if not remaining}
    return Node(
        key=key,
        elements=(
            *first.elements,
            *(element for element in second.elements if element not in first.elements),
        ),
        parts=tuple(dict.fromkeys((*(first.parts or first.elements), *(second.parts or second.elements)))),
        types=types,
        integral=integral,
        values={name: remaining for name, remaining in values.items() if remaining},
        facets=_facets(first.facets, second.facets),
        patterns={**first.patterns, **second.patterns},
        formats={**first.formats, **second.formats},
        properties=_properties(first, second),
        required={**second.required, **first.required},
        pattern_properties=_terms(first.pattern_properties, second.pattern_properties),
        additional=_joined(first.additional, second.additional),
        unevaluated=_joined(first.unevaluated, second.unevaluated),
        names=_joined(first.names, second.names),
        dependent={
            **second.dependent,
            **{
                name: (needs | second.dependent[name][0] if name in second.dependent else needs, element)
                for name, (needs, element) in first.dependent.items()
            },
        },
        dependent_schemas=_terms(first.dependent_schemas, second.dependent_schemas),
        prefix=_prefix(first, second),
        items=_joined(first.items, second.items),
        contains=(*first.contains, *(clause for clause in second.contains if clause not in first.contains)),
        groups=(*first.groups, *(group for group in second.groups if group not in first.groups)),
        negations=(*first.negations, *(term for term in second.negations if term not in first.negations)),
        conditions=(
            *first.conditions,
            *(condition for condition in second.conditions if condition not in first.conditions),
        ),
        opaque={**second.opaque, **first.opaque},
        notes={**second.notes, **first.notes},
        type_element=first.type_element or second.type_element,
    )


def joined(first: Term, second: Term) -> Term:
    """Return the intersection of two terms (tuples of schemas that must all match), without duplicates."""
    return (
        *first,
        *(element for element in second if not any(_same_location(element, known) for known in first)),
    )


def _same_location(first: Any, second: Any) -> bool:
    return (first.document, first.file, first.pointer) == (second.document, second.file, second.pointer)


def _joined(first: Term | None, second: Term | None) -> Term | None:
    if first is None or second is None:
        return first if second is None else second
    return joined(first, second)


def _terms(first: Mapping[str, Term], second: Mapping[str, Term]) -> dict[str, Term]:
    return {
        name: joined(first[name], second[name])
        if name in first and name in second
        else first.get(name) or second[name]
        for name in {**first, **second}
    }


def _values(first: Node, second: Node, types: frozenset[str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for name in types:
        if name in first.values and name in second.values:
            values[name] = {
                text: value for text, value in first.values[name].items() if text in second.values[name]
            }
        elif name in first.values or name in second.values:
            values[name] = dict(first.values.get(name) or second.values[name])
    return values


def _facets(first: Mapping[str, Facet], second: Mapping[str, Facet]) -> dict[str, Facet]:
    facets = dict(first)
    for name, facet in second.items():
        facets[name] = _narrower(name, first[name], facet) if name in first else facet
    return facets


def _narrower(name: str, first: Facet, second: Facet) -> Facet:
    if name == "multipleOf":
        step = multiple(first.value, second.value)
        return first if step == first.value else Facet(value=step, element=second.element)
    if name in {"minimum", "maximum"}:
        return first if narrower_end(name, first.value, second.value) else second
    if name == "enum":
        return first if len(first.value) <= len(second.value) else second
    if name.startswith("min"):
        return first if first.value >= second.value else second
    return first if first.value <= second.value else second


def multiple(first: float, second: float) -> float:
    """Return the smallest number that is a multiple of both numbers."""
    first_fraction, second_fraction = Fraction(str(first)), Fraction(str(second))
    step = Fraction(
        lcm(
            first_fraction.numerator * second_fraction.denominator,
            second_fraction.numerator * first_fraction.denominator,
        ),
        first_fraction.denominator * second_fraction.denominator,
    )
    if step.denominator == 1:
        return step.numerator
    # If the result is too large for a float, the first number is returned.
    return float(step) if step < sys.float_info.max else first


def _properties(first: Node, second: Node) -> dict[str, Term]:
    properties: dict[str, Term] = {}
    for name in {**first.properties, **second.properties}:
        first_term, second_term = declared(first, name), declared(second, name)
        properties[name] = joined(first_term, second_term)
    return properties


def declared(node: Node, name: str) -> Term:
    """Return the schema that an object schema declares for the property `name`.

    This is the intersection of the schema under the name of the property and the schemas under all patterns
    that the name matches. If no such schema exists, the result is the value of `additionalProperties`; if
    this is missing too, it is the empty term, which allows every value.
    """
    schemas: Term = node.properties.get(name, ())
    matched = name in node.properties
    for pattern, term in node.pattern_properties.items():
        if expression.matches(pattern, name):
            schemas, matched = joined(schemas, term), True
    if not matched and node.additional is not None:
        return node.additional
    return schemas


def _prefix(first: Node, second: Node) -> tuple[Term, ...]:
    prefix = []
    for index in range(max(len(first.prefix), len(second.prefix))):
        first_term = first.prefix[index] if index < len(first.prefix) else first.items or ()
        second_term = second.prefix[index] if index < len(second.prefix) else second.items or ()
        prefix.append(joined(first_term, second_term))
    return tuple(prefix)
