"""From what is written to the normal form."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from infra_runtime.openapi.document import Site
from infra_runtime.openapi.schema.meet import meet
from infra_runtime.openapi.schema.node import (
    ALL_TYPES,
    Bound,
    Condition,
    Facet,
    Group,
    Node,
    Term,
    canonical,
    kind_of,
)

# Keyword: the type that it restrains, and the value at which it restrains nothing.
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
#: Annotations that are compared, though they allow and forbid nothing.
_NOTED = ("default", "deprecated", "readOnly", "writeOnly", "discriminator", "x-extensible-enum", "x-sunset")
#: Patterns that every text matches.
_UNIVERSAL = frozenset(
    {"", "^", "$", ".*", "^.*", ".*$", "^.*$", "[\\s\\S]*", "^[\\s\\S]*$", "(.*)", "^(.*)$"}
)
#: What a branch may say and still be no more than its values.
_VALUE_KEYS = frozenset(
    {"const", "enum", "title", "description", "type", "deprecated", "example", "examples"}
)
#: How deep unions are looked into for a type that is possible at all.
_NESTED = 4
_OPAQUE = ("unevaluatedItems", "propertyDependencies", "contentEncoding", "contentMediaType", "contentSchema")


class Normaliser:
    """Puts schemas into normal form, each once."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[tuple[str, str, int], ...], Node] = {}
        self._active: set[tuple[str, str, int]] = set()

    def node(self, term: Term) -> Node:
        """The normal form of a conjunction."""
        key = tuple((site.file, site.pointer, id(site.document)) for site in term)
        known = self._nodes.get(key)
        if known is None:
            if len(term) == 1:
                known = self._site(term[0])
            else:
                known = Node(key=key, sites=())
                for site in term:
                    known = meet(known, self.node((site,)), key)
                impossible = any(self._refuted(group, known.types) for group in known.groups)
                known = replace(known, sites=term, types=frozenset() if impossible else known.types)
            if not self._active:
                self._nodes[key] = known
        return known

    def _site(self, site: Site) -> Node:
        """One schema. A cycle of references and `allOf` alone adds nothing to itself."""
        key = (site.file, site.pointer, id(site.document))
        if key in self._active:
            return Node(key=(key,), sites=(site,))
        self._active.add(key)
        try:
            return self._composed(site, key)
        finally:
            self._active.discard(key)

    def _composed(self, site: Site, key: tuple[str, str, int]) -> Node:
        raw = site.raw
        if not isinstance(raw, dict):
            if not isinstance(raw, bool):
                site.document.note(site, "is no schema; it is taken as one that allows everything")
            return Node(key=(key,), sites=(site,), types=ALL_TYPES if raw is not False else frozenset())
        target = site.document.resolver.target(site)
        if target is not None and (len(raw) == 1 or not site.document.modern):
            # Up to OpenAPI 3.0 what stands beside a reference does not count.
            return self.node((target,))
        parts = [] if target is None else [target]
        if isinstance(raw.get("$dynamicRef"), str):
            meant = site.document.resolver.dynamic(site, raw["$dynamicRef"])
            parts += [meant] if meant else []
        parts += site.items("allOf")
        made = local = self._local(site, (key,))
        for part in parts:
            made = meet(made, self.node((part,)), (key,))
        if raw.get("nullable") is True and parts and "type" not in raw:
            # Strictly this does nothing in 3.0; everybody who writes it means *or null*.
            made = _or_null(made)
        if len(parts) == 1 and local.unrestrained and raw.get("nullable") is not True:
            # A wrapper around one schema is that schema: same identity, so that its changes are told once.
            inner = self.node((parts[0],))
            return replace(inner, notes={**inner.notes, **made.notes}) if made.notes != inner.notes else inner
        if parts and any(self._refuted(group, made.types) for group in made.groups):
            made = replace(made, types=frozenset())
        return replace(made, key=(key,), sites=(site,))

    def _refuted(self, group: Group, types: frozenset[str]) -> bool:
        """Whether none of the branches has a type that the rest allows."""
        return not any(types & self._types(self.node(branch), _NESTED) for branch in group.branches)

    def _types(self, node: Node, depth: int) -> frozenset[str]:
        """The types that a schema allows with its unions, as far as they are looked into."""
        types = node.types
        for group in node.groups if depth else ():
            types &= frozenset().union(
                *(self._types(self.node(branch), depth - 1) for branch in group.branches)
            )
        return types

    def _local(self, site: Site, key: Any) -> Node:
        """What the schema itself says, without its references and `allOf`."""
        raw = site.raw
        types, integral = _types(site)
        notes = {name: Facet(value=raw[name], site=site) for name in _NOTED if name in raw}
        made = Node(
            key=key,
            sites=(site,),
            types=types,
            integral=integral,
            notes=notes,
            facets=_facets(site, integral),
            patterns=_patterns(site),
            formats={raw["format"]: site} if isinstance(raw.get("format"), str) else {},
            properties=_named(site, "properties"),
            required=_required(site),
            pattern_properties=_named(site, "patternProperties"),
            additional=_schema(site, "additionalProperties"),
            unevaluated=_schema(site, "unevaluatedProperties"),
            names=_schema(site, "propertyNames"),
            dependent=_dependent(site),
            dependent_schemas=_dependent_schemas(site),
            prefix=tuple((each,) for each in site.items("prefixItems")),
            items=_items(site),
            contains=None
            if raw.get("minContains") == 0 and "maxContains" not in raw
            else _schema(site, "contains"),
            negations=tuple(filter(None, [_schema(site, "not")])),
            conditions=_conditions(site),
            opaque={name: Facet(value=raw[name], site=site) for name in _OPAQUE if name in raw},
            type_site=site if "type" in raw else None,
        )
        if made.unevaluated == () or (made.unevaluated and made.unevaluated[0].raw in (True, {})):
            made = replace(made, unevaluated=None)
        if isinstance(raw.get("$dynamicRef"), str) and not site.document.resolver.dynamic(
            site, raw["$dynamicRef"]
        ):
            made = replace(
                made, opaque={**made.opaque, "$dynamicRef": Facet(value=raw["$dynamicRef"], site=site)}
            )
        if raw.get("not") == {} or raw.get("not") is True:
            made = replace(made, types=frozenset())
        made = _enumerated(made, site)
        for kind in ("oneOf", "anyOf"):
            made = self._united(made, site, kind)
        return made

    def _united(self, node: Node, site: Site, kind: str) -> Node:
        branches = site.items(kind)
        if not branches:
            return node
        if all(
            isinstance(each.raw, dict)
            and ("const" in each.raw or "enum" in each.raw)
            and set(each.raw) <= _VALUE_KEYS
            for each in branches
        ):
            # An enumeration with a description for each value.
            union: list[Any] = []
            for each in branches:
                union += [each.raw["const"]] if "const" in each.raw else list(each.raw.get("enum") or [])
            return _restricted(node, union, site)
        discriminator = site.child("discriminator")
        group = Group(
            kind=kind, branches=tuple((each,) for each in branches), site=site, discriminator=discriminator
        )
        return replace(node, groups=(*node.groups, group))


