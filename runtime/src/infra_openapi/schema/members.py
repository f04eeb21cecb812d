"""Search for an object that some schemas allow and other schemas reject."""

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

_REFERRING = frozenset({"$ref", "allOf", "$dynamicRef"})
#: Direction → the keyword of the properties that messages of this direction do not contain: requests contain
#: no read-only properties, and responses contain no write-only properties.
HIDDEN_BY = {Direction.REQUEST: "readOnly", Direction.RESPONSE: "writeOnly"}
_SCALAR = frozenset({"string", "number", "boolean"})
_MAX_PROPERTIES = 100


def is_open(node: Node) -> bool:
    """Return whether a schema allows objects with undeclared properties of any value."""
    return "object" in node.types and node.additional is None and node.unevaluated is None


def hidden(term: Term | None, direction: Direction, node_of: Callable[[Term], Node]) -> bool:
    """Return whether messages of this direction do not contain a property.

    For example, a request does not contain a property with `readOnly`.
    """
    keyword = HIDDEN_BY.get(direction)
    if not term or keyword is None:
        return False
    if len(term) == 1 and isinstance(term[0].raw, dict) and not _REFERRING & term[0].raw.keys():
        return term[0].raw.get(keyword) is True
    facet = node_of(term).notes.get(keyword)
    return facet is not None and facet.value is True


def tags(node: Node, node_of: Callable[[Term], Node]) -> dict[str, frozenset[str]]:
    """Return a mapping from each tag of a schema to the values of the tag.

    A tag is a required property that allows only enumerated scalar values.
    """
    tagged = {}
    for name in node.properties.keys() & node.required.keys():
        property_node = node_of(node.properties[name])
        if property_node.types and property_node.types <= property_node.values.keys() & _SCALAR:
            tagged[name] = frozenset(
                text for enumerated in property_node.values.values() for text in enumerated
            )
    return tagged


