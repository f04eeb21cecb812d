"""Convert schemas to their normal form (`Node`), in which schemas with the same meaning are equal."""

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

#: Annotations that are compared, although they do not restrict values.
_NOTED = (
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
#: The keywords of an alternative that only enumerates values.
_VALUE_KEYS = frozenset(
    {"const", "enum", "title", "description", "type", "deprecated", "example", "examples"}
)
#: Keywords that evaluate properties, so that `unevaluatedProperties` does not apply to them.
_EVALUATING = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "dependencies"}
)
#: The maximum depth to which nested unions are searched for possible types.
_NESTED = 4


class Normalizer:
    """Converts schemas to their normal form (`Node`), each schema only once."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[tuple[str, str, int], ...], Node] = {}
        self._active: set[tuple[str, str, int]] = set()
        self._returning: dict[tuple[str, str, int], bool] = {}

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
                impossible = any(self._refuted(group, normal.types) for group in normal.groups)
                normal = consistent(
                    replace(normal, elements=term, types=frozenset() if impossible else normal.types)
                )
            if not self._active:
                self._nodes[key] = normal
        return normal

    def _element(self, element: Element) -> Node:
        """Return the normal form of one schema.

        References and `allOf` can form a cycle. A schema that is reached again in such a cycle adds no
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
                    element, "the value is not a schema, and is treated as a schema that allows every value"
                )
            return Node(key=(key,), elements=(element,), types=ALL_TYPES if raw is not False else frozenset())
        target = target_of(element)
        if target is not None and (len(raw) == 1 or not element.document.modern):
            # In OpenAPI 3.0 and earlier, keywords beside a reference have no effect.
            return self.node((target,))
        parts = [] if target is None else [target]
        if isinstance(raw.get("$dynamicRef"), str):
            meant = dynamic_target(element, raw["$dynamicRef"])
            parts += [meant] if meant else []
        parts += element.items("allOf")
        parts += keywords.doubly_negated(element)
        made = local = self._local(element, (key,))
        inner = [self.node((part,)) for part in parts]
        for schema in inner:
            made = intersection(made, schema, (key,))
        if raw.get("nullable") is True and (parts or made.groups):
            # According to OpenAPI 3.0, `nullable` has no effect in this schema, but most servers allow null.
            made = _or_null(made, element)
        saying = [schema for schema in inner if not schema.unrestricted]
        if len(saying) == 1 and local.unrestricted and raw.get("nullable") is not True:
            # A schema that only wraps another schema gets the key of this other schema, so that changes are
            # reported once.
            wrapped = saying[0]
            return replace(wrapped, notes=made.notes) if made.notes != wrapped.notes else wrapped
        kept = tuple(term for term in made.negations if self.node(term).types & made.types)
        made = replace(made, negations=kept) if len(kept) < len(made.negations) else made
        if parts and any(self._refuted(group, made.types) for group in made.groups):
            made = replace(made, types=frozenset())
        # A node of a single schema already has its key and element.
        return consistent(made if made is local else replace(made, key=(key,), elements=(element,)))

    def returns(self, group: Group) -> bool:
        """Return whether a union (`oneOf`, `anyOf`) has itself as an alternative.

        A union that occurs again only inside a property or an item does not count.
        """
        start = group.element.identity
        is_recursive = self._returning.get(start)
        if is_recursive is None:
            met = set()
            pending = [*group.branches]
            while pending and start not in met:
                for inner in self.node(pending.pop()).groups:
                    pending += () if inner.element.identity in met else inner.branches
                    met.add(inner.element.identity)
            is_recursive = self._returning[start] = start in met
        return is_recursive

    def _refuted(self, group: Group, types: frozenset[str]) -> bool:
        """Return whether all alternatives of a union have only types that are not in `types`.

        `types` are the types that the other keywords of the schema allow.
        """
        return not any(types & self._types(self.node(branch), _NESTED) for branch in group.branches)

    def _types(self, node: Node, depth: int) -> frozenset[str]:
        """Return the types that a schema allows; unions in unions are evaluated up to a depth of `depth`."""
        types = node.types
        for group in node.groups if depth else ():
            types &= frozenset().union(
                *(self._types(self.node(branch), depth - 1) for branch in group.branches)
            )
        return types

    def _local(self, element: Element, key: Any) -> Node:
        """Return the normal form of one schema without its references and without its `allOf`."""
        raw = element.raw
        types, integral = keywords.types(element)
        notes = {name: Facet(value=raw[name], element=element) for name in _NOTED if name in raw}
        made = Node(
            key=key,
            elements=(element,),
            types=types,
            integral=integral,
            notes=notes,
            facets=keywords.facets(element, integral),
            patterns=keywords.patterns(element),
            formats=keywords.formats(element),
            properties=keywords.named(element, "properties"),
            required=keywords.required(element),
            pattern_properties=keywords.named(element, "patternProperties"),
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
        if made.unevaluated is not None and "additionalProperties" in raw:
            # This keyword evaluates every property.
            made = replace(made, unevaluated=None)
        elif made.unevaluated is not None and _EVALUATING.isdisjoint(raw):
            # No other keyword of this schema evaluates properties; other schemas in an `allOf` are not
            # considered.
            made = replace(made, additional=made.unevaluated, unevaluated=None)
        if isinstance(raw.get("$dynamicRef"), str) and not dynamic_target(element, raw["$dynamicRef"]):
            made = replace(
                made, opaque={**made.opaque, "$dynamicRef": Facet(value=raw["$dynamicRef"], element=element)}
            )
        excluded = keywords.excluded(element)
        made = replace(made, types=made.types - excluded) if excluded else made
        made = _enumerated(made, element)
        for kind in ("oneOf", "anyOf"):
            made = self._united(made, element, kind)
        return made

    def _united(self, node: Node, element: Element, kind: str) -> Node:
        branches = element.items(kind)
        if not branches:
            return node
        if all(
            isinstance(branch.raw, dict)
            and ("const" in branch.raw or "enum" in branch.raw)
            and set(branch.raw) <= _VALUE_KEYS
            for branch in branches
        ):
            # An enumeration in which each value has its own description.
            union: list[Any] = []
            for branch in branches:
                allowed = (
                    [branch.raw["const"]] if "const" in branch.raw else list(branch.raw.get("enum") or [])
                )
                fitting = [value for value in allowed if kind_of(value) in keywords.types(branch)[0]]
                union += {canonical(value): value for value in fitting}.values()
            return _restricted(node, union if kind == "anyOf" else _once(union), element)
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


def _or_null(node: Node, element: Element) -> Node:
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
    listed = Node(
        key=(), elements=(element,), types=frozenset(map(kind_of, allowed)), values=by_type(allowed)
    )
    return replace(
        intersection(node, listed, node.key),
        elements=node.elements,
        facets={
            **node.facets,
            "enum": Facet(value=[value for value in allowed if value is not None], element=element),
        },
    )


def _once(values: list[Any]) -> list[Any]:
    """Return the values that occur exactly once: a `oneOf` rejects a value that two alternatives match."""
    times = Counter(map(canonical, values))
    return [value for value in values if times[canonical(value)] == 1]


def by_type(allowed: list[Any]) -> dict[str, dict[str, Any]]:
    """Return a mapping from each type to its enumerated values, by the values' canonical JSON.

    The type null is omitted. The type boolean is omitted if both of its values are listed, because such a
    list allows the same values as the type.
    """
    values: dict[str, dict[str, Any]] = {}
    for value in allowed:
        values.setdefault(kind_of(value), {})[canonical(value)] = value
    values.pop("null", None)
    if len(values.get("boolean", ())) > 1:
        del values["boolean"]
    return values