def _or_null(node: Node) -> Node:
    groups = node.groups
    return replace(node, types=node.types | {"null"}, groups=groups)


def _types(site: Site) -> tuple[frozenset[str], bool]:
    raw = site.raw
    declared = raw.get("type")
    if declared is None:
        return ALL_TYPES, False
    names = declared if isinstance(declared, list) else [declared]
    known = {name for name in names if isinstance(name, str) and (name in ALL_TYPES or name == "integer")}
    if len(known) != len(names):
        site.document.note(site, f"has the type {declared!r}, which is none of JSON's; it is left out")
        if not known:
            return ALL_TYPES, False
    if raw.get("nullable") is True:
        known.add("null")
    integral = "integer" in known and "number" not in known
    if "integer" in known:
        known = (known - {"integer"}) | {"number"}
    return frozenset(known), integral


def _number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _facets(site: Site, integral: bool) -> dict[str, Facet]:
    raw = site.raw
    found: dict[str, Facet] = {}
    for name, (_, nothing) in COUNTS.items():
        value = raw.get(name)
        if _number(value) and value != nothing:
            found[name] = Facet(value=value, site=site)
    for name, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        bound = _bound(raw, name, strict, integral)
        if bound is not None:
            found[name] = Facet(value=bound, site=site)
    step = raw.get("multipleOf")
    if _number(step) and step > 0 and not (integral and step == 1):
        found["multipleOf"] = Facet(value=step, site=site)
    if raw.get("uniqueItems") is True:
        found["uniqueItems"] = Facet(value=True, site=site)
    return found


