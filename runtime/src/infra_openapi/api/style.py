"""How a value becomes text: `style` and `explode`, with their defaults, and when they make a difference."""

from __future__ import annotations

from typing import NamedTuple

from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.schema.node import Term

_DEFAULTS = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
_EXPLODED = frozenset({"form", "cookie"})
_COMPOUND = frozenset({"array", "object"})
#: The types whose text `explode` changes, where it is not both of them: a list in `simple` has its commas
#: either way, and `deepObject` knows one way only (OpenAPI 3.1.1, "Style Examples").
_COUNTS = {"simple": frozenset({"object"}), "deepObject": frozenset[str]()}


class Style(NamedTuple):
    """The way that is in effect."""

    name: str
    exploded: bool

    def __str__(self) -> str:
        return f"{self.name}, {'exploded' if self.exploded else 'not exploded'}"


def style(element: Element | None, place: str) -> Style:
    """Return the style of a parameter, header or encoding, with the defaults of its place."""
    default = _DEFAULTS.get(place, "simple")
    if element is None:
        return Style(default, default in _EXPLODED)
    name = element.text("style", default)
    return Style(name, element.flag("explode", name in _EXPLODED))


def differ(scope: Scope, before: Style, after: Style, old: Term, new: Term) -> bool:
    """Whether the same value of both schemas may be written in two ways."""
    if before.name != after.name:
        return True
    counts = _COUNTS.get(before.name, _COMPOUND)
    nodes = [scope.graph.comparer.node(term) for term in (old, new)]
    return before.exploded != after.exploded and all(node.types & counts for node in nodes)
