"""Compare patterns and length limits of strings; each of them is treated as a set of allowed strings."""

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
    # The change is compatible if the wider side allows every string that the narrower side allows.
    inner, outer = (old, new) if request else (new, old)
    asked = [pattern for pattern in sorted(outer.patterns) if pattern not in inner.patterns]
    given = [pattern for pattern in sorted(inner.patterns) if pattern not in outer.patterns]
    answers = {pattern: _example(inner, pattern, change) for pattern in asked}
    left = [pattern for pattern in asked if answers[pattern] is not False]
    if left and given:
        harm = facts.PATTERN_NARROWED if request else facts.PATTERN_WIDENED
        harms = any(isinstance(answers[pattern], str) for pattern in left)
        pair = (given[0], left[0]) if request else (left[0], given[0])
        _changed(old, new, change, pair, harm if harms else facts.PATTERN_CHANGED)
    elif left:
        _one_sided(old, new, change, left)
    elif remaining := [pattern for pattern in given if _example(outer, pattern, change) is not False]:
        if asked:
            pair = (remaining[0], asked[0]) if request else (asked[0], remaining[0])
            _changed(old, new, change, pair, facts.PATTERN_WIDENED if request else facts.PATTERN_NARROWED)
        else:
            _one_sided(old, new, change, remaining)


def _changed(old: Node, new: Node, change: Change, pair: tuple[str, str], kind: FactKind) -> None:
    before, after = pair
    change.fact(kind, old.patterns[before], new.patterns[after], before, after)


def _one_sided(old: Node, new: Node, change: Change, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if pattern in new.patterns:
            change.fact(facts.PATTERN_ADDED, old.element, new.patterns[pattern], None, pattern)
        else:
            change.fact(facts.PATTERN_REMOVED, old.patterns[pattern], new.element, pattern, None)


def _example(node: Node, expression: str, change: Change | None = None) -> str | bool | None:
    """Return a string that the schema allows, but that the regular expression does not match.

    The result is False if no such string exists, and None if this is undecided. If the search stops at a
    limit, the change records this limit.
    """
    text = regex_automaton.counterexample(restraints(node), expression)
    if not isinstance(text, Limit):
        return text
    if change is not None:
        change.limits.add(text)
    return None


def restraints(node: Node) -> list[str]:
    """Return the patterns and length limits of a string schema as a list of regular expressions."""
    least, most = (
        node.facets[name].value if name in node.facets else None for name in ("minLength", "maxLength")
    )
    lengths = [] if least is None and most is None else [regex_automaton.of_lengths(least, most)]
    return [*node.patterns, *lengths]


def matching(node: Node) -> str | None:
    """Return a string that satisfies the patterns and length limits of a schema; None if none was found."""
    text = regex_automaton.counterexample(restraints(node), _NOTHING)
    return text if isinstance(text, str) else None


def told_apart(wide: Node, narrow: Node) -> str | None:
    """Return a string that the schema `wide` allows and that a pattern of `narrow` does not match.

    The result is None if no such string was found.
    """
    examples = (_example(wide, pattern) for pattern in narrow.patterns)
    return next((text for text in examples if isinstance(text, str)), None)


def _size(expressions: Iterable[str]) -> int:
    """Return a length with this property: if a string of the language is longer, the language is infinite.

    The length is the product of the numbers of states of all expressions.

    The language consists of the strings that match all expressions. A longer string reaches a combination of
    states twice, so the part between both can be repeated.
    """
    made = (regex_automaton.automaton(expression) for expression in expressions)
    return math.prod(
        len(automaton.steps) for automaton in made if isinstance(automaton, regex_automaton.Automaton)
    )


def implied_length(name: str, old: Node, new: Node, change: Change) -> bool:
    """Return whether a changed `minLength` or `maxLength` has no effect.

    This is the case if the patterns of one schema already allow only strings with the length that the other
    schema requires.
    """
    inner, outer = (old, new) if change.mode.direction is Direction.REQUEST else (new, old)
    if name not in {"minLength", "maxLength"} or name not in outer.facets or not inner.patterns:
        return False
    value = min(outer.facets[name].value, _size(inner.patterns))
    expression = regex_automaton.of_lengths(*((value, None) if name == "minLength" else (None, value)))
    example = regex_automaton.counterexample(list(inner.patterns), expression)
    if isinstance(example, Limit):
        change.limits.add(example)
    return example is False


def listed(node: Node, texts: Iterable[str]) -> bool:
    """Return whether the patterns of a schema match exactly the strings in `texts`."""
    return bool(node.patterns) and _example(node, regex_automaton.of_texts(texts)) is False
