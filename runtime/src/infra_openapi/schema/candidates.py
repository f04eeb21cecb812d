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

#: Limits: the number of values for a schema, the number of values for a schema in its `not` or `if`, the size
#: of a value (characters, items or properties), and its depth.
_MAX_VALUES, _MAX_INNER_VALUES, _MAX_SIZE, _MAX_DEPTH = 60, 8, 10_000, 4
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
    """Generates candidates for an example value: values at the bounds of two schemas, then simple values."""

    def __init__(self, node: Callable[[Term], Node]) -> None:
        self._node = node

    def of(self, wide: Node, narrow: Node) -> Iterator[Any]:
        """Yield values at the bounds and just beyond the bounds of two schemas, then some simple values.

        A value that only one of the schemas allows shows that the schemas differ.
        """
        for node in (wide, narrow):
            yield from islice(self._boundary_values(node, _MAX_DEPTH), _MAX_VALUES)
        yield from (None, True, "text", 1, 1.5, [], {})

    def _sample(self, term: Term, depth: int) -> Any:
        return next(self._boundary_values(self._node(term), depth - 1), None)

    def _boundary_values(self, node: Node, depth: int) -> Iterator[Any]:
        """Yield values for a schema: enumerated values, values for its parts, and values for each type.

        They are inside, at and just beyond the bounds of the schema, so the schema can reject a value.
        """
        for enumerated in node.values.values():
            yield from enumerated.values()
        for group in node.groups if depth > 0 else ():
            for branch in group.branches:
                yield from self._boundary_values(self._node(branch), depth - 1)
        conditions = [
            part
            for condition in node.conditions
            for part in (condition.when, condition.then, condition.otherwise)
        ]
        for term in (*node.negations, *conditions) if depth > 0 else ():
            combined = intersection(replace(node, negations=(), conditions=()), self._node(term), ())
            yield from islice(self._boundary_values(combined, depth - 1), _MAX_INNER_VALUES)
            yield from islice(self._boundary_values(self._node(term), depth - 1), _MAX_INNER_VALUES)
        for name in ("object", "array", "string", "number", "boolean", "null"):
            if name in node.types and name not in node.values:
                yield from _KINDS[name](self, node, depth)

    def _objects(self, node: Node, depth: int) -> Iterator[Any]:
        if depth <= 0:
            yield {}
            return
        required = {name: term for name, term in node.properties.items() if name in node.required}
        required_only = {
            name: self._sample(required.get(name, ()), depth) if name in required else "x"
            for name in sorted(node.required)
        }
        yield required_only
        for name in required_only:
            yield {key: value for key, value in required_only.items() if key != name}
        for name, term in sorted(node.properties.items()):
            if name not in required_only:
                yield {**required_only, name: self._sample(term, depth)}
        yield {**required_only, "x-other": "x"}
        for key in ("minProperties", "maxProperties"):
            if key in node.facets and node.facets[key].value < _MAX_SIZE:
                for size in (node.facets[key].value, node.facets[key].value + 1):
                    yield required_only | {
                        f"x-{number}": "x" for number in range(max(0, size - len(required_only)))
                    }

    def _arrays(self, node: Node, depth: int) -> Iterator[Any]:
        item = self._sample(node.items or (), depth) if depth > 0 else None
        sizes = {0, 1, 2}
        counts = [node.facets[key].value for key in ("minItems", "maxItems") if key in node.facets]
        for containment in node.contains:
            counts += (
                [containment.minimum]
                if containment.maximum is None
                else [containment.minimum, containment.maximum]
            )
            matching_item = self._sample(containment.term, depth) if depth > 0 else None
            for count in counts:
                yield from ([matching_item] * size for size in (count, count + 1) if 0 <= size < _MAX_SIZE)
        for count in counts:
            sizes |= {count - 1, count, count + 1} if count < _MAX_SIZE else set()
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
            if key in node.facets and node.facets[key].value < _MAX_SIZE:
                lengths |= {node.facets[key].value - 1, node.facets[key].value, node.facets[key].value + 1}
        for length in sorted(length for length in lengths if length >= 0):
            yield "x" * length
        yield from ("", "A b 1", "1")

    def _numbers(self, node: Node, depth: int) -> Iterator[Any]:
        del depth
        numbers: list[float] = []
        for key in ("minimum", "maximum"):
            if key in node.facets:
                bound: Bound = node.facets[key].value
                numbers += [bound.value, bound.value + 1, bound.value - 1, bound.value + 0.5]
        step = node.facets.get("multipleOf")
        if step:
            numbers += [step.value, step.value * 2, step.value * 3]
        numbers += [1, 0, 2**31, 2**63, 1.5]
        yield from (number for number in numbers if not node.integral or number == int(number))


_KINDS: dict[str, Any] = {
    "object": Candidates._objects,  # noqa: SLF001 - a table of the class's methods
    "array": Candidates._arrays,  # noqa: SLF001
    "string": Candidates._texts,  # noqa: SLF001
    "number": Candidates._numbers,  # noqa: SLF001
    "boolean": lambda *_: iter((True, False)),
    "null": lambda *_: iter((None,)),
}