def _bound(raw: dict[str, Any], name: str, strict: str, integral: bool) -> Bound | None:
    """One end of the range: of 3.0, where `exclusive…` is a truth, and of 3.1, where it is a number."""
    lower = name == "minimum"
    ends: list[Bound] = []
    if _number(raw.get(name)):
        ends.append(Bound(value=raw[name], exclusive=raw.get(strict) is True))
    if _number(raw.get(strict)):
        ends.append(Bound(value=raw[strict], exclusive=True))
    if not ends:
        return None
    chosen = (
        max(ends, key=lambda end: (end.value, end.exclusive))
        if lower
        else min(ends, key=lambda end: (end.value, not end.exclusive))
    )
    if not integral:
        return chosen
    if lower:
        return Bound(value=math.floor(chosen.value) + 1 if chosen.exclusive else math.ceil(chosen.value))
    return Bound(value=math.ceil(chosen.value) - 1 if chosen.exclusive else math.floor(chosen.value))


def _patterns(site: Site) -> dict[str, Site]:
    pattern = site.raw.get("pattern")
    return {pattern: site} if isinstance(pattern, str) and pattern not in _UNIVERSAL else {}


def _schema(site: Site, key: str) -> Term | None:
    inner = site.child(key)
    if inner is None or inner.raw is True or inner.raw == {} or inner.raw is None:
        return None
    return (inner,)


def _items(site: Site) -> Term | None:
    inner = site.child("items")
    return None if inner is not None and isinstance(inner.raw, list) else _schema(site, "items")


def _named(site: Site, key: str) -> dict[str, Term]:
    if key not in site.raw:
        return {}
    return {name: (each,) for name, each in site.mapping(key).items()}


def _required(site: Site) -> dict[str, Site]:
    # A truth under `required` is a habit from parameters; it says nothing here.
    names = site.raw.get("required")
    return {name: site for name in names if isinstance(name, str) and name} if isinstance(names, list) else {}


def _dependent(site: Site) -> dict[str, tuple[frozenset[str], Site]]:
    found = {}
    for key in ("dependentRequired", "dependencies"):
        for name, each in site.mapping(key).items():
            if isinstance(each.raw, list):
                found[name] = (frozenset(one for one in each.raw if isinstance(one, str)), each)
    return found


def _dependent_schemas(site: Site) -> dict[str, Term]:
    found: dict[str, Term] = {}
    for key in ("dependentSchemas", "dependencies"):
        for name, each in site.mapping(key).items():
            if isinstance(each.raw, dict | bool):
                found[name] = (each,)
    return found


def _conditions(site: Site) -> tuple[Condition, ...]:
    when = site.child("if")
    then, otherwise = _schema(site, "then"), _schema(site, "else")
    if when is None or (then is None and otherwise is None):
        return ()
    return (Condition(when=(when,), then=then or (), otherwise=otherwise or (), site=site),)


def _enumerated(node: Node, site: Site) -> Node:
    raw = site.raw
    if isinstance(raw.get("enum"), list):
        allowed = raw["enum"]
        if raw.get("nullable") is True and "type" in raw and allowed:
            allowed = [*allowed, None]
        node = _restricted(node, allowed, site)
    if "const" in raw:
        node = _restricted(node, [raw["const"]], site)
    return node


def _restricted(node: Node, allowed: list[Any], site: Site) -> Node:
    """The node with these values alone."""
    listed = Node(key=(), sites=(site,), types=frozenset(map(kind_of, allowed)), values=by_type(allowed))
    return replace(
        meet(node, listed, node.key),
        sites=node.sites,
        facets={
            **node.facets,
            "enum": Facet(value=[value for value in allowed if value is not None], site=site),
        },
    )


def by_type(allowed: list[Any]) -> dict[str, dict[str, Any]]:
    """Values by their type and canonical text; null and both truths say no more than their type does."""
    found: dict[str, dict[str, Any]] = {}
    for value in allowed:
        found.setdefault(kind_of(value), {})[canonical(value)] = value
    found.pop("null", None)
    if len(found.get("boolean", ())) > 1:
        del found["boolean"]
    return found
