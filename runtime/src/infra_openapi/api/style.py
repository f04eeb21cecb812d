"""The serialization of a parameter or header (`style`, `explode`): defaults and effect on values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.schema.contradiction import consistent
from infra_openapi.schema.intersection import intersection
from infra_openapi.schema.node import Node, Term

_DEFAULTS = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
_EXPLODED = frozenset({"form", "cookie"})
_COMPOUND = frozenset({"array", "object"})
#: Style → the types of values whose text `explode` changes. With the style `simple`, `explode` changes only
#: objects; with `deepObject`, it changes nothing. With every other style, it changes arrays and objects
#: (OpenAPI 3.1.1, "Style Examples").
_EXPLODED_TYPES = {"simple": frozenset({"object"}), "deepObject": frozenset[str]()}
#: The styles that write a single value, such as a number, with additional characters.
_WITH_PREFIX = frozenset({"label", "matrix"})
#: The maximum number of unions, nested or in one schema, that are split one after another.
_MAX_DEPTH = 4


class Style(NamedTuple):
    """The values of `style` and `explode`; missing values are replaced by their defaults."""

    name: str
    exploded: bool

    def __str__(self) -> str:
        return f"{self.name}, {'exploded' if self.exploded else 'not exploded'}"


def style(element: Element | None, sent_in: str) -> Style:
    """Return the `style` and `explode` of a parameter, header or encoding, with their defaults.

    The defaults depend on `sent_in`: `path`, `query`, `header` or `cookie`.
    """
    default = _DEFAULTS.get(sent_in, "simple")
    if element is None:
        return Style(default, default in _EXPLODED)
    name = element.text("style", default)
    return Style(name, element.flag("explode", name in _EXPLODED))


def differ(scope: Scope, before: Style, after: Style, old: Term, new: Term) -> bool:
    """Return whether the two styles write a value differently whose type both schemas allow."""
    shared = types(scope, old) & types(scope, new)
    if before.name != after.name:
        return bool(shared & _COMPOUND) or not _WITH_PREFIX.isdisjoint((before.name, after.name))
    return before.exploded != after.exploded and bool(shared & _EXPLODED_TYPES.get(before.name, _COMPOUND))


def types(scope: Scope, term: Term) -> frozenset[str]:
    """Return the types that a schema or one of its alternatives allows."""
    return frozenset().union(*(node.types for node in alternatives(scope, term)))


def alternatives(scope: Scope, term: Term) -> list[Node]:
    """Return a node for each alternative of a schema with unions (`oneOf`, `anyOf`).

    A node combines the keywords of the alternative with the other keywords of the schema. Several unions give
    a node for each combination; after `_MAX_DEPTH` unions, a node keeps its further unions. For a schema
    without unions, the result is the node of the schema.
    """
    return list(_alternatives(scope, scope.graph.schemas.node(term), _MAX_DEPTH))


def _alternatives(scope: Scope, node: Node, depth: int) -> Iterator[Node]:
    if not node.groups or not depth:
        yield node
        return
    group, base = node.groups[0], replace(node, groups=node.groups[1:])
    for branch in group.branches:
        inner = scope.graph.schemas.node(branch)
        combined = consistent(intersection(base, inner, ("alternative", node.key, inner.key)))
        yield from _alternatives(scope, combined, depth - 1)
