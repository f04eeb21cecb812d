"""Compare the keywords `not` and `if` of schemas, and keywords that the comparison does not interpret."""

from __future__ import annotations

from dataclasses import replace

from infra_openapi import facts
from infra_openapi.finding import Direction
from infra_openapi.schema.change import Change, Mode, Pair
from infra_openapi.schema.comparer import Comparer
from infra_openapi.schema.node import Condition, Node, Term

#: Keywords whose effect depends on other keywords.
_LEANING = frozenset({"unevaluatedItems", "contentSchema", "$dynamicRef", "propertyDependencies"})
_BARE = Node(key=(), elements=())
_STRICT = Mode(Direction.REQUEST)
_NOT = {"narrowed": facts.NOT_NARROWED, "widened": facts.NOT_WIDENED, "changed": facts.NOT_CHANGED}
_CONDITION = {
    "narrowed": facts.CONDITION_NARROWED,
    "widened": facts.CONDITION_WIDENED,
    "changed": facts.CONDITION_CHANGED,
}


def compare(old: Node, new: Node, change: Change, comparer: Comparer) -> None:
    """Add facts about changes of `not`, of `if`, and of keywords that the comparison does not interpret."""
    _negations(old, new, change, comparer)
    _conditions(old, new, change, comparer)
    _opaque(old, new, change, comparer)


def _negations(old: Node, new: Node, change: Change, comparer: Comparer) -> None:
    left = list(new.negations)
    lost = []
    for term in old.negations:
        match = next((each for each in left if comparer.same_term(term, each)), None)
        if match is None:
            lost.append(term)
        else:
            left.remove(match)
    while lost and left:
        first, second = lost.pop(0), left.pop(0)
        word = _inclusion(first, second, comparer)
        if word != "same":
            kind = {"wider": facts.NOT_NARROWED, "narrower": facts.NOT_WIDENED}.get(word)
            # Only the values that this keyword rejects are compared, without the other keywords of the
            # schema.
            one, other = (replace(_BARE, negations=(term,)) for term in (first, second))
            kind = kind or _NOT[_harm(old, new, one, other, change, comparer)]
            change.fact(kind, first[0], second[0])
    for term in lost:
        if _can_apply(term, new, change, comparer):
            change.fact(facts.NOT_REMOVED, term[0], new.element)
    for term in left:
        if _can_apply(term, old, change, comparer):
            change.fact(facts.NOT_ADDED, old.element, term[0])


def _can_apply(term: Term, node: Node, change: Change, comparer: Comparer) -> bool:
    """Return whether the schema in a `not` or `if` can match values of the schema `node`.

    This is possible if both schemas have a common type.
    """
    return bool(change.mode.text or comparer.node(term).types & node.types)


def _harm(old: Node, new: Node, first: Node, second: Node, change: Change, comparer: Comparer) -> str:
    """Return the effect of a change that an example value proves: `narrowed` for requests, or `widened`.

    `widened` is the effect for responses. Without an example value, the result is `changed`.
    """
    request = change.mode.direction is Direction.REQUEST
    sides = (old, second) if request else (first, new)
    if comparer.example(*sides, change.mode.direction) is comparer.nothing:
        return "changed"
    return "narrowed" if request else "widened"


def _inclusion(old: Term, new: Term, comparer: Comparer) -> str:
    """Return which values the new schema allows: the `same` as the old schema, more, fewer, or others.

    The result is one of the words `same`, `wider`, `narrower` and `other`.
    """
    forth, back = (
        comparer.covers(Pair(old, new, _STRICT)),
        comparer.covers(Pair(new, old, _STRICT)),
    )
    return "same" if forth and back else "wider" if forth else "narrower" if back else "other"


def _conditions(old: Node, new: Node, change: Change, comparer: Comparer) -> None:
    """Compare the conditions (`if` with `then` and `else`) of both schemas.

    If both schemas have an equal `if`, `then` and `else` are compared. If only `if` differs, the two `if` are
    compared.
    """
    left = list(new.conditions)
    lost = []
    for condition in old.conditions:
        match = next((each for each in left if comparer.same_term(condition.when, each.when)), None)
        if match is None:
            lost.append(condition)
            continue
        left.remove(match)
        change.pair(condition.then, match.then, "then")
        change.pair(condition.otherwise, match.otherwise, "else")
    while lost and left:
        first, second = lost.pop(0), left.pop(0)
        word = _reworded(first, second, comparer)
        if word == "changed":
            one, other = (replace(_BARE, conditions=(each,)) for each in (first, second))
            word = _harm(old, new, one, other, change, comparer)
        if word:
            change.fact(_CONDITION[word], first.element, second.element)
    for condition in lost:
        if condition.otherwise or _can_apply(condition.when, new, change, comparer):
            change.fact(facts.CONDITION_REMOVED, condition.element, new.element)
    for condition in left:
        if condition.otherwise or _can_apply(condition.when, old, change, comparer):
            change.fact(facts.CONDITION_ADDED, old.element, condition.element)


def _reworded(old: Condition, new: Condition, comparer: Comparer) -> str:
    """Return the effect of a changed `if`: `narrowed`, `widened`, `changed`, or an empty string for none.

    With a `then`, an `if` that matches more values restricts more values.
    """
    word = _inclusion(old.when, new.when, comparer)
    then = not old.otherwise and not new.otherwise and comparer.same_term(old.then, new.then)
    otherwise = not old.then and not new.then and comparer.same_term(old.otherwise, new.otherwise)
    if word == "same":
        same = comparer.same_term(old.then, new.then) and comparer.same_term(old.otherwise, new.otherwise)
        return "" if same else "changed"
    if word == "other" or not (then or otherwise):
        return "changed"
    return "narrowed" if (word == "wider") == then else "widened"


def _opaque(old: Node, new: Node, change: Change, comparer: Comparer) -> None:
    """Add facts about changes of keywords that the comparison does not interpret."""
    for name in sorted({**old.opaque, **new.opaque}):
        before, after = old.opaque.get(name), new.opaque.get(name)
        first, second = before.value if before else None, after.value if after else None
        # The effect of these keywords can depend on other keywords and on references.
        if before and after and comparer.same_term((before.element,), (after.element,)):
            continue
        if first != second or name in _LEANING:
            one, other = before.element if before else old.element, after.element if after else new.element
            change.fact(facts.KEYWORD_UNDECIDED, one, other, first, second, name)
