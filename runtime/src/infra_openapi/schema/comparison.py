"""Compare two schemas in normal form, keyword by keyword.

The schemas inside the two schemas, such as the schemas of properties and items, become pairs that are
compared later.
"""

from __future__ import annotations

from dataclasses import replace

from infra_openapi import facts
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction
from infra_openapi.schema import annotation, array, enumeration, logic, overlap, scalar, union
from infra_openapi.schema.change import Change, Mode
from infra_openapi.schema.inclusion import Context, covers, harms
from infra_openapi.schema.limits import Limit
from infra_openapi.schema.node import ALL_TYPES, Group, Node
from infra_openapi.schema.object_keywords import Objects
from infra_openapi.schema.question import composed
from infra_openapi.schema.schemas import new_schemas, requires_composed

#: The harmful facts of these kinds are removed only if the inclusion is also proved by the rules of JSON
#: Schema alone. Facts of other kinds are removed if the inclusion is proved for messages: messages contain no
#: hidden (read-only or write-only) properties, for example.
_STRICT_KINDS = overlap.KINDS | {facts.PROPERTY_REMOVED}


def new_context() -> Context:
    """Return the context of the comparison of one pair of documents."""
    return Context(schemas=new_schemas(), compare=compare)


def compare(old: Node, new: Node, mode: Mode, context: Context) -> Change:
    """Return the facts about an old and a new schema, and the pairs of inner schemas to compare next."""
    change = Change(mode)
    if not context.schemas.same_nodes(old, new):
        _compare(old, new, change, context)
    if change.limits:
        limits = ", ".join(map(str, sorted(change.limits)))
        change.fact(facts.LIMIT_REACHED, old.element, new.element, subject=limits)
    return change


def _compare(old: Node, new: Node, change: Change, context: Context) -> None:
    if old.impossible or new.impossible:
        _impossible(old, new, change, context, thorough=True)
        return
    annotation.compare(old, new, change, context)
    first_index = len(change.facts)
    _values(old, new, change, context)
    if not _can_improve_by_proof(old, new) or not _may_harm(change, first_index, context):
        return
    if _impossible(old, new, change, context, thorough=False):
        return
    sent, received = (old, new) if change.mode.direction is Direction.REQUEST else (new, old)
    types = ALL_TYPES - {"null"} if change.mode.nullless else ALL_TYPES
    questions = context.schemas.questions
    if change.proved(
        questions[change.mode.direction].unanswerable(sent=[sent], refused=[received], types=types)
    ):
        change.limits.clear()
        proved_strictly = change.proved(
            questions[Direction.NONE].unanswerable(held=[sent], denied=[received])
        )
        remaining_kinds = frozenset[FactKind]() if proved_strictly else _STRICT_KINDS
        change.facts[first_index:] = [
            fact for fact in change.facts[first_index:] if not harms(fact) or fact.kind in remaining_kinds
        ]
        change.pairs[:] = [pair for pair in change.pairs if covers(pair, context) is True]


def _impossible(old: Node, new: Node, change: Change, context: Context, *, thorough: bool) -> bool:
    """Return whether the old or the new schema allows no value.

    In this case, all earlier facts and pairs are removed, and a fact is added if only one schema allows no
    value. If the proof for one of the schemas ends at a limit, the result is False.
    """
    answers = [context.schemas.nothing_in(node, thorough=thorough) for node in (old, new)]
    was_impossible, is_impossible = map(change.proved, answers)
    if any(isinstance(answer, Limit) for answer in answers):
        return False
    if was_impossible or is_impossible:
        change.facts.clear()
        change.pairs.clear()
    if was_impossible != is_impossible:
        change.fact(
            facts.BECAME_IMPOSSIBLE if is_impossible else facts.BECAME_POSSIBLE, old.element, new.element
        )
    return was_impossible or is_impossible


def _may_harm(change: Change, first_index: int, context: Context) -> bool:
    """Return whether the comparison by keywords has added a harmful fact or pair, or reached a limit.

    Only the facts from the index `first_index` on are examined: the facts before it are about annotations.
    A pair is harmful if the inclusion of its schemas is not proved.
    """
    return (
        bool(change.limits)
        or any(map(harms, change.facts[first_index:]))
        or any(covers(pair, context) is not True for pair in change.pairs)
    )


