"""The normal form of a schema: its keywords, independent of how each version of OpenAPI writes them."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from infra_openapi.document import Element

#: A tuple of schemas that must all match and are not yet in normal form. The empty tuple allows every value.
Term: TypeAlias = tuple[Element, ...]

TYPES = ("null", "boolean", "number", "string", "array", "object")
ALL_TYPES = frozenset(TYPES)

#: Keyword → the type to which the keyword applies, and the value that has no effect.
COUNTS = {
    "minLength": ("string", 0),
    "maxLength": ("string", None),
    "minItems": ("array", 0),
    "maxItems": ("array", None),
    "minProperties": ("object", 0),
    "maxProperties": ("object", None),
    "minContains": ("array", 1),
    "maxContains": ("array", None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """The value of a keyword such as `maxLength`, with the schema (element) that contains the keyword."""

    value: Any
    element: Element


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Bound:
    """A lower or upper bound of a number; an `exclusive` bound does not include its value."""

    value: float
    exclusive: bool = False

    def to_json(self) -> Any:
        """Return the bound as JSON for a finding: a number, or a string such as `exclusive 3`."""
        return f"exclusive {self.value}" if self.exclusive else self.value


def narrower_end(name: str, bound: Bound, other_bound: Bound) -> bool:
    """Return whether the bound `other_bound` allows every value that the bound `bound` allows."""
    if bound.value == other_bound.value:
        return bound.exclusive or not other_bound.exclusive
    return bound.value > other_bound.value if name == "minimum" else bound.value < other_bound.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """The keyword `contains` with the minimum and maximum number of matching items.

    `maximum` is None if the number has no maximum.
    """

    term: Term
    minimum: float
    maximum: float | None
    element: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A union of schemas (`oneOf` or `anyOf`) with its alternatives."""

    kind: str
    branches: tuple[Term, ...]
    element: Element
    discriminator: Element | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The keywords `if`, `then` and `else` of one schema."""

    when: Term
    then: Term
    otherwise: Term
    element: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A schema, or an intersection of schemas, in normal form.

    `key` identifies the schema, and `elements` are the elements of the document that define the schema.
    `types` never contains `integer`: an integer type is `number` with `integral`. `values` contains the
    enumerated values of each type that has an enumeration. `additional` is None if undeclared properties are
    allowed.
    """

    key: Hashable
    elements: tuple[Element, ...]
    types: frozenset[str] = ALL_TYPES
    integral: bool = False
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facets: Mapping[str, Facet] = field(default_factory=dict)
    patterns: Mapping[str, Element] = field(default_factory=dict)
    formats: Mapping[str, Element] = field(default_factory=dict)
    properties: Mapping[str, Term] = field(default_factory=dict)
    required: Mapping[str, Element] = field(default_factory=dict)
    pattern_properties: Mapping[str, Term] = field(default_factory=dict)
    additional: Term | None = None
    unevaluated: Term | None = None
    names: Term | None = None
    dependent: Mapping[str, tuple[frozenset[str], Element]] = field(default_factory=dict)
    dependent_schemas: Mapping[str, Term] = field(default_factory=dict)
    prefix: tuple[Term, ...] = ()
    items: Term | None = None
    contains: tuple[Containment, ...] = ()
    groups: tuple[Group, ...] = ()
    negations: tuple[Term, ...] = ()
    conditions: tuple[Condition, ...] = ()
    opaque: Mapping[str, Facet] = field(default_factory=dict)
    notes: Mapping[str, Facet] = field(default_factory=dict)
    type_element: Element | None = None
    #: The elements of the parts of an intersection; empty for a single schema.
    parts: tuple[Element, ...] = ()
    #: True if the node was created during the comparison and is not in the document.
    derived: bool = False

    @property
    def element(self) -> Element | None:
        """Return the first element of the schema; None if no element of the document defines the schema."""
        return self.elements[0] if self.elements else None

    def counterpart(self, pointer: str) -> Element | None:
        """Return the element with the JSON pointer `pointer`, among the schemas that form an intersection.

        If no schema of the intersection has this pointer, the result is the value of `element`.
        """
        return next((part for part in self.parts if part.pointer == pointer), self.element)

    @property
    def impossible(self) -> bool:
        """Return whether no type remains; a schema with types can also allow no value."""
        return not self.types

    @property
    def bare(self) -> bool:
        """Return whether no keywords of the schema other than `oneOf` and `anyOf` restrict values."""
        return self.types == ALL_TYPES and not any(
            (
                self.values,
                self.facets,
                self.patterns,
                self.formats,
                self.properties,
                self.required,
                self.pattern_properties,
                self.additional is not None,
                self.unevaluated is not None,
                self.names is not None,
                self.dependent,
                self.dependent_schemas,
                self.prefix,
                self.items is not None,
                self.contains,
                self.negations,
                self.conditions,
                self.opaque,
            )
        )

    @property
    def unrestricted(self) -> bool:
        """Return whether the schema allows every value."""
        return not self.groups and self.bare

    @property
    def type_names(self) -> list[str]:
        """Return the names of the types that the schema allows, in a fixed order."""
        if self.types == ALL_TYPES:
            return ["any"]
        return [
            "integer" if name == "number" and self.integral else name for name in TYPES if name in self.types
        ]


def kind_of(value: Any) -> str:
    """Return the JSON type of a value, such as `string` or `number`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def canonical(value: Any) -> str:
    """Return a JSON value as a string; equal values in JSON Schema, such as 1 and 1.0, give equal strings."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return value


def type_of(facet: str) -> str:
    """Return the JSON type to which a keyword applies: `string` for `maxLength`, empty for `enum`."""
    if facet in COUNTS:
        return COUNTS[facet][0]
    return "array" if facet == "uniqueItems" else "" if facet == "enum" else "number"


def limited(node: Node, types: frozenset[str]) -> Node:
    """Return a schema in normal form that is restricted to the types in `types`."""
    if node.types <= types:
        return node
    key = ("limited", node.key, types)
    return replace(node, types=node.types & types, key=key, derived=True)


def only(node: Node, kind: str) -> Node:
    """Return a schema in normal form that is restricted to one type, with the keywords for this type."""
    is_string = kind == "string"
    restricted = replace(
        node,
        key=("type", node.key, kind),
        derived=True,
        types=frozenset({kind}),
        values={name: enumerated for name, enumerated in node.values.items() if name == kind},
        facets={name: facet for name, facet in node.facets.items() if type_of(name) in {kind, ""}},
        patterns=node.patterns if is_string else {},
        formats=node.formats if kind in {"string", "number"} else {},
    )
    if kind != "object":
        restricted = replace(
            restricted,
            properties={},
            required={},
            pattern_properties={},
            additional=None,
            unevaluated=None,
            names=None,
            dependent={},
            dependent_schemas={},
        )
    return restricted if kind == "array" else replace(restricted, prefix=(), items=None, contains=())
