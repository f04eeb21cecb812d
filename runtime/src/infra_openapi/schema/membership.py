"""Decide whether a schema allows a value: yes, no, or undecided."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from infra_openapi.schema import pattern as expression
from infra_openapi.schema.contradiction import allows
from infra_openapi.schema.format import HINTS
from infra_openapi.schema.intersection import declared
from infra_openapi.schema.node import Condition, Node, Term, canonical, kind_of
from infra_openapi.schema.normalize import Normalizer


class Membership:
    """Decides whether a schema allows a value; the answer is True, False, or None for undecided."""

    def __init__(self, normalizer: Normalizer) -> None:
        self._node = normalizer.node
        #: The pairs of schema and value that are being checked. If such a pair occurs again, a schema is its
        #: own alternative, and the answer is None.
        self._unanswered: set[tuple[Hashable, int]] = set()

    def holds(self, node: Node, value: Any) -> bool | None:
        """Return whether the schema `node` allows the value; None if this cannot be decided."""
        kind = kind_of(value)
        if kind not in node.types:
            return False
        enumerated = node.values.get(kind)
        if (enumerated is not None and canonical(value) not in enumerated) or not allows(node, value):
            return False
        question = (node.key, id(value))
        if question in self._unanswered:
            return None
        self._unanswered.add(question)
        try:
            return _all(self._answers(node, value))
        finally:
            self._unanswered.discard(question)

    def _term(self, term: Term, value: Any) -> bool | None:
        return self.holds(self._node(term), value)

    def _answers(self, node: Node, value: Any) -> Iterator[bool | None]:
        if isinstance(value, dict):
            yield from self._of_object(node, value)
        elif isinstance(value, list):
            yield from self._of_array(node, value)
        elif isinstance(value, str):
            yield from (expression.matches(pattern, value) for pattern in node.patterns)
        if node.formats.keys() - HINTS and kind_of(value) in {"string", "number"}:
            yield None
        if node.opaque:
            yield None
        for group in node.groups:
            answers = [self._term(branch, value) for branch in group.branches]
            if group.kind == "oneOf" and None not in answers:
                yield answers.count(True) == 1
            else:
                yield _any(answers)
        for term in node.negations:
            yield _not(self._term(term, value))
        for condition in node.conditions:
            yield self._condition(condition, value)

    def _condition(self, condition: Condition, value: Any) -> bool | None:
        holds = self._term(condition.when, value)
        then, otherwise = (self._term(part, value) for part in (condition.then, condition.otherwise))
        if holds is None:
            return then if then is otherwise else None
        return then if holds else otherwise

    def _of_object(self, node: Node, value: dict[str, Any]) -> Iterator[bool | None]:
        minimum, maximum = node.facets.get("minProperties"), node.facets.get("maxProperties")
        yield not (minimum and len(value) < minimum.value) and not (maximum and len(value) > maximum.value)
        for name in node.required.keys() - value.keys():
            # For read-only and write-only properties, `required` depends on the direction.
            notes = self._node(node.properties.get(name, ())).notes
            yield None if {"readOnly", "writeOnly"} & notes.keys() else False
        for name, inner in value.items():
            yield self._term(declared(node, name), inner)
            if node.names is not None:
                yield self._term(node.names, name)
            required_names = node.dependent[name][0] if name in node.dependent else frozenset()
            yield required_names <= value.keys()
            if name in node.dependent_schemas:
                yield self._term(node.dependent_schemas[name], value)
        if node.unevaluated is not None:
            yield None

    def _of_array(self, node: Node, value: list[Any]) -> Iterator[bool | None]:
        minimum, maximum = node.facets.get("minItems"), node.facets.get("maxItems")
        yield not (minimum and len(value) < minimum.value) and not (maximum and len(value) > maximum.value)
        if "uniqueItems" in node.facets:
            yield len({canonical(item) for item in value}) == len(value)
        for index, inner in enumerate(value):
            term = node.prefix[index] if index < len(node.prefix) else node.items or ()
            yield self._term(term, inner)
        for containment in node.contains:
            answers = [self._term(containment.term, inner) for inner in value]
            matching, possibly_matching = answers.count(True), answers.count(True) + answers.count(None)
            if possibly_matching < containment.minimum or (
                containment.maximum is not None and matching > containment.maximum
            ):
                yield False
            else:
                yield (
                    True
                    if matching >= containment.minimum
                    and (containment.maximum is None or possibly_matching <= containment.maximum)
                    else None
                )


def _all(answers: Iterable[bool | None]) -> bool | None:
    result: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def _any(answers: Iterable[bool | None]) -> bool | None:
    return _not(_all(_not(answer) for answer in answers))


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer
