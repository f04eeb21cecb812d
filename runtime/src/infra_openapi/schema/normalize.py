"""Convert schemas to their normal form (`Node`), which does not depend on the version of OpenAPI."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from infra_openapi.document import Element
from infra_openapi.document.reference import dynamic_target, target_of
from infra_openapi.schema import keywords
from infra_openapi.schema.contradiction import consistent
from infra_openapi.schema.intersection import intersection
from infra_openapi.schema.node import (
    ALL_TYPES,
    Facet,
    Group,
    Node,
    Term,
    canonical,
    kind_of,
)

#: Keywords that do not restrict values, but are compared.
_COMPARED_ANNOTATIONS = (
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "discriminator",
    "x-extensible-enum",
    "x-sunset",
    "x-stability-level",
    "xml",
)
#: The annotations that have an effect only if their value is true.
_DIRECTIONS = frozenset({"readOnly", "writeOnly"})
#: The keywords of an alternative that only enumerates values.
_VALUE_KEYS = frozenset(
    {"const", "enum", "title", "description", "type", "deprecated", "example", "examples"}
)
#: Keywords that evaluate properties: `unevaluatedProperties` does not apply to evaluated properties.
_EVALUATING_KEYWORDS = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "dependencies"}
)
#: The maximum depth of nested unions whose types are evaluated.
_MAX_DEPTH = 4


class Normalizer:
    """Converts schemas to their normal form (`Node`).

    A result is stored, unless it was computed as a part of another schema.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[tuple[str, str, int], ...], Node] = {}
        self._active: set[tuple[str, str, int]] = set()
        self._recursive: dict[tuple[str, str, int], bool] = {}

    def node(self, term: Term) -> Node:
        """Return the normal form of a term, which is a tuple of schemas that must all match."""
        key = tuple([element.identity for element in term])
        normal = self._nodes.get(key)
        if normal is None:
            if len(term) == 1:
                normal = self._element(term[0])
            else:
                normal = Node(key=key, elements=())
                for element in term:
                    normal = intersection(normal, self.node((element,)), key)
                impossible = any(self._allows_nothing(group, normal.types) for group in normal.groups)
                normal = consistent(
                    replace(normal, elements=term, types=frozenset() if impossible else normal.types)
                )
            if not self._active:
                self._nodes[key] = normal
        return normal

    def _element(self, element: Element) -> Node:
        """Return the normal form of one schema.

        References and `allOf` can form a cycle. A schema that occurs again in such a cycle adds no
        restriction.
        """
        key = element.identity
        if key in self._active:
            return Node(key=(key,), elements=(element,))
        self._active.add(key)
        try:
            return self._composed(element, key)
        finally:
            self._active.discard(key)

    def _composed(self, element: Element, key: tuple[str, str, int]) -> Node:
        raw = element.raw
        if not isinstance(raw, dict):
            if not isinstance(raw, bool):
                element.document.note(
                    element,
                    "the value is not a schema, so the comparison assumes a schema that allows every value",
                )
            return Node(key=(key,), elements=(element,), types=ALL_TYPES if raw is not False else frozenset())
        target = target_of(element)
        if target is not None and (len(raw) == 1 or not element.document.modern):
            # In OpenAPI 3.0 and earlier, keywords in the same object as a `$ref` have no effect.
            return self.node((target,))
        parts = [] if target is None else [target]
        if isinstance(raw.get("$dynamicRef"), str):
            dynamic = dynamic_target(element, raw["$dynamicRef"])
            parts += [dynamic] if dynamic else []
        parts += element.items("allOf")
        parts += keywords.doubly_negated(element)
        normal = base = self._without_references(element, (key,))
        part_nodes = [self.node((part,)) for part in parts]
        for schema in part_nodes:
            normal = intersection(normal, schema, (key,))
        if raw.get("nullable") is True and (parts or normal.groups):
            # According to OpenAPI 3.0, `nullable` has no effect in this schema, but most servers allow null.
            normal = _with_null(normal, element)
        restricting = [schema for schema in part_nodes if not schema.unrestricted]
        if len(restricting) == 1 and base.unrestricted and raw.get("nullable") is not True:
            # A schema that only contains a reference to another schema gets the key of the other schema, so
            # that changes are reported only once.
            wrapped = restricting[0]
            return replace(wrapped, notes=normal.notes) if normal.notes != wrapped.notes else wrapped
        effective = tuple(term for term in normal.negations if self.node(term).types & normal.types)
        normal = replace(normal, negations=effective) if len(effective) < len(normal.negations) else normal
        if parts and any(self._allows_nothing(group, normal.types) for group in normal.groups):
            normal = replace(normal, types=frozenset())
        # A node of a single schema already has its key and element.
        return consistent(normal if normal is base else replace(normal, key=(key,), elements=(element,)))

    def is_recursive(self, group: Group) -> bool:
        """Return whether a union (`oneOf`, `anyOf`) has itself as an alternative.

        The result is false if the union occurs again only inside a property or an item.
        """
        start = group.element.identity
        result = self._recursive.get(start)
        if result is None:
            visited = set()
            pending = [*group.branches]
            while pending and start not in visited:
                for inner in self.node(pending.pop()).groups:
                    pending += () if inner.element.identity in visited else inner.branches
                    visited.add(inner.element.identity)
            result = self._recursive[start] = start in visited
        return result

    def _allows_nothing(self, group: Group, types: frozenset[str]) -> bool:
        """Return whether no alternative of a union allows any type in `types`.

        `types` are the types that the other keywords of the schema allow.
        """
        return not any(types & self._types(self.node(branch), _MAX_DEPTH) for branch in group.branches)

    def _types(self, node: Node, depth: int) -> frozenset[str]:
        """Return the types that a schema allows.

        Unions in unions are evaluated up to a depth of `depth`; deeper unions do not restrict the types.
        """
        types = node.types
        for group in node.groups if depth else ():
            types &= frozenset().union(
                *(self._types(self.node(branch), depth - 1) for branch in group.branches)
            )
        return types

    def _without_references(self, element: Element, key: Any) -> Node:
        """Return the normal form of one schema without its references and without its `allOf`."""
        raw = element.raw
        types, integral = keywords.types(element)
        notes = {
            name: Facet(value=raw[name], element=element)
            for name in _COMPARED_ANNOTATIONS
            if name in raw and (raw[name] is True or name not in _DIRECTIONS)
        }
        node = Node(
            key=key,
            elements=(element,),
            types=types,
            integral=integral,
            notes=notes,
            facets=keywords.facets(element, integral),
            patterns=keywords.patterns(element),
            formats=keywords.formats(element),
            properties=keywords.schemas_by_name(element, "properties"),
            required=keywords.required(element),
            pattern_properties=keywords.schemas_by_name(element, "patternProperties"),
            additional=keywords.schema(element, "additionalProperties"),
            unevaluated=keywords.schema(element, "unevaluatedProperties"),
            names=keywords.schema(element, "propertyNames"),
            dependent=keywords.dependent(element),
            dependent_schemas=keywords.dependent_schemas(element),
            prefix=keywords.prefix(element),
            items=keywords.items(element),
            contains=keywords.contains(element),
            negations=keywords.negations(element),
            conditions=keywords.conditions(element),
            opaque=keywords.opaque(element),
            type_element=element if "type" in raw else None,
        )
        if node.unevaluated is not None and "additionalProperties" in raw:
            # `additionalProperties` evaluates every property, so `unevaluatedProperties` has no effect.
            node = replace(node, unevaluated=None)
        elif node.unevaluated is not None and _EVALUATING_KEYWORDS.isdisjoint(raw):
            # No other keyword of this schema evaluates properties; other schemas in an `allOf` are not
            # considered.
            node = replace(node, additional=node.unevaluated, unevaluated=None)
        if isinstance(raw.get("$dynamicRef"), str) and not dynamic_target(element, raw["$dynamicRef"]):
            node = replace(
                node, opaque={**node.opaque, "$dynamicRef": Facet(value=raw["$dynamicRef"], element=element)}
            )
        excluded = keywords.excluded(element)
        node = replace(node, types=node.types - excluded) if excluded else node
        node = _enumerated(node, element)
        for kind in ("oneOf", "anyOf"):
            node = self._with_union(node, element, kind)
        return node

    def _with_union(self, node: Node, element: Element, kind: str) -> Node:
        branches = element.items(kind)
        if not branches:
            return node
        if all(
            isinstance(branch.raw, dict)
            and ("const" in branch.raw or "enum" in branch.raw)
            and set(branch.raw) <= _VALUE_KEYS
            for branch in branches
        ):
            # The union is an enumeration: each alternative is a value with a description.
            values: list[Any] = []
            for branch in branches:
                enumerated = (
                    [branch.raw["const"]] if "const" in branch.raw else list(branch.raw.get("enum") or [])
                )
                valid_values = [value for value in enumerated if kind_of(value) in keywords.types(branch)[0]]
                values += {canonical(value): value for value in valid_values}.values()
            return _restricted(node, values if kind == "anyOf" else _unique(values), element)
        if kind == "anyOf" and any(branch.raw is True or branch.raw == {} for branch in branches):
            return node
        discriminator = element.child("discriminator")
        group = Group(
            kind=kind,
            branches=tuple((branch,) for branch in branches),
            element=element,
            discriminator=discriminator,
        )
        return replace(node, groups=(*node.groups, group))


def _with_null(node: Node, element: Element) -> Node:
    null = (Element(element.document, element.file, f"{element.pointer}/nullable", {"type": "null"}),)
    groups = tuple(replace(group, branches=(*group.branches, null)) for group in node.groups)
    return replace(node, types=node.types | {"null"}, groups=groups)


def _enumerated(node: Node, element: Element) -> Node:
    raw = element.raw
    if isinstance(raw.get("enum"), list):
        allowed = raw["enum"]
        if raw.get("nullable") is True and "type" in raw and allowed:
            allowed = [*allowed, None]
        node = _restricted(node, allowed, element)
    if "const" in raw:
        node = _restricted(node, [raw["const"]], element)
    return node


def _restricted(node: Node, allowed: list[Any], element: Element) -> Node:
    """Return the node, restricted to the values in `allowed`."""
    enumeration = Node(
        key=(), elements=(element,), types=frozenset(map(kind_of, allowed)), values=by_type(allowed)
    )
    return replace(
        intersection(node, enumeration, node.key),
        elements=node.elements,
        facets={
            **node.facets,
            "enum": Facet(value=[value for value in allowed if value is not None], element=element),
        },
    )


def _unique(values: list[Any]) -> list[Any]:
    """Return the values that occur exactly once: a `oneOf` rejects a value that matches two alternatives."""
    times = Counter(map(canonical, values))
    return [value for value in values if times[canonical(value)] == 1]


def by_type(allowed: list[Any]) -> dict[str, dict[str, Any]]:
    """Return the enumerated values by type: the name of a type → canonical JSON of a value → the value.

    The type null is omitted. The type boolean is omitted if true and false are listed, because these values
    are equivalent to the type.
    """
    values: dict[str, dict[str, Any]] = {}
    for value in allowed:
        values.setdefault(kind_of(value), {})[canonical(value)] = value
    values.pop("null", None)
    if len(values.get("boolean", ())) > 1:
        del values["boolean"]
    return values
