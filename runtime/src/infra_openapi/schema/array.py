"""Compare the keywords for arrays of two schemas: `prefixItems`, `items` and `contains`."""

from __future__ import annotations

import math

from infra_openapi import facts
from infra_openapi.finding import Direction
from infra_openapi.rules.bounds import BOUNDS
from infra_openapi.schema.change import Change, Pair
from infra_openapi.schema.inclusion import Context, covers
from infra_openapi.schema.node import Containment, Node
from infra_openapi.schema.pairing import content_key, paired


def compare(old: Node, new: Node, change: Change, context: Context) -> None:
    """Add facts about changed items of an array.

    The keyword `items` applies to those items that follow the items of `prefixItems`.
    """
    # Schemas for positions beyond the maximum number of items have no effect.
    inner = old if change.mode.direction is Direction.REQUEST else new
    most = inner.facets["maxItems"].value if "maxItems" in inner.facets else math.inf
    count = max(len(old.prefix), len(new.prefix))
    for index in range(count):
        if index < most:
            first = old.prefix[index] if index < len(old.prefix) else old.items or ()
            second = new.prefix[index] if index < len(new.prefix) else new.items or ()
            change.pair(first, second, f"[{index}]", change.mode.items())
    if (old.items is not None or new.items is not None) and count < most:
        change.pair(old.items or (), new.items or (), "[]", change.mode.items())
    _contains(old, new, change, context)


def _contains(old: Node, new: Node, change: Change, context: Context) -> None:
    schemas = context.schemas

    def same(first: Containment, second: Containment) -> bool:
        return schemas.same_term(first.term, second.term)

    def equivalent(first: Containment, second: Containment) -> bool:
        there, back = (first.term, second.term), (second.term, first.term)
        return all(change.proved(covers(Pair(*pair, change.mode.inner()), context)) for pair in (there, back))

    pairs, removed, added = paired(
        old.contains,
        new.contains,
        lambda array: content_key(schemas.equality, array.term) + b"%r" % (_span(array),),
        (
            lambda one, other: same(one, other) and _span(one) == _span(other),
            same,
            equivalent,
            lambda *_: True,
        ),
    )
    for first, second in pairs:
        _counts(first, second, change)
        if same(first, second):
            continue
        if first.most is None and second.most is None:
            change.pair(first.term, second.term, "contains")
        elif not equivalent(first, second):
            # A larger number of matching items satisfies `minContains`, but can exceed `maxContains`.
            change.fact(
                facts.KEYWORD_UNDECIDED, first.element, second.element, subject="contains with maxContains"
            )
    for containment in removed:
        change.fact(facts.CONTAINS_REMOVED, containment.element, new.element)
    for containment in added:
        change.fact(facts.CONTAINS_ADDED, old.element, containment.element)


def _span(part: Containment) -> tuple[float, float | None]:
    return part.least, part.most


def _counts(old: Containment, new: Containment, change: Change) -> None:
    for bound, first, second, nothing in (
        (BOUNDS["minContains"], old.least, new.least, 1),
        (BOUNDS["maxContains"], old.most, new.most, None),
    ):
        if first == second:
            continue
        before, after = (None if schema == nothing else schema for schema in (first, second))
        if first is None or second is None or (nothing in {first, second} and first and second):
            kind = bound.added if before is None else bound.removed
        else:
            kind = bound.increased if second > first else bound.decreased
        change.fact(kind, old.element, new.element, before, after)
