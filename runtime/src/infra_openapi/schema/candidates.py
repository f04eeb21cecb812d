"""Generate candidates for an example value: values at the bounds of a schema and beyond the bounds.

An example value shows that a change breaks clients: one document allows the value, the other does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from infra_openapi.schema import text_patterns
from infra_openapi.schema.intersection import intersection
from infra_openapi.schema.node import Bound, Node, Term

#: Limits: the number of values for a schema and for a part of it, the size and the depth of a value.
_MOST, _FEW, _LONGEST, _DEEPEST = 60, 8, 10_000, 4
_SAMPLES = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "a@example.com",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "::1",
    "hostname": "example.com",
}


class Candidates:
    """Generates candidates for an example value: simple values first, then values at every bound."""

    def __init__(self, node: Callable[[Term], Node]) -> None:
        self._node = node

    def of(self, wide: Node, narrow: Node) -> Iterator[Any]:
        """Yield values at the bounds and just beyond the bounds of two schemas.

        A value that only one of the schemas allows shows that the schemas differ.
        """
        for node in (wide, narrow):
            yield from islice(self._edges(node, _DEEPEST), _MOST)
        yield from (None, True, "text", 1, 1.5, [], {})

    def _sample(self, term: Term, depth: int) -> Any:
        return next(self._edges(self._node(term), depth - 1), None)

    def _edges(self, node: Node, depth: int) -> Iterator[Any]:
        """Yield values of a schema: simple values first, then values at its bounds and beyond."""
        for listed in node.values.values():
            yield from listed.values()
        for group in node.groups if depth > 0 else ():
            for branch in group.branches:
                yield from self._edges(self._node(branch), depth - 1)
        conditions = [
            part
            for condition in node.conditions
            for part in (condition.when, condition.then, condition.otherwise)
        ]
        for term in (*node.negations, *conditions) if depth > 0 else ():
            met = intersection(replace(node, negations=(), conditions=()), self._node(term), ())
            yield from islice(self._edges(met, depth - 1), _FEW)
            yield from islice(self._edges(self._node(term), depth - 1), _FEW)
        for name in ("object", "array", "string", "number", "boolean", "null"):
            if name in node.types and name not in node.values:
                yield from _KINDS[name](self, node, depth)

    def _objects(self, node: Node, depth: int) -> Iterator[Any]:
        if depth <= 0:
            yield {}
            return
        required = {name: term for name, term in node.properties.items() if name in node.required}
        plain = {
            name: self._sample(required.get(name, ()), depth) if name in required else "x"
            for name in sorted(node.required)
        }
        yield plain
        for name in plain:
            yield {key: value for key, value in plain.items() if key != name}
        for name, term in sorted(node.properties.items()):
            if name not in plain:
                yield {**plain, name: self._sample(term, depth)}
        yield {**plain, "x-other": "x"}
        for key in ("minProperties", "maxProperties"):
            if key in node.facets and node.facets[key].value < _LONGEST:
                for size in (node.facets[key].value, node.facets[key].value + 1):
                    yield plain | {f"x-{number}": "x" for number in range(max(0, size - len(plain)))}

    def _arrays(self, node: Node, depth: int) -> Iterator[Any]:
        item = self._sample(node.items or (), depth) if depth > 0 else None
        sizes = {0, 1, 2}
        counts = [node.facets[key].value for key in ("minItems", "maxItems") if key in node.facets]
        for containment in node.contains:
            counts += (
                [containment.least] if containment.most is None else [containment.least, containment.most]
            )
            wanted = self._sample(containment.term, depth) if depth > 0 else None
            for count in counts:
                yield from ([wanted] * size for size in (count, count + 1) if 0 <= size < _LONGEST)
        for count in counts:
            sizes |= {count - 1, count, count + 1} if count < _LONGEST else set()
        for size in sorted(size for size in sizes if size >= 0):
            yield [item] * size
            yield [f"{item}{number}" if isinstance(item, str) else number for number in range(size)]

    def _texts(self, node: Node, depth: int) -> Iterator[Any]:
        del depth
        if node.patterns:
            matching = text_patterns.matching(node)
            yield from [] if matching is None else [matching]
        for name in node.formats:
            if name in _SAMPLES:
                yield _SAMPLES[name]
        lengths = {1}
        for key in ("minLength", "maxLength"):
            if key in node.facets and node.facets[key].value < _LONGEST:
                lengths |= {node.facets[key].value - 1, node.facets[key].value, node.facets[key].value + 1}
        for length in sorted(length for length in lengths if length >= 0):
            yield "x" * length
        yield from ("", "A b 1", "1")

    def _numbers(self, node: Node, depth: int) -> Iterator[Any]:
        del depth
        points: list[float] = []
        for key in ("minimum", "maximum"):
            if key in node.facets:
                bound: Bound = node.facets[key].value
                points += [bound.value, bound.value + 1, bound.value - 1, bound.value + 0.5]
        step = node.facets.get("multipleOf")
        if step:
            points += [step.value, step.value * 2, step.value * 3]
        points += [1, 0, 2**31, 2**63, 1.5]
        yield from (point for point in points if not node.integral or point == int(point))


_KINDS: dict[str, Any] = {
    "object": Candidates._objects,  # noqa: SLF001 - a table of the class's methods
    "array": Candidates._arrays,  # noqa: SLF001
    "string": Candidates._texts,  # noqa: SLF001
    "number": Candidates._numbers,  # noqa: SLF001
    "boolean": lambda *_: iter((True, False)),
    "null": lambda *_: iter((None,)),
}
