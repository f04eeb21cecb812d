"""Compare the patterns and length limits of string schemas as sets of allowed strings."""

from __future__ import annotations

import math
from collections.abc import Iterable

from infra_openapi import facts
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction
from infra_openapi.schema import regex_automaton
from infra_openapi.schema.change import Change
from infra_openapi.schema.limits import Limit
from infra_openapi.schema.node import Node

#: A regular expression that matches no string.
_NOTHING = "[]"


def patterns(old: Node, new: Node, change: Change) -> None:
    """Add facts about changed patterns of a schema for strings."""
    request = change.mode.direction is Direction.REQUEST
    # The change is compatible if `outer` allows every string that `inner` allows.
    inner, outer = (old, new) if request else (new, old)
    outer_only = [pattern for pattern in sorted(outer.patterns) if pattern not in inner.patterns]
    inner_only = [pattern for pattern in sorted(inner.patterns) if pattern not in outer.patterns]
    answers = {pattern: _example(inner, pattern, change) for pattern in outer_only}
    unproved = [pattern for pattern in outer_only if answers[pattern] is not False]
    if unproved and inner_only:
        harmful_kind = facts.PATTERN_NARROWED if request else facts.PATTERN_WIDENED
        has_example = any(isinstance(answers[pattern], str) for pattern in unproved)
        pair = (inner_only[0], unproved[0]) if request else (unproved[0], inner_only[0])
        _changed(old, new, change, pair, harmful_kind if has_example else facts.PATTERN_CHANGED)
    elif unproved:
        _added_or_removed(old, new, change, unproved)
    elif undecided := [pattern for pattern in inner_only if _example(outer, pattern, change) is not False]:
        if outer_only:
            pair = (undecided[0], outer_only[0]) if request else (outer_only[0], undecided[0])
            _changed(old, new, change, pair, facts.PATTERN_WIDENED if request else facts.PATTERN_NARROWED)
        else:
            _added_or_removed(old, new, change, undecided)


def _changed(old: Node, new: Node, change: Change, pair: tuple[str, str], kind: FactKind) -> None:
    before, after = pair
    change.fact(kind, old.patterns[before], new.patterns[after], before, after)


def _added_or_removed(old: Node, new: Node, change: Change, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if pattern in new.patterns:
            change.fact(facts.PATTERN_ADDED, old.element, new.patterns[pattern], None, pattern)
        else:
            change.fact(facts.PATTERN_REMOVED, old.patterns[pattern], new.element, pattern, None)


def _example(node: Node, expression: str, change: Change | None = None) -> str | bool | None:
    """Return a string that the schema allows, but that the regular expression does not match.

    The result is False if no such string exists, and None if this is undecided. If the search stops at a
    limit, the limit is added to `change`.
    """
    text = regex_automaton.counterexample(expressions_of(node), expression)
    if not isinstance(text, Limit):
        return text
    if change is not None:
        change.limits.add(text)
    return None


def expressions_of(node: Node) -> list[str]:
    """Return the patterns and length limits of a string schema as a list of regular expressions."""
    min_length, max_length = (
        node.facets[name].value if name in node.facets else None for name in ("minLength", "maxLength")
    )
    lengths = (
        []
        if min_length is None and max_length is None
        else [regex_automaton.of_lengths(min_length, max_length)]
    )
    return [*node.patterns, *lengths]


def matching(node: Node) -> str | None:
    """Return a string that satisfies the patterns and length limits of a schema; None if none was found."""
    text = regex_automaton.counterexample(expressions_of(node), _NOTHING)
    return text if isinstance(text, str) else None


def distinguishing_string(wide: Node, narrow: Node) -> str | None:
    """Return a string that the schema `wide` allows and that a pattern of `narrow` does not match.

    The result is None if no such string was found.
    """
    examples = (_example(wide, pattern) for pattern in narrow.patterns)
    return next((text for text in examples if isinstance(text, str)), None)


def _length_limit(expressions: Iterable[str]) -> int:
    """Return a length limit: if a longer string matches all expressions, no longest matching string exists.

    The limit is the product of the numbers of states of all automata. A longer string reaches the same
    combination of states twice, so the characters between the two places can be repeated any number of times,
    and the string still matches.
    """
    automata = (regex_automaton.automaton(expression) for expression in expressions)
    return math.prod(
        len(automaton.transitions)
        for automaton in automata
        if isinstance(automaton, regex_automaton.Automaton)
    )


def implied_length(name: str, old: Node, new: Node, change: Change) -> bool:
    """Return whether a changed `minLength` or `maxLength` has no effect.

    The change has no effect if the patterns of one schema allow only strings with a length that the other
    schema allows.
    """
    inner, outer = (old, new) if change.mode.direction is Direction.REQUEST else (new, old)
    if name not in {"minLength", "maxLength"} or name not in outer.facets or not inner.patterns:
        return False
    value = min(outer.facets[name].value, _length_limit(inner.patterns))
    expression = regex_automaton.of_lengths(*((value, None) if name == "minLength" else (None, value)))
    example = regex_automaton.counterexample(list(inner.patterns), expression)
    if isinstance(example, Limit):
        change.limits.add(example)
    return example is False


def match_exactly(node: Node, texts: Iterable[str]) -> bool:
    """Return whether the patterns of a schema match no other strings than those in `texts`.

    The function does not check whether the patterns match every string in `texts`.
    """
    return bool(node.patterns) and _example(node, regex_automaton.of_texts(texts)) is False
