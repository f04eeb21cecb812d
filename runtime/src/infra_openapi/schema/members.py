"""Search for an object that some schemas allow and that other schemas refuse."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from infra_openapi.finding import Direction
from infra_openapi.schema import pattern as expression
from infra_openapi.schema.intersection import declared
from infra_openapi.schema.literal import NOTHING, Literal, Literals, Role, Search, limit
from infra_openapi.schema.node import Node, Term
from infra_openapi.schema.scalar_values import same_opaque

_LEADS_ON = frozenset({"$ref", "allOf", "$dynamicRef"})
#: The keyword that hides a property: clients do not send read-only properties and do not receive write-only
#: properties.
HIDDEN_BY = {Direction.REQUEST: "readOnly", Direction.RESPONSE: "writeOnly"}
_SCALAR = frozenset({"string", "number", "boolean"})
_LONGEST = 100


def opened(node: Node) -> bool:
    """Return whether a schema allows objects with undeclared properties."""
    return "object" in node.types and node.additional is None and node.unevaluated is None


def hidden(term: Term | None, direction: Direction, node_of: Callable[[Term], Node]) -> bool:
    """Return whether messages of this direction do not contain a property.

    For example, a request does not contain a property with `readOnly`.
    """
    keyword = HIDDEN_BY.get(direction)
    if not term or keyword is None:
        return False
    if len(term) == 1 and isinstance(term[0].raw, dict) and not _LEADS_ON & term[0].raw.keys():
        return term[0].raw.get(keyword) is True
    facet = node_of(term).notes.get(keyword)
    return facet is not None and facet.value is True


def tags(node: Node, node_of: Callable[[Term], Node]) -> dict[str, frozenset[str]]:
    """Return a mapping from each tag of a schema to the values of the tag.

    A tag is a required property that allows only enumerated scalar values.
    """
    tagged = {}
    for name in node.properties.keys() & node.required.keys():
        inner = node_of(node.properties[name])
        if inner.types and inner.types <= inner.values.keys() & _SCALAR:
            tagged[name] = frozenset(text for listed in inner.values.values() for text in listed)
    return tagged


class _Way(NamedTuple):
    """Conditions for an object, under which the object violates a schema.

    The object contains the property `name`, or does not contain it if `absent` is true. If `literal` is
    given, the value of the property must fit `literal`. `beside` is another property of the object. The
    object contains at least `least` and at most `most` properties. `other` is the value of an additional
    property that no schema declares.
    """

    name: str = ""
    absent: bool = False
    beside: str = ""
    literal: Literal | None = None
    least: float = 0
    most: float = math.inf
    other: Any = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The conditions for an object that the search builds: the properties that it has and does not have."""

    present: Mapping[str, Literals] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    least: float = 0
    most: float = math.inf
    other: Mapping[str, Any] = field(default_factory=dict)

    def and_(self, way: _Way) -> _Shape:
        """Return a shape that has the conditions of this shape and the conditions of `way`."""
        present, absent, other = dict(self.present), self.absent, dict(self.other)
        if way.name and way.absent:
            absent |= {way.name}
        elif way.name:
            present[way.name] = (*present.get(way.name, ()), *([way.literal] if way.literal else []))
        if way.beside:
            present.setdefault(way.beside, ())
        if way.other is not NOTHING:
            other[f"x-{len(other) + 1}"] = way.other
        return _Shape(
            present=present,
            absent=absent,
            least=max(self.least, way.least),
            most=min(self.most, way.most),
            other=other,
        )


class _Lazy:
    """An iterable of ways; each way is computed when it is needed for the first time."""

    def __init__(self, ways: Iterator[_Way]) -> None:
        self._left, self._known = ways, list[_Way]()

    def several(self) -> bool:
        """Return whether the iterable contains more than one way."""
        return len(list(islice(self, 2))) > 1

    def __iter__(self) -> Iterator[_Way]:
        yield from self._known
        for way in self._left:
            self._known.append(way)
            yield way


