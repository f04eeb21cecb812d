"""Search for a number or string that one schema allows and other schemas reject."""

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

#: The maximum number of integers, or of multiples of a number, that are tried one by one.
_MAX_TRIED = 256
#: The expression that no string matches.
_MATCHES_NOTHING = "[]"
_DEFAULT_TEXT = "text"
_LENGTHS, _MAX_LENGTH = ("minLength", "maxLength"), 10_000


class _Violation(NamedTuple):
    """Conditions that make a number violate a schema.

    Without conditions, every number can violate the schema, because some keywords are not evaluated.
    """

    low: Facet | None = None
    high: Facet | None = None
    step: float | None = None
    enumerated: frozenset[str] = frozenset()


def number(node: Node, rejecting_nodes: Sequence[Node]) -> Any:
    """Return a number that `node` allows and all schemas in `rejecting_nodes` reject.

    The result is None if such a number does not exist. If this cannot be decided, the result is a number that
    can violate the conditions.
    """
    violations = [list(_number_violations(node, rejecting)) for rejecting in rejecting_nodes]
    return _number(node, violations, (), frozenset())


def _number_violations(node: Node, rejecting: Node) -> Iterator[_Violation]:
    low, high, step = (rejecting.facets.get(name) for name in ("minimum", "maximum", "multipleOf"))
    if low is not None:
        yield _Violation(high=_beyond(low))
    if high is not None:
        yield _Violation(low=_beyond(high))
    if step is not None:
        yield _Violation(step=step.value)
    if rejecting.integral and not node.integral:
        yield _Violation(step=1)
    if "number" in rejecting.values:
        yield _Violation(enumerated=frozenset(rejecting.values["number"]))
    if _other_formats(node, rejecting) or not same_opaque(node, rejecting):
        yield _Violation()


def _number(
    node: Node, violations: list[list[_Violation]], steps: tuple[float, ...], enumerated: frozenset[str]
) -> Any:
    """Return a number that satisfies one violation of each list in `violations`, or None."""
    if not violations:
        return _in_range(node, steps, enumerated)
    for violation in violations[0]:
        bounded = node
        for name, end in (("minimum", violation.low), ("maximum", violation.high)):
            if end is not None:
                bounded = _bounded(bounded, name, end)
        all_steps = steps if violation.step is None else (*steps, violation.step)
        value = _number(bounded, violations[1:], all_steps, enumerated | violation.enumerated)
        if value is not None:
            return value
    return None


def _beyond(end: Facet) -> Facet:
    """Return the bound that is the opposite of `end`: numbers violate `end` if they satisfy the result."""
    bound: Bound = end.value
    return Facet(value=Bound(value=bound.value, exclusive=not bound.exclusive), element=end.element)


def _bounded(node: Node, name: str, end: Facet) -> Node:
    present = node.facets.get(name)
    if present is not None and narrower_end(name, present.value, end.value):
        return node
    return replace(node, facets={**node.facets, name: end})


