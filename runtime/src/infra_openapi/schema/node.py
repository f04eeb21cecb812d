"""The normal form of a schema: what it allows, keyword by keyword, whatever words it was written in."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from infra_openapi.document import Element

#: A conjunction of schemas as they are written, not yet in normal form; the empty one allows everything.
Term: TypeAlias = tuple[Element, ...]

TYPES = ("null", "boolean", "number", "string", "array", "object")
ALL_TYPES = frozenset(TYPES)

#: Keyword: the type that it restrains, and the value at which it restrains nothing.
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
    """One keyword that restrains, with the schema that has it."""

    value: Any
    element: Element


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Bound:
    """An end of a range of numbers; `exclusive` where the end itself is outside."""

    value: float
    exclusive: bool = False

    def to_json(self) -> Any:
        """As people write it."""
        return f"exclusive {self.value}" if self.exclusive else self.value


def narrower_end(name: str, one: Bound, other: Bound) -> bool:
    """Whether the first end of a range allows nothing that the second does not."""
    if one.value == other.value:
        return one.exclusive or not other.exclusive
    return one.value > other.value if name == "minimum" else one.value < other.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """`contains`: at least, and at most, so many items match; `most` is None where there is no limit."""

    term: Term
    least: float
    most: float | None
    element: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A `oneOf` or `anyOf`: at least one of the branches holds."""

    kind: str
    branches: tuple[Term, ...]
    element: Element
    discriminator: Element | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`if`, `then` and `else`."""

    when: Term
    then: Term
    otherwise: Term
    element: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a schema, or a conjunction of several, allows; `key` is its identity, `elements` its origin.

    `types` never holds `integer`: that is `number` with `integral`. `values` gives the enumerated values of a
    type; one that is not in it is not enumerated. `additional` is None where undeclared properties are open.
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
    #: Where the parts of a conjunction are written; empty where there is but one.
    parts: tuple[Element, ...] = ()
    #: Made while comparing, and not written like this anywhere.
    derived: bool = False

    @property
    def element(self) -> Element | None:
        """The first schema that it is made of; None where it is made while comparing."""
        return self.elements[0] if self.elements else None

    def counterpart(self, pointer: str) -> Element | None:
        """Return the part that is written at this pointer; else the node's own element."""
        return next((part for part in self.parts if part.pointer == pointer), self.element)

    @property
    def impossible(self) -> bool:
        """Whether nothing is allowed."""
        return not self.types

    @property
    def bare(self) -> bool:
        """Whether nothing but its groups restrains it."""
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
    def unrestrained(self) -> bool:
        """Whether everything is allowed."""
        return not self.groups and self.bare

    @property
    def type_names(self) -> list[str]:
        """The types as they are written, in a fixed order."""
        if self.types == ALL_TYPES:
            return ["any"]
        return [
            "integer" if name == "number" and self.integral else name for name in TYPES if name in self.types
        ]


def kind_of(value: Any) -> str:
    """The type of a JSON value."""
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
    """A JSON value as text that is equal where JSON Schema's values are: 1 is 1.0, true is not 1."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def type_of(facet: str) -> str:
    """The type that a keyword restrains."""
    if facet in COUNTS:
        return COUNTS[facet][0]
    return "array" if facet == "uniqueItems" else "" if facet == "enum" else "number"


def only(node: Node, kind: str) -> Node:
    """What the schema allows of one type, with the keywords that apply to it."""
    text = kind == "string"
    made = replace(
        node,
        key=("type", node.key, kind),
        derived=True,
        types=frozenset({kind}),
        values={name: listed for name, listed in node.values.items() if name == kind},
        facets={name: facet for name, facet in node.facets.items() if type_of(name) in {kind, ""}},
        patterns=node.patterns if text else {},
        formats=node.formats if kind in {"string", "number"} else {},
    )
    if kind != "object":
        made = replace(
            made,
            properties={},
            required={},
            pattern_properties={},
            additional=None,
            unevaluated=None,
            names=None,
            dependent={},
            dependent_schemas={},
        )
    return made if kind == "array" else replace(made, prefix=(), items=None, contains=())
