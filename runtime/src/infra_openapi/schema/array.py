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
    # Schemas for indexes that are not below `maxItems` have no effect.
    narrowing = old if change.mode.direction is Direction.REQUEST else new
    max_items = narrowing.facets["maxItems"].value if "maxItems" in narrowing.facets else math.inf
    count = max(len(old.prefix), len(new.prefix))
    for index in range(count):
        if index < max_items:
            old_term = old.prefix[index] if index < len(old.prefix) else old.items or ()
            new_term = new.prefix[index] if index < len(new.prefix) else new.items or ()
            change.pair(old_term, new_term, f"[{index}]", change.mode.items())
    if (old.items is not None or new.items is not None) and count < max_items:
        change.pair(old.items or (), new.items or (), "[]", change.mode.items())
    _contains(old, new, change, context)


def _contains(old: Node, new: Node, change: Change, context: Context) -> None:
    schemas = context.schemas

    def same(first: Containment, second: Containment) -> bool:
        return schemas.same_term(first.term, second.term)

    def equivalent(first: Containment, second: Containment) -> bool:
        forward, backward = (first.term, second.term), (second.term, first.term)
        return all(
            change.proved(covers(Pair(*pair, change.mode.inner()), context)) for pair in (forward, backward)
        )

    pairs, removed, added = paired(
        old.contains,
        new.contains,
        lambda array: content_key(schemas.equality, array.term) + b"%r" % (_span(array),),
        (
            lambda first, second: same(first, second) and _span(first) == _span(second),
            same,
            equivalent,
            lambda *_: True,
        ),
    )
    for first, second in pairs:
        _counts(first, second, change)
        if same(first, second):
            continue
        if first.maximum is None and second.maximum is None:
            change.pair(first.term, second.term, "contains")
        elif not equivalent(first, second):
            # If more items match, `minContains` is still satisfied, but `maxContains` can be exceeded.
            change.fact(
                facts.KEYWORD_UNDECIDED, first.element, second.element, subject="contains with maxContains"
            )
    for containment in removed:
        change.fact(facts.CONTAINS_REMOVED, containment.element, new.element)
    for containment in added:
        change.fact(facts.CONTAINS_ADDED, old.element, containment.element)


def _span(part: Containment) -> tuple[float, float | None]:
    return part.minimum, part.maximum


def _counts(old: Containment, new: Containment, change: Change) -> None:
    for bound, old_count, new_count, no_effect in (
        (BOUNDS["minContains"], old.minimum, new.minimum, 1),
        (BOUNDS["maxContains"], old.maximum, new.maximum, None),
    ):
        if old_count == new_count:
            continue
        before, after = (None if count == no_effect else count for count in (old_count, new_count))
        if (
            old_count is None
            or new_count is None
            or (no_effect in {old_count, new_count} and old_count and new_count)
        ):
            kind = bound.added if before is None else bound.removed
        else:
            kind = bound.increased if new_count > old_count else bound.decreased
        change.fact(kind, old.element, new.element, before, after)
