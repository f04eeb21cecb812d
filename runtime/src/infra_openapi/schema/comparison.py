"""Compare two schemas in normal form, keyword by keyword.

The schemas of properties, items and other parts become pairs, which are compared later.
"""

from __future__ import annotations

from dataclasses import replace

from infra_openapi import facts
from infra_openapi.equality import Equality
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction
from infra_openapi.schema import annotation, array, enumeration, logic, overlap, scalar, union
from infra_openapi.schema.change import Change, Mode
from infra_openapi.schema.comparer import Comparer, harms, requires_composed
from infra_openapi.schema.literal import NOTHING
from infra_openapi.schema.node import ALL_TYPES, Group, Node
from infra_openapi.schema.object_keywords import Objects
from infra_openapi.schema.question import composed

#: The maximum number of alternatives of a union that is compared as a whole, not only by its alternatives.
_MOST_ALTERNATIVES = 32


#: The kinds of facts that only a proof of inclusion by the law of JSON Schema contradicts.
_POLICY = overlap.KINDS | {facts.PROPERTY_REMOVED}


def new_comparer() -> Comparer:
    """Return a comparer for one pair of documents."""
    return Comparer(Equality(), compare)


def compare(old: Node, new: Node, mode: Mode, comparer: Comparer) -> Change:
    """Return the facts about an old and a new schema, and the pairs of inner schemas to compare next."""
    change = Change(mode)
    if comparer.same_nodes(old, new):
        return change
    if old.impossible or new.impossible:
        gone, goes = (comparer.nothing_in(node, thorough=True) for node in (old, new))
        return _impossible(change, old, new, gone, goes)
    annotation.compare(old, new, change, comparer)
    noted = len(change.facts)
    _values(old, new, change, comparer)
    if _comparable(old, new) and _refuted(change, noted, comparer):
        gone, goes = comparer.nothing_in(old), comparer.nothing_in(new)
        if gone or goes:
            return _impossible(Change(mode), old, new, gone, goes)
        if _included(old, new, mode, comparer):
            sent, received = (old, new) if mode.direction is Direction.REQUEST else (new, old)
            ask = comparer.question(Direction.NONE).ask
            policy = frozenset[FactKind]() if ask(held=[sent], denied=[received]) is NOTHING else _POLICY
            change.facts[noted:] = [f for f in change.facts[noted:] if not harms(f) or f.kind in policy]
            change.pairs[:] = [pair for pair in change.pairs if comparer.covers(pair)]
    return change


def _impossible(change: Change, old: Node, new: Node, gone: bool, goes: bool) -> Change:
    """Return a change with the fact that only one of two schemas allows no value."""
    if gone != goes:
        change.fact(facts.BECAME_IMPOSSIBLE if goes else facts.BECAME_POSSIBLE, old.element, new.element)
    return change


def _refuted(change: Change, noted: int, comparer: Comparer) -> bool:
    """Return whether the facts or the parts, without annotations, refute the inclusion of the schemas."""
    return any(map(harms, change.facts[noted:])) or not all(map(comparer.covers, change.pairs))


def _comparable(old: Node, new: Node) -> bool:
    """Return whether a proof can be better than the comparison by keywords, and is not too expensive."""
    large = any(len(group.branches) > _MOST_ALTERNATIVES for node in (old, new) for group in node.groups)
    unions = all(len(node.groups) == 1 and node.bare for node in (old, new))
    return not large and not unions and any(composed(node) or requires_composed(node) for node in (old, new))


def _included(old: Node, new: Node, mode: Mode, comparer: Comparer) -> bool:
    """Return whether it is proved that the receiver of a message allows every value of its sender."""
    sent, received = (old, new) if mode.direction is Direction.REQUEST else (new, old)
    types = ALL_TYPES - {"null"} if mode.nullless else ALL_TYPES
    return comparer.question(mode.direction).ask(sent=[sent], refused=[received], types=types) is NOTHING


def _values(old: Node, new: Node, change: Change, comparer: Comparer) -> None:
    """Add the facts about the values that both schemas allow."""
    if old.unrestrained != new.unrestrained and not _only_typed(old, new):
        name = facts.SCHEMA_ADDED if old.unrestrained else facts.SCHEMA_REMOVED
        change.fact(name, old.element, new.element, old.type_names, new.type_names)
        return
    old, new = _without_shared_groups(old, new, comparer)
    if old.groups or new.groups:
        union.compare(comparer, old, new, change)
    else:
        _members(old, new, change, comparer)


def _members(old: Node, new: Node, change: Change, comparer: Comparer) -> None:
    if change.mode.exploded and "array" in new.types - old.types and not old.types & new.types:
        # For a repeatable parameter, a single value is the same as an array with one item.
        change.fact(facts.TYPE_WIDENED, old.element, new.element, old.type_names, new.type_names)
        change.pair(old, new.items or (), "[]", change.mode.items())
        least = new.facets.get("minItems")
        if least and least.value > 1:
            change.fact(facts.MIN_ITEMS_ADDED, old.element, least.element, None, least.value)
        return
    if enumeration.texts(old, new, change):
        return
    shared = scalar.types(old, new, change)
    free = enumeration.values(old, new, shared, change, comparer.member)
    scalar.facets(old, new, free, change)
    # Keywords for types that the schema does not allow are compared too (see `scalar.facets`).
    either = old.types | new.types
    if "object" in free or "object" not in either:
        Objects(comparer, old, new, change).compare()
    if "array" in free or "array" not in either:
        array.compare(old, new, change, comparer)
    logic.compare(old, new, change, comparer)


def _without_shared_groups(old: Node, new: Node, comparer: Comparer) -> tuple[Node, Node]:
    """Return both schemas without the unions (`oneOf`, `anyOf`) that the old and the new schema have.

    Duplicate unions inside one schema are removed too.
    """
    first, second = _distinct(old.groups, comparer), _distinct(new.groups, comparer)
    left = list(second)
    for group in first:
        match = next((each for each in left if _same_group(group, each, comparer)), None)
        if match is None:
            break
        left.remove(match)
    if first and len(first) == len(second) and not left:
        first, second = (), ()
    if len(first) != len(old.groups):
        old = replace(old, groups=first, key=("rest", old.key, len(first)), derived=True)
    if len(second) != len(new.groups):
        new = replace(new, groups=second, key=("rest", new.key, len(second)), derived=True)
    return old, new


def _distinct(groups: tuple[Group, ...], comparer: Comparer) -> tuple[Group, ...]:
    found: list[Group] = []
    for group in groups:
        if not any(_same_group(group, each, comparer) for each in found):
            found.append(group)
    return tuple(found)


def _same_group(old: Group, new: Group, comparer: Comparer) -> bool:
    return (
        old.kind == new.kind
        and len(old.branches) == len(new.branches)
        and all(comparer.same_term(one, other) for one, other in zip(old.branches, new.branches, strict=True))
    )


def _only_typed(old: Node, new: Node) -> bool:
    """Return whether the types are the only difference, in the schema that allows fewer values.

    In that case, a fact about the types describes the change better than a fact about the union.
    """
    side = new if old.unrestrained else old
    return replace(side, types=old.types | new.types, integral=False, groups=()).bare and not side.groups