class _Violation(NamedTuple):
    """Conditions that make an object violate a schema.

    The object contains the property `name`, or does not contain it if `absent` is true. If `literal` is
    given, the value of the property fits `literal`. `also` is a second property that the object contains. The
    object contains at least `min_size` and at most `max_size` properties. `undeclared` is the value of an
    additional property that no schema declares.
    """

    name: str = ""
    absent: bool = False
    also: str = ""
    literal: Literal | None = None
    min_size: float = 0
    max_size: float = math.inf
    undeclared: Any = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The conditions for the searched object: the properties that it must have and must not have."""

    present: Mapping[str, Literals] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    min_size: float = 0
    max_size: float = math.inf
    undeclared: Mapping[str, Any] = field(default_factory=dict)

    def and_(self, violation: _Violation) -> _Shape:
        """Return the conditions of this shape together with the conditions of `violation`."""
        present, absent, undeclared = dict(self.present), self.absent, dict(self.undeclared)
        if violation.name and violation.absent:
            absent |= {violation.name}
        elif violation.name:
            present[violation.name] = (
                *present.get(violation.name, ()),
                *([violation.literal] if violation.literal else []),
            )
        if violation.also:
            present.setdefault(violation.also, ())
        if violation.undeclared is not NOTHING:
            undeclared[f"x-{len(undeclared) + 1}"] = violation.undeclared
        return _Shape(
            present=present,
            absent=absent,
            min_size=max(self.min_size, violation.min_size),
            max_size=min(self.max_size, violation.max_size),
            undeclared=undeclared,
        )


class _Lazy:
    """An iterable of violations; each violation is computed when it is needed for the first time."""

    def __init__(self, violations: Iterator[_Violation]) -> None:
        self._left, self._known = violations, list[_Violation]()

    def has_several(self) -> bool:
        """Return whether the iterable contains more than one violation."""
        return len(list(islice(self, 2))) > 1

    def __iter__(self) -> Iterator[_Violation]:
        yield from self._known
        for violation in self._left:
            self._known.append(violation)
            yield violation


class Objects:
    """Searches for an object that some schemas allow and other schemas reject."""

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
        """Return an object that fits all literals, or `NOTHING` if such an object does not exist."""
        violations = [_Lazy(self._violations(rejecting)) for rejecting in self._negative]
        start = _Shape(
            present=dict.fromkeys(sorted(self._required), ()),
            min_size=limit(self._merged, "minProperties", 0),
            max_size=limit(self._merged, "maxProperties", math.inf),
        )
        return self._shaped(start, sorted(violations, key=_Lazy.has_several))

    def _shaped(self, shape: _Shape, violations: list[_Lazy]) -> Any:
        """Return an object that meets `shape` and is invalid against several schemas.

        Return `NOTHING` if the search does not find such an object.

        `violations` has an element for each of these schemas: all violations that make an object invalid
        against this schema. The returned object has one violation of each element.
        """
        self._search.step()
        if not violations:
            return self._filled(shape)
        for violation in violations[0]:
            new_shape = shape.and_(violation)
            conflict = (
                new_shape.absent & new_shape.present.keys() or len(new_shape.present) > new_shape.max_size
            )
            has_several_literals = len(new_shape.present.get(violation.name, ())) > 1 and not violation.absent
            if conflict or (
                has_several_literals
                and self._value(violation.name, new_shape.present[violation.name]) is NOTHING
            ):
                continue
            value = self._shaped(new_shape, violations[1:])
            if value is not NOTHING:
                return value
        return NOTHING

    def _filled(self, shape: _Shape) -> Any:
        names = [*shape.present]
        for name in names:  # a property can require further properties
            names += sorted(self._merged.dependent.get(name, (frozenset(),))[0] - set(names))
        if shape.absent & set(names) or len(names) > shape.max_size:
            return NOTHING
        properties = {}
        for name in names:
            properties[name] = self._value(name, shape.present.get(name, ()))
            if properties[name] is NOTHING:
                return NOTHING
        properties |= shape.undeclared
        optional = iter(sorted(self._described - properties.keys() - shape.absent))
        while len(properties) < min(shape.min_size, _MAX_PROPERTIES):
            name = next(optional, "")
            value = self._value(name, ()) if name else "x"
            properties[name or f"x-{len(properties) + 1}"] = "x" if value is NOTHING else value
        return properties

    def _value(self, name: str, extra_literals: Literals) -> Any:
        """Return a value for the property `name`, or `NOTHING`.

        The value fits `extra_literals` and the schemas that the positive literals declare for `name`.
        """
        literals = []
        for node, role in self._positive:
            term = declared(node, name)
            if term and not (role is Role.HELD and self._hidden(node, name)):
                literals.append(Literal(self._search.node_of(term), role))
        return self._search.part((*literals, *extra_literals))

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

    def _violations(self, rejecting: Literal) -> Iterator[_Violation]:
        """Yield the violations of `rejecting` that an object can have if it fits the positive literals."""
        for violation in self._all_violations(rejecting):
            if violation.name in self._required and violation.absent:
                continue
            if violation.literal is not None and self._value(violation.name, (violation.literal,)) is NOTHING:
                continue
            yield violation

    def _all_violations(self, rejecting: Literal) -> Iterator[_Violation]:
        node, role = rejecting
        for name in sorted(node.required.keys() - self._required):
            if not self._hidden(node, name):
                yield _Violation(name=name, absent=True)
        if role is Role.REFUSED and self._search.direction is Direction.REQUEST:
            for name in sorted(self._described):
                if not _described(node, name):
                    yield _Violation(name=name)
        yield from self._described_by(node, role)
        yield from self._undescribed_by(node, role)
        if "minProperties" in node.facets:
            yield _Violation(max_size=node.facets["minProperties"].value - 1)
        if "maxProperties" in node.facets:
            yield _Violation(min_size=node.facets["maxProperties"].value + 1)
        for name, (needs, _) in node.dependent.items():
            if self._possible(name):
                already_needed = self._merged.dependent.get(name, (frozenset(),))[0]
                yield from (
                    _Violation(name=need, absent=True, also=name)
                    for need in sorted(needs - already_needed - self._required)
                )
        if node.names not in {None, self._merged.names} or not same_opaque(self._merged, node):
            yield _Violation()

    def _described_by(self, node: Node, role: Role) -> Iterator[_Violation]:
        """Yield violations: a declared property has a value that the schema of the property rejects."""
        for name, term in sorted(node.properties.items()):
            if self._hidden(node, name):
                continue
            inner = self._search.node_of(term)
            if self._possible(name) or (inner.impossible and not self._closed):
                yield _Violation(name=name, literal=Literal(inner, role))
            elif role is Role.REFUSED and self._search.direction is Direction.RESPONSE:
                yield _Violation()

    def _undescribed_by(self, node: Node, role: Role) -> Iterator[_Violation]:
        """Yield violations: the value of a property that is not declared by name is invalid."""
        node_of = self._search.node_of
        undeclared = closing(node)
        names = sorted(self._described | self._required)
        for name in names if undeclared is not None else ():
            if not _described(replace(node, additional=None, unevaluated=None, required={}), name):
                yield _Violation(name=name, literal=Literal(node_of(undeclared or ()), role))
        for pattern, term in node.pattern_properties.items():
            for name in names:
                if expression.matches(pattern, name) is not False:
                    yield _Violation(name=name, literal=Literal(node_of(term), role))
            yield from self._undeclared(pattern, Literal(node_of(term), role))
        if undeclared is not None:
            yield from self._undeclared("", Literal(node_of(undeclared), role))

    def _undeclared(self, pattern: str, rejecting: Literal) -> Iterator[_Violation]:
        """Yield a violation with an additional property, if a value for this property exists.

        No schema declares the property by name. `pattern` is the pattern that declares the property, or empty
        if no pattern declares the property.
        """
        literals = []
        for node, role in self._positive:
            term = node.pattern_properties.get(pattern)
            if term is None and not node.pattern_properties:
                term = node.additional
            if term is not None:
                literals.append(Literal(self._search.node_of(term), role))
        value = self._search.part((*literals, rejecting))
        if value is not NOTHING:
            yield _Violation(undeclared=value)


def closing(node: Node) -> Term | None:
    """Return the schema for undeclared properties; None if every undeclared property is allowed."""
    return node.additional if node.additional is not None else node.unevaluated


def _described(node: Node, name: str) -> bool:
    """Return whether a schema describes a property: by name, by a pattern, or by a schema for all others."""
    return (
        name in node.properties
        or name in node.required
        or closing(node) is not None
        or any(expression.matches(pattern, name) is not False for pattern in node.pattern_properties)
    )
