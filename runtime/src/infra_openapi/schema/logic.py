"""Compare the keywords `not` and `if` of schemas, and keywords that the comparison does not interpret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from infra_openapi import facts
from infra_openapi.finding import Direction
from infra_openapi.schema.change import Change, Mode, Pair
from infra_openapi.schema.inclusion import Context, covers
from infra_openapi.schema.literal import NOTHING
from infra_openapi.schema.node import Condition, Node, Term
from infra_openapi.schema.pairing import Relation, content_key, paired

T = TypeVar("T")
#: Keywords whose effect depends on other keywords.
_CONTEXT_DEPENDENT = frozenset({"unevaluatedItems", "contentSchema", "$dynamicRef", "propertyDependencies"})
_BARE = Node(key=(), elements=())
_STRICT = Mode(Direction.REQUEST)
_NOT = {"narrowed": facts.NOT_NARROWED, "widened": facts.NOT_WIDENED, "changed": facts.NOT_CHANGED}
_CONDITION = {
    "narrowed": facts.CONDITION_NARROWED,
    "widened": facts.CONDITION_WIDENED,
    "changed": facts.CONDITION_CHANGED,
}


def compare(old: Node, new: Node, change: Change, context: Context) -> None:
    """Add facts about changes of `not`, of `if`, and of keywords that the comparison does not interpret."""
    _negations(old, new, change, context)
    _conditions(old, new, change, context)
    _opaque(old, new, change, context)


def _negations(old: Node, new: Node, change: Change, context: Context) -> None:
    pairs, removed, added = paired(
        old.negations,
        new.negations,
        lambda term: content_key(context.schemas.equality, term),
        _relations(_itself, context),
    )
    for old_term, new_term in pairs:
        word = _inclusion(old_term, new_term, change, context)
        if word != "same":
            kind = {"wider": facts.NOT_NARROWED, "narrower": facts.NOT_WIDENED}.get(word)
            # Only the values that this keyword rejects are compared, without the other keywords of the
            # schema.
            old_part, new_part = (replace(_BARE, negations=(term,)) for term in (old_term, new_term))
            kind = kind or _NOT[_harm(old, new, old_part, new_part, change, context)]
            change.fact(kind, old_term[0], new_term[0])
    for term in removed:
        if _can_apply(term, new, change, context):
            change.fact(facts.NOT_REMOVED, term[0], new.element)
    for term in added:
        if _can_apply(term, old, change, context):
            change.fact(facts.NOT_ADDED, old.element, term[0])


def _relations(
    term_of: Callable[[T], Term], context: Context
) -> tuple[Relation[T], Relation[T], Relation[T], Relation[T]]:
    """Return four functions that compare an old and a new part, from the closest to the weakest relation.

    The first function returns true if both parts have the same content, the second function if both parts
    allow the same values, and the third function if one part includes the other part. The fourth function
    always returns true.
    """

    def content(old: T, new: T) -> bool:
        return context.schemas.same_term(term_of(old), term_of(new))

    def values(old: T, new: T) -> bool:
        return _inclusion(term_of(old), term_of(new), Change(_STRICT), context) == "same"

    def inclusion(old: T, new: T) -> bool:
        return _inclusion(term_of(old), term_of(new), Change(_STRICT), context) != "other"

    return content, values, inclusion, lambda *_: True


def _can_apply(term: Term, node: Node, change: Change, context: Context) -> bool:
    """Return whether the schema in a `not` or `if` can match values of the schema `node`.

    This is possible if both schemas have a common type, or if the values are sent as text.
    """
    return bool(change.mode.text or context.schemas.node(term).types & node.types)


def _harm(old: Node, new: Node, old_part: Node, new_part: Node, change: Change, context: Context) -> str:
    """Return the effect of a change: `narrowed` for requests, `widened` for responses, or `changed`.

    The result is `changed` if no example value proves that the change breaks clients, and during a proof.
    """
    request = change.mode.direction is Direction.REQUEST
    pair = (old, new_part) if request else (old_part, new)
    if context.proving or context.schemas.example(*pair, change.mode.direction) is NOTHING:
        return "changed"
    return "narrowed" if request else "widened"


def _inclusion(old: Term, new: Term, change: Change, context: Context) -> str:
    """Return how the values that the new schema allows differ from the values that the old schema allows.

    The result is `same`, `wider` (the new schema allows more values), `narrower` (the new schema allows fewer
    values) or `other` (none of the first three results is proved).
    """
    forth, back = (
        change.proved(covers(Pair(first, second, _STRICT), context))
        for first, second in ((old, new), (new, old))
    )
    return "same" if forth and back else "wider" if forth else "narrower" if back else "other"


def _conditions(old: Node, new: Node, change: Change, context: Context) -> None:
    """Compare the conditions (`if` with `then` and `else`) of both schemas.

    If both `if` schemas allow the same values, the `then` and `else` schemas are compared. If only the `if`
    schemas differ, the effect of their difference is determined.
    """
    same_term = context.schemas.same_term

    def same(first: Condition, second: Condition) -> bool:
        parts = (first.when, second.when), (first.then, second.then), (first.otherwise, second.otherwise)
        return all(same_term(*part) for part in parts)

    pairs, removed, added = paired(
        old.conditions,
        new.conditions,
        lambda condition: content_key(
            context.schemas.equality, condition.when, condition.then, condition.otherwise
        ),
        (same, *_relations(_when, context)),
    )
    for first, second in pairs:
        word = _inclusion(first.when, second.when, change, context)
        if word == "same":
            change.pair(first.then, second.then, "then")
            change.pair(first.otherwise, second.otherwise, "else")
            continue
        word = _reworded(first, second, word, context)
        if word == "changed":
            old_part, new_part = (replace(_BARE, conditions=(condition,)) for condition in (first, second))
            word = _harm(old, new, old_part, new_part, change, context)
        change.fact(_CONDITION[word], first.element, second.element)
    for condition in removed:
        if condition.otherwise or _can_apply(condition.when, new, change, context):
            change.fact(facts.CONDITION_REMOVED, condition.element, new.element)
    for condition in added:
        if condition.otherwise or _can_apply(condition.when, old, change, context):
            change.fact(facts.CONDITION_ADDED, old.element, condition.element)


def _itself(term: Term) -> Term:
    return term


def _when(condition: Condition) -> Term:
    return condition.when


def _reworded(old: Condition, new: Condition, word: str, context: Context) -> str:
    """Return the effect of a changed `if`: `narrowed`, `widened` or `changed`.

    `word` is the result of `_inclusion` for the two `if` schemas. If `if` matches more values, `then`
    restricts more values, and `else` restricts fewer values.
    """
    same = context.schemas.same_term
    then = not old.otherwise and not new.otherwise and same(old.then, new.then)
    otherwise = not old.then and not new.then and same(old.otherwise, new.otherwise)
    if word == "other" or not (then or otherwise):
        return "changed"
    return "narrowed" if (word == "wider") == then else "widened"


def _opaque(old: Node, new: Node, change: Change, context: Context) -> None:
    """Add facts about changes of keywords that the comparison does not interpret."""
    for name in sorted({**old.opaque, **new.opaque}):
        before, after = old.opaque.get(name), new.opaque.get(name)
        old_value, new_value = before.value if before else None, after.value if after else None
        # The effect of these keywords can depend on other keywords and on references.
        if before and after and context.schemas.same_term((before.element,), (after.element,)):
            continue
        if old_value != new_value or name in _CONTEXT_DEPENDENT:
            old_element, new_element = (
                before.element if before else old.element,
                after.element if after else new.element,
            )
            change.fact(facts.KEYWORD_UNDECIDED, old_element, new_element, old_value, new_value, name)
