"""Search for a number or string that one schema allows and that other schemas refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

from infra_openapi.schema import regex_automaton, text_patterns
from infra_openapi.schema.contradiction import allows, consistent
from infra_openapi.schema.format import HINTS, WIDER
from infra_openapi.schema.limits import Limit
from infra_openapi.schema.node import Bound, Facet, Node, canonical, narrower_end

#: The maximum number of integers in a range that are tried one by one.
_SHORT = 256
#: The expression that no string matches.
_NEVER = "[]"
_GUESS = "text"
_LENGTHS, _LONGEST = ("minLength", "maxLength"), 10_000


class _Refusal(NamedTuple):
    """One way in which a number violates a schema: conditions for the number.

    A way without conditions stands for keywords that are not evaluated: such keywords can refuse any number.
    """

    low: Facet | None = None
    high: Facet | None = None
    step: float | None = None
    listed: frozenset[str] = frozenset()


def number(node: Node, refusals: Sequence[Node]) -> Any:
    """Return a number that `node` allows and that all schemas in `refusals` refuse; None if there is none."""
    ways = [list(_number_ways(node, refusal)) for refusal in refusals]
    return _number(node, ways, (), frozenset())


def _number_ways(node: Node, refusal: Node) -> Iterator[_Refusal]:
    low, high, step = (refusal.facets.get(name) for name in ("minimum", "maximum", "multipleOf"))
    if low is not None:
        yield _Refusal(high=_beyond(low))
    if high is not None:
        yield _Refusal(low=_beyond(high))
    if step is not None:
        yield _Refusal(step=step.value)
    if refusal.integral and not node.integral:
        yield _Refusal(step=1)
    if "number" in refusal.values:
        yield _Refusal(listed=frozenset(refusal.values["number"]))
    if _other_formats(node, refusal) or not same_opaque(node, refusal):
        yield _Refusal()


def _number(node: Node, ways: list[list[_Refusal]], steps: tuple[float, ...], listed: frozenset[str]) -> Any:
    """Return a number that violates each refusing schema in one of the `ways` for this schema, or None."""
    if not ways:
        return _in_range(node, steps, listed)
    for way in ways[0]:
        made = node
        for name, end in (("minimum", way.low), ("maximum", way.high)):
            if end is not None:
                made = _bounded(made, name, end)
        more = steps if way.step is None else (*steps, way.step)
        value = _number(made, ways[1:], more, listed | way.listed)
        if value is not None:
            return value
    return None


def _beyond(end: Facet) -> Facet:
    """Return the bound that exactly those numbers fulfil that violate the bound `end`."""
    bound: Bound = end.value
    return Facet(value=Bound(value=bound.value, exclusive=not bound.exclusive), element=end.element)


def _bounded(node: Node, name: str, end: Facet) -> Node:
    present = node.facets.get(name)
    if present is not None and narrower_end(name, present.value, end.value):
        return node
    return replace(node, facets={**node.facets, name: end})


def _in_range(node: Node, steps: tuple[float, ...], listed: frozenset[str]) -> Any:
    """Return a number that `node` allows, that is not a multiple of any of `steps` and not in `listed`.

    The result is None if no such number was found.
    """
    node = consistent(node)
    if "number" not in node.types:
        return None
    own = [Fraction(str(facet.value)) for facet in (node.facets.get("multipleOf"),) if facet is not None]
    own += [Fraction(1)] if node.integral else []
    if any((mine / Fraction(str(step))).denominator == 1 for mine in own for step in steps):
        return None
    low, high = node.facets.get("minimum"), node.facets.get("maximum")
    end = low or high
    start = end.value.value if end else 0
    if own:
        stride = max(own) if len(own) == 1 else _common(own)
        first = -(-Fraction(str(start)) // stride) * stride
        if high is not None and low is None:
            first, stride = Fraction(str(start)) // stride * stride, -stride
        tried = (first + index * stride for index in range(_SHORT + len(listed)))
        finite = (
            low is not None
            and high is not None
            and (high.value.value - low.value.value) / abs(stride) < _SHORT
        )
    else:
        tried = (point for point in _points(low, high, len(listed) + 3))
        finite = bool(low and high and low.value.value == high.value.value)
    for point in tried:
        value = int(point) if point == int(point) else float(point)
        multiple = any((Fraction(point) / Fraction(str(step))).denominator == 1 for step in steps)
        if allows(node, value) and not multiple and canonical(value) not in listed:
            return value
    return None if finite else start


def _common(steps: list[Fraction]) -> Fraction:
    made = steps[0]
    for step in steps[1:]:
        ratio = made / step
        made = made * ratio.denominator
    return made


def _points(low: Facet | None, high: Facet | None, count: int) -> Iterator[Fraction]:
    """Yield numbers between two bounds; with one bound, numbers from this bound on; otherwise from 0 on."""
    if low and high:
        least, most = Fraction(str(low.value.value)), Fraction(str(high.value.value))
        yield from (least, most)
        yield from (least + (most - least) * Fraction(index, count * 7 + 1) for index in range(1, count * 7))
        return
    start, sign = (low, 1) if low else (high, -1)
    begin = Fraction(str(start.value.value)) if start else Fraction(0)
    yield from (begin + sign * Fraction(index, 8) for index in range(count * 8))


def text(node: Node, refusals: Sequence[Node]) -> str | Limit | None:
    """Return a string that `node` allows and that all schemas in `refusals` refuse; None if there is none.

    If the patterns are too large for the search, the result is a limit.
    """
    return _text(node, [list(_text_ways(node, refusal)) for refusal in refusals], ())


def _text_ways(node: Node, refusal: Node) -> Iterator[tuple[str, Facet | str]]:
    """Yield the ways in which a string violates the schema `refusal`.

    A way is a limit of the string's length, or a regular expression that the string must not match.
    """
    for name, other, step in (("minLength", "maxLength", -1), ("maxLength", "minLength", 1)):
        facet = refusal.facets.get(name)
        if facet is not None:
            yield other, Facet(value=facet.value + step, element=facet.element)
    for pattern in refusal.patterns:
        if pattern not in node.patterns:
            yield "pattern", pattern
    if "string" in refusal.values:
        yield "pattern", regex_automaton.of_texts(refusal.values["string"].values())
    # A format, or a keyword that is not evaluated, can refuse any string.
    if _other_formats(node, refusal) or not same_opaque(node, refusal):
        yield "pattern", _NEVER


def _text(
    node: Node, ways: list[list[tuple[str, Facet | str]]], avoided: tuple[str, ...]
) -> str | Limit | None:
    """Return a string that violates each refusing schema in one of the ways for this schema."""
    if not ways:
        return _matching(node, avoided)
    for name, way in ways[0]:
        made, more = node, avoided
        if isinstance(way, Facet):
            made = _limited(node, name, way)
        elif way != _NEVER:
            more = (*avoided, way)
        value = _text(made, ways[1:], more)
        if value is not None:
            return value
    return None


def _limited(node: Node, name: str, limit: Facet) -> Node:
    present = node.facets.get(name)
    tighter = max if name == "minLength" else min
    if present is not None and tighter(present.value, limit.value) == present.value:
        return node
    return replace(node, facets={**node.facets, name: limit})


def _matching(node: Node, avoided: tuple[str, ...]) -> str | Limit | None:
    least, most = (node.facets[name].value if name in node.facets else None for name in _LENGTHS)
    if most is not None and most < (least or 0):
        return None
    if not node.patterns and not avoided:
        return "x" * min(least or 0, _LONGEST)
    unwanted = "|".join(f"(?:{pattern})" for pattern in avoided) or _NEVER
    text = regex_automaton.counterexample(text_patterns.restraints(node), unwanted)
    if text is None or isinstance(text, Limit):  # the lengths can be too large
        text = regex_automaton.counterexample(list(node.patterns), unwanted)
    if text is False:
        return None
    return text if isinstance(text, str | Limit) else _GUESS


def _other_formats(node: Node, refusal: Node) -> bool:
    """Return whether the second schema has a format that the formats of the first schema do not imply."""
    implied = set(node.formats)
    for name in node.formats:
        implied |= WIDER.get(name, frozenset())
    return bool(refusal.formats.keys() - implied - HINTS)


def same_opaque(node: Node, refusal: Node) -> bool:
    """Return whether the first schema has each keyword of the second schema that is not evaluated."""
    return all(
        name in node.opaque and node.opaque[name].value == facet.value
        for name, facet in refusal.opaque.items()
    )