class Objects:
    """Searches for an object that some schemas allow and that other schemas refuse."""

    def __init__(
        self, search: Search, merged: Node, positive: list[Literal], negative: list[Literal]
    ) -> None:
        self._search, self._merged = search, merged
        self._positive, self._negative = positive, negative
        sent = [node for node, role in positive if role is Role.SENT]
        self._sent = sent
        self._closed = any(closing(node) is not None for node, _ in positive)
        self._required = {
            name
            for node, _ in positive
            for name in node.required
            if not any(self._hidden(schema, name) for schema in (*sent, node))
        }
        self._described = {
            name
            for node in sent
            for name in (*node.properties, *node.required)
            if not any(self._hidden(schema, name) for schema in sent)
        }

    def _hidden(self, node: Node, name: str) -> bool:
        return hidden(node.properties.get(name), self._search.direction, self._search.node_of)

    def find(self) -> Any:
        """Return an object that fits all roles, or `NOTHING` if no object was found."""
        ways = [_Lazy(self._ways(refused)) for refused in self._negative]
        start = _Shape(
            present=dict.fromkeys(sorted(self._required), ()),
            least=limit(self._merged, "minProperties", 0),
            most=limit(self._merged, "maxProperties", math.inf),
        )
        return self._shaped(start, sorted(ways, key=_Lazy.several))

    def _shaped(self, shape: _Shape, ways: list[_Lazy]) -> Any:
        """Return an object that violates each refusing schema in one of its `ways`, or `NOTHING`."""
        self._search.step()
        if not ways:
            return self._filled(shape)
        for way in ways[0]:
            made = shape.and_(way)
            conflict = made.absent & made.present.keys() or len(made.present) > made.most
            joint = len(made.present.get(way.name, ())) > 1 and not way.absent
            if conflict or (joint and self._value(way.name, made.present[way.name]) is NOTHING):
                continue
            value = self._shaped(made, ways[1:])
            if value is not NOTHING:
                return value
        return NOTHING

    def _filled(self, shape: _Shape) -> Any:
        names = [*shape.present]
        for name in names:  # a property can require further properties
            names += sorted(self._merged.dependent.get(name, (frozenset(),))[0] - set(names))
        if shape.absent & set(names) or len(names) > shape.most:
            return NOTHING
        properties = {}
        for name in names:
            properties[name] = self._value(name, shape.present.get(name, ()))
            if properties[name] is NOTHING:
                return NOTHING
        properties |= shape.other
        optional = iter(sorted(self._described - properties.keys() - shape.absent))
        while len(properties) < min(shape.least, _LONGEST):
            name = next(optional, "")
            value = self._value(name, ()) if name else "x"
            properties[name or f"x-{len(properties) + 1}"] = "x" if value is NOTHING else value
        return properties

    def _value(self, name: str, further: Literals) -> Any:
        """Return a value for the property `name`, or `NOTHING`.

        The value fits `further` and the schemas that the positive literals declare for `name`.
        """
        literals = []
        for node, role in self._positive:
            term = declared(node, name)
            if term and not (role is Role.HELD and self._hidden(node, name)):
                literals.append(Literal(self._search.node_of(term), role))
        return self._search.part((*literals, *further))

    def _possible(self, name: str) -> bool:
        """Return whether an object that the schemas with the role `SENT` allow can contain the property."""
        if not self._sent or name in self._described or name in self._required:
            return True
        if any(self._hidden(node, name) for node in self._sent):
            return False
        return any(
            closing(node) is not None
            or any(expression.matches(pattern, name) is not False for pattern in node.pattern_properties)
            for node in self._sent
        )

    def _ways(self, refusal: Literal) -> Iterator[_Way]:
        """Yield the ways in which an object that fits the positive literals can violate `refusal`."""
        for way in self._every_way(refusal):
            if way.name in self._required and way.absent:
                continue
            if way.literal is not None and self._value(way.name, (way.literal,)) is NOTHING:
                continue
            yield way

    def _every_way(self, refusal: Literal) -> Iterator[_Way]:
        node, role = refusal
        for name in sorted(node.required.keys() - self._required):
            if not self._hidden(node, name):
                yield _Way(name=name, absent=True)
        if role is Role.REFUSED and self._search.direction is Direction.REQUEST:
            for name in sorted(self._described):
                if not _described(node, name):
                    yield _Way(name=name)
        yield from self._described_by(node, role)
        yield from self._undescribed_by(node, role)
        if "minProperties" in node.facets:
            yield _Way(most=node.facets["minProperties"].value - 1)
        if "maxProperties" in node.facets:
            yield _Way(least=node.facets["maxProperties"].value + 1)
        for name, (needs, _) in node.dependent.items():
            if self._possible(name):
                already_needed = self._merged.dependent.get(name, (frozenset(),))[0]
                yield from (
                    _Way(name=need, absent=True, beside=name)
                    for need in sorted(needs - already_needed - self._required)
                )
        if node.names not in {None, self._merged.names} or not same_opaque(self._merged, node):
            yield _Way()

    def _described_by(self, node: Node, role: Role) -> Iterator[_Way]:
        """Yield the ways to violate the schemas of the declared properties."""
        for name, term in sorted(node.properties.items()):
            if self._hidden(node, name):
                continue
            inner = self._search.node_of(term)
            if self._possible(name) or (inner.impossible and not self._closed):
                yield _Way(name=name, literal=Literal(inner, role))
            elif role is Role.REFUSED and self._search.direction is Direction.RESPONSE:
                yield _Way()

    def _undescribed_by(self, node: Node, role: Role) -> Iterator[_Way]:
        """Yield the ways to violate the schemas for properties that are not declared by name."""
        node_of = self._search.node_of
        others = closing(node)
        names = sorted(self._described | self._required)
        for name in names if others is not None else ():
            if not _described(replace(node, additional=None, unevaluated=None, required={}), name):
                yield _Way(name=name, literal=Literal(node_of(others or ()), role))
        for pattern, term in node.pattern_properties.items():
            for name in names:
                if expression.matches(pattern, name) is not False:
                    yield _Way(name=name, literal=Literal(node_of(term), role))
            yield from self._other(pattern, Literal(node_of(term), role))
        if others is not None:
            yield from self._other("", Literal(node_of(others), role))

    def _other(self, pattern: str, refused: Literal) -> Iterator[_Way]:
        """Yield a way with an additional property that no schema declares, if a value for it exists.

        If `pattern` is given, the name of the property matches it.
        """
        literals = []
        for node, role in self._positive:
            term = node.pattern_properties.get(pattern)
            if term is None and not node.pattern_properties:
                term = node.additional
            if term is not None:
                literals.append(Literal(self._search.node_of(term), role))
        value = self._search.part((*literals, refused))
        if value is not NOTHING:
            yield _Way(other=value)


def closing(node: Node) -> Term | None:
    """Return the schema for undeclared properties; None if every undeclared property is allowed."""
    return node.additional if node.additional is not None else node.unevaluated


def _described(node: Node, name: str) -> bool:
    """Return whether a schema describes a property: by name, by a pattern, or by not allowing all others."""
    return (
        name in node.properties
        or name in node.required
        or closing(node) is not None
        or any(expression.matches(pattern, name) is not False for pattern in node.pattern_properties)
    )
