"""The serialization of a parameter or header (`style`, `explode`): defaults and effect on values."""

from __future__ import annotations

from typing import NamedTuple

from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.schema.node import Term

_DEFAULTS = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
_EXPLODED = frozenset({"form", "cookie"})
_COMPOUND = frozenset({"array", "object"})
#: Style → the types that `explode` affects, for the styles in which these are not arrays and objects. With
#: the style `simple`, `explode` does not affect arrays; with `deepObject`, it has no effect (OpenAPI 3.1.1,
#: "Style Examples").
_COUNTS = {"simple": frozenset({"object"}), "deepObject": frozenset[str]()}


class Style(NamedTuple):
    """The values of `style` and `explode`; missing values are replaced by their defaults."""

    name: str
    exploded: bool

    def __str__(self) -> str:
        return f"{self.name}, {'exploded' if self.exploded else 'not exploded'}"


def style(element: Element | None, place: str) -> Style:
    """Return the `style` and `explode` of a parameter, header or encoding, with their defaults.

    The defaults depend on where the value is sent, for example in the path or in the query.
    """
    default = _DEFAULTS.get(place, "simple")
    if element is None:
        return Style(default, default in _EXPLODED)
    name = element.text("style", default)
    return Style(name, element.flag("explode", name in _EXPLODED))


def differ(scope: Scope, before: Style, after: Style, old: Term, new: Term) -> bool:
    """Return whether two serializations can write a value of the schemas in different ways."""
    if before.name != after.name:
        return True
    counts = _COUNTS.get(before.name, _COMPOUND)
    nodes = [scope.graph.comparer.node(term) for term in (old, new)]
    return before.exploded != after.exploded and all(node.types & counts for node in nodes)