def _in_range(node: Node, steps: tuple[float, ...], enumerated: frozenset[str]) -> Any:
    """Return a number that `node` allows, except the numbers in `enumerated` and multiples of `steps`.

    The result is None if such a number does not exist. If the range has too many numbers to try, the result
    is a number that can violate the conditions.
    """
    node = consistent(node)
    if "number" not in node.types:
        return None
    required_steps = [
        Fraction(str(facet.value)) for facet in (node.facets.get("multipleOf"),) if facet is not None
    ]
    required_steps += [Fraction(1)] if node.integral else []
    if any(
        (required_step / Fraction(str(step))).denominator == 1
        for required_step in required_steps
        for step in steps
    ):
        return None
    low, high = node.facets.get("minimum"), node.facets.get("maximum")
    bound = low or high
    start = bound.value.value if bound else 0
    if required_steps:
        stride = max(required_steps) if len(required_steps) == 1 else _common_multiple(required_steps)
        first_number = -(-Fraction(str(start)) // stride) * stride
        if high is not None and low is None:
            first_number, stride = Fraction(str(start)) // stride * stride, -stride
        candidates = (first_number + index * stride for index in range(_MAX_TRIED + len(enumerated)))
        all_tried = (
            low is not None
            and high is not None
            and (high.value.value - low.value.value) / abs(stride) < _MAX_TRIED
        )
    else:
        candidates = (candidate for candidate in _numbers_between(low, high, len(enumerated) + 3))
        all_tried = bool(low and high and low.value.value == high.value.value)
    for candidate in candidates:
        value = int(candidate) if candidate == int(candidate) else float(candidate)
        multiple = any((Fraction(candidate) / Fraction(str(step))).denominator == 1 for step in steps)
        if allows(node, value) and not multiple and canonical(value) not in enumerated:
            return value
    return None if all_tried else start


def _common_multiple(steps: list[Fraction]) -> Fraction:
    common = steps[0]
    for step in steps[1:]:
        ratio = common / step
        common = common * ratio.denominator
    return common


def _numbers_between(low: Facet | None, high: Facet | None, count: int) -> Iterator[Fraction]:
    """Yield numbers between two bounds; with one bound, numbers that start at the bound; otherwise at 0."""
    if low and high:
        minimum, maximum = Fraction(str(low.value.value)), Fraction(str(high.value.value))
        yield from (minimum, maximum)
        yield from (
            minimum + (maximum - minimum) * Fraction(index, count * 7 + 1) for index in range(1, count * 7)
        )
        return
    bound, sign = (low, 1) if low else (high, -1)
    first_number = Fraction(str(bound.value.value)) if bound else Fraction(0)
    yield from (first_number + sign * Fraction(index, 8) for index in range(count * 8))


def text(node: Node, rejecting_nodes: Sequence[Node]) -> str | Limit | None:
    """Return a string that `node` allows and all schemas in `rejecting_nodes` reject; None if there is none.

    If the patterns are too large for the search, the result is a limit. If a pattern is not supported, or the
    minimum length is greater than `_MAX_LENGTH`, the result is a string that can violate the conditions.
    """
    return _text(node, [list(_text_violations(node, rejecting)) for rejecting in rejecting_nodes], ())


def _text_violations(node: Node, rejecting: Node) -> Iterator[tuple[str, Facet | str]]:
    """Yield conditions that make a string violate the schema `rejecting`.

    A condition is a limit of the length, or a regular expression that the string must not match.
    """
    for name, other, step in (("minLength", "maxLength", -1), ("maxLength", "minLength", 1)):
        facet = rejecting.facets.get(name)
        if facet is not None:
            yield other, Facet(value=facet.value + step, element=facet.element)
    for pattern in rejecting.patterns:
        if pattern not in node.patterns:
            yield "pattern", pattern
    if "string" in rejecting.values:
        yield "pattern", regex_automaton.of_texts(rejecting.values["string"].values())
    # A format, or a keyword that is not evaluated, can reject any string.
    if _other_formats(node, rejecting) or not same_opaque(node, rejecting):
        yield "pattern", _MATCHES_NOTHING


def _text(
    node: Node, violations: list[list[tuple[str, Facet | str]]], avoided: tuple[str, ...]
) -> str | Limit | None:
    """Return a string that satisfies one violation of each list in `violations`; None if there is none."""
    if not violations:
        return _matching(node, avoided)
    for name, violation in violations[0]:
        limited, all_avoided = node, avoided
        if isinstance(violation, Facet):
            limited = _limited(node, name, violation)
        elif violation != _MATCHES_NOTHING:
            all_avoided = (*avoided, violation)
        value = _text(limited, violations[1:], all_avoided)
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
    min_length, max_length = (node.facets[name].value if name in node.facets else None for name in _LENGTHS)
    if max_length is not None and max_length < (min_length or 0):
        return None
    if not node.patterns and not avoided:
        return "x" * min(min_length or 0, _MAX_LENGTH)
    avoided_pattern = "|".join(f"(?:{pattern})" for pattern in avoided) or _MATCHES_NOTHING
    text = regex_automaton.counterexample(text_patterns.expressions_of(node), avoided_pattern)
    if text is None or isinstance(text, Limit):  # the limits of the length can be too large for an automaton
        text = regex_automaton.counterexample(list(node.patterns), avoided_pattern)
    if text is False:
        return None
    return text if isinstance(text, str | Limit) else _DEFAULT_TEXT


def _other_formats(node: Node, rejecting: Node) -> bool:
    """Return whether `rejecting` has a format that the formats of `node` do not imply.

    Formats that do not restrict values, such as `password`, do not count.
    """
    implied = set(node.formats)
    for name in node.formats:
        implied |= WIDER.get(name, frozenset())
    return bool(rejecting.formats.keys() - implied - HINTS)


def same_opaque(node: Node, rejecting: Node) -> bool:
    """Return whether `node` has all unevaluated keywords of `rejecting`, with equal values."""
    return all(
        name in node.opaque and node.opaque[name].value == facet.value
        for name, facet in rejecting.opaque.items()
    )
