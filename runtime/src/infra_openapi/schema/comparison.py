"""Compare two schemas in normal form, keyword by keyword.

The schemas of properties, items and other parts become pairs, which are compared later.
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

#: The kinds of facts that are removed only if the inclusion is proved by the rules of JSON Schema (without
#: the rules for messages).
_POLICY = overlap.KINDS | {facts.PROPERTY_REMOVED}


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
    noted = len(change.facts)
    _values(old, new, change, context)
    if not _comparable(old, new) or not _refuted(change, noted, context):
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
        whole = change.proved(questions[Direction.NONE].unanswerable(held=[sent], denied=[received]))
        policy = frozenset[FactKind]() if whole else _POLICY
        change.facts[noted:] = [f for f in change.facts[noted:] if not harms(f) or f.kind in policy]
        change.pairs[:] = [pair for pair in change.pairs if covers(pair, context) is True]


def _impossible(old: Node, new: Node, change: Change, context: Context, *, thorough: bool) -> bool:
    """Return whether the old or the new schema allows no value; add a fact if only one of them does.

    If the proof for one of the schemas ends at a limit, the result is False.
    """
    answers = [context.schemas.nothing_in(node, thorough=thorough) for node in (old, new)]
    gone, goes = map(change.proved, answers)
    if any(isinstance(answer, Limit) for answer in answers):
        return False
    if gone or goes:
        change.facts.clear()
        change.pairs.clear()
    if gone != goes:
        change.fact(facts.BECAME_IMPOSSIBLE if goes else facts.BECAME_POSSIBLE, old.element, new.element)
    return gone or goes


def _refuted(change: Change, noted: int, context: Context) -> bool:
    """Return whether the comparison by keywords found a harmful difference, or reached a limit.

    Only the facts after the index `noted` are examined; the facts before it are about annotations.
    """
    return (
        bool(change.limits)
        or any(map(harms, change.facts[noted:]))
        or any(covers(pair, context) is not True for pair in change.pairs)
    )


def _comparable(old: Node, new: Node) -> bool:
    """Return whether a proof of inclusion can give a better result than the comparison by keywords."""
    unions = all(len(node.groups) == 1 and node.bare for node in (old, new))
    return not unions and any(composed(node) or requires_composed(node) for node in (old, new))


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
        least = new.facets.get("minItems")
        if least and least.value > 1:
            change.fact(facts.MIN_ITEMS_ADDED, old.element, least.element, None, least.value)
        return
    if enumeration.texts(old, new, change):
        return
    shared = scalar.types(old, new, change)
    free = enumeration.values(old, new, shared, change, context.schemas.member)
    scalar.facets(old, new, free, change)
    # Keywords for types that the schema does not allow are compared too (see `scalar.facets`).
    either = old.types | new.types
    if "object" in free or "object" not in either:
        Objects(context.schemas, old, new, change).compare()
    if "array" in free or "array" not in either:
        array.compare(old, new, change, context)
    logic.compare(old, new, change, context)


def _without_shared_groups(old: Node, new: Node, context: Context) -> tuple[Node, Node]:
    """Return both schemas without the unions (`oneOf`, `anyOf`) that the two schemas have in common.

    Duplicate unions inside one schema are removed too.
    """
    first, second = _distinct(old.groups, context), _distinct(new.groups, context)
    unmatched = list(second)
    for group in first:
        match = next((other for other in unmatched if _same_group(group, other, context)), None)
        if match is None:
            break
        unmatched.remove(match)
    if first and len(first) == len(second) and not unmatched:
        first, second = (), ()
    if len(first) != len(old.groups):
        old = replace(old, groups=first, key=("rest", old.key, len(first)), derived=True)
    if len(second) != len(new.groups):
        new = replace(new, groups=second, key=("rest", new.key, len(second)), derived=True)
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
    """Return whether one of two schemas restricts only the types, while the other schema allows every value.

    In that case, a fact about the types describes the change better than a fact about the whole schema.
    """
    side = new if old.unrestricted else old
    return replace(side, types=old.types | new.types, integral=False, groups=()).bare and not side.groups