def _can_improve_by_proof(old: Node, new: Node) -> bool:
    """Return whether a proof of inclusion can give a better result than the comparison by keywords."""
    both_only_unions = all(len(node.groups) == 1 and node.bare for node in (old, new))
    return not both_only_unions and any(composed(node) or requires_composed(node) for node in (old, new))


def _values(old: Node, new: Node, change: Change, context: Context) -> None:
    """Compare two schemas that both allow some values, and add facts about the differences."""
    if old.unrestricted != new.unrestricted and not _only_typed(old, new):
        name = facts.SCHEMA_ADDED if old.unrestricted else facts.SCHEMA_REMOVED
        change.fact(name, old.element, new.element, old.type_names, new.type_names)
        return
    old, new = _without_shared_groups(old, new, context)
    if old.groups or new.groups:
        union.compare(old, new, change, context)
    else:
        _members(old, new, change, context)


def _members(old: Node, new: Node, change: Change, context: Context) -> None:
    if change.mode.exploded and "array" in new.types - old.types and not old.types & new.types:
        # For a repeatable parameter, a single value is the same as an array with one item.
        change.fact(facts.TYPE_WIDENED, old.element, new.element, old.type_names, new.type_names)
        change.pair(old, new.items or (), "[]", change.mode.items())
        min_items = new.facets.get("minItems")
        if min_items and min_items.value > 1:
            change.fact(facts.MIN_ITEMS_ADDED, old.element, min_items.element, None, min_items.value)
        return
    if enumeration.texts(old, new, change):
        return
    shared = scalar.types(old, new, change)
    unenumerated = enumeration.values(old, new, shared, change, context.schemas.member)
    scalar.facets(old, new, unenumerated, change)
    # Keywords for types that the schema does not allow are compared too (see `scalar.facets`).
    allowed_types = old.types | new.types
    if "object" in unenumerated or "object" not in allowed_types:
        Objects(context.schemas, old, new, change).compare()
    if "array" in unenumerated or "array" not in allowed_types:
        array.compare(old, new, change, context)
    logic.compare(old, new, change, context)


def _without_shared_groups(old: Node, new: Node, context: Context) -> tuple[Node, Node]:
    """Return both schemas without duplicate unions (`oneOf`, `anyOf`) inside one schema.

    If both schemas have the same unions, all unions are removed.
    """
    old_groups, new_groups = _distinct(old.groups, context), _distinct(new.groups, context)
    unmatched = list(new_groups)
    for group in old_groups:
        match = next((candidate for candidate in unmatched if _same_group(group, candidate, context)), None)
        if match is None:
            break
        unmatched.remove(match)
    if old_groups and len(old_groups) == len(new_groups) and not unmatched:
        old_groups, new_groups = (), ()
    if len(old_groups) != len(old.groups):
        old = replace(old, groups=old_groups, key=("rest", old.key, len(old_groups)), derived=True)
    if len(new_groups) != len(new.groups):
        new = replace(new, groups=new_groups, key=("rest", new.key, len(new_groups)), derived=True)
    return old, new


def _distinct(groups: tuple[Group, ...], context: Context) -> tuple[Group, ...]:
    distinct: list[Group] = []
    for group in groups:
        if not any(_same_group(group, earlier, context) for earlier in distinct):
            distinct.append(group)
    return tuple(distinct)


def _same_group(old: Group, new: Group, context: Context) -> bool:
    return (
        old.kind == new.kind
        and len(old.branches) == len(new.branches)
        and all(
            context.schemas.same_term(old_branch, new_branch)
            for old_branch, new_branch in zip(old.branches, new.branches, strict=True)
        )
    )


def _only_typed(old: Node, new: Node) -> bool:
    """Return whether one schema restricts nothing but the types, and the other schema allows every value.

    In that case, a fact about the types describes the change better than a fact about the whole schema.
    """
    restricted = new if old.unrestricted else old
    return (
        replace(restricted, types=old.types | new.types, integral=False, groups=()).bare
        and not restricted.groups
    )
