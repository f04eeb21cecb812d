"""Compare how values are written as XML: as element or attribute, with name and namespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from infra_openapi import facts
from infra_openapi.change_graph import Scope
from infra_openapi.document import Element
from infra_openapi.document.reference import target_of
from infra_openapi.finding import Direction
from infra_openapi.schema.change import Mode, Pair
from infra_openapi.schema.node import Group, Node, Term

_ONLY_NULL = frozenset({"null"})
_XML = frozenset({"application/xml", "text/xml"})


def used(name: str) -> bool:
    """Return whether a media type (a result of `normal`) is XML."""
    kind = name.partition(";")[0]
    return kind in _XML or kind.endswith("+xml")


class _Shape(NamedTuple):
    """How a value is written as XML: as an element or an attribute, with name and namespace.

    `kind` is the value of `nodeType`, if the schema has one; `none` for an array without a wrapping element.
    """

    kind: str
    name: str
    space: str

    def __str__(self) -> str:
        text = f"{self.kind} {self.name}" if self.name else self.kind
        return f"{text} of {self.space}" if self.space else text


class _Step(NamedTuple):
    """An old and a new schema whose XML representations are compared.

    `before` and `after` are the names that apply if the schemas contain no XML name: the name of the
    property, or the name of the array around an item.
    """

    scope: Scope
    old: Term
    new: Term
    before: str = ""
    after: str = ""


def compare(scope: Scope, old: Term, new: Term, direction: Direction) -> None:
    """Add facts about changed XML elements, attributes, names and namespaces of two schemas.

    Each pair of schemas is compared once.
    """
    schemas, graph = scope.graph.schemas, scope.graph
    queue = [_Step(scope, old, new)]
    while queue:
        step = queue.pop()
        is_equal = step.before == step.after and schemas.same(Pair(step.old, step.new, Mode(direction)))
        if is_equal or not step.old or not step.new:
            continue
        old_node, new_node = schemas.node(step.old), schemas.node(step.new)
        old_shape, new_shape = _shape(old_node, step.before), _shape(new_node, step.after)
        key = ("xml", direction, old_node.key, new_node.key, old_shape, new_shape)
        inner, is_new = graph.scope(key, old_node.element, new_node.element, step.scope)
        step.scope.leads_to[inner.number] = None
        if not is_new:
            continue
        # A change from an array to another type, or back, has its own fact.
        if old_shape != new_shape and _array(old_node) == _array(new_node):
            inner.fact(
                facts.XML_CHANGED,
                direction,
                _element(old_node),
                _element(new_node),
                str(old_shape),
                str(new_shape),
            )
        queue += _parts(
            inner, old_node, new_node, (old_shape.name or step.before, new_shape.name or step.after)
        )


def _shape(node: Node, property_name: str) -> _Shape:
    """Return how the values of a schema are written as XML.

    `property_name` is the name of the XML element or attribute if the object `xml` contains no `name`.
    """
    facet = node.notes.get("xml")
    xml = facet.value if facet is not None and isinstance(facet.value, dict) else {}
    text = {key: value for key, value in xml.items() if isinstance(value, str)}
    if "nodeType" in text:
        kind = text["nodeType"]
    elif _array(node):
        kind = "element" if xml.get("wrapped") is True else "none"
    else:
        kind = "attribute" if xml.get("attribute") is True else "element"
    if kind == "none":
        return _Shape(kind, "", "")
    # A prefix is only an abbreviation of a namespace, so prefixes are compared only if the value has no
    # namespace.
    space = text.get("namespace") or text.get("prefix", "")
    return _Shape(kind, text.get("name", property_name) if kind in {"element", "attribute"} else "", space)


def _array(node: Node) -> bool:
    return node.types - _ONLY_NULL == {"array"}


def _element(node: Node) -> Element | None:
    facet = node.notes.get("xml")
    return facet.element if facet is not None else node.element


def _parts(scope: Scope, old: Node, new: Node, names: tuple[str, str]) -> Iterator[_Step]:
    for name in sorted(old.properties.keys() & new.properties.keys()):
        yield _Step(scope, old.properties[name], new.properties[name], name, name)
    if old.items and new.items:
        yield _Step(scope, old.items, new.items, *names)
    if old.additional and new.additional:
        yield _Step(scope, old.additional, new.additional)
    for old_group, new_group in zip(old.groups, new.groups, strict=False):
        before, after = _branches(old_group), _branches(new_group)
        for key in sorted(before.keys() & after.keys()):
            yield _Step(scope, before[key], after[key], *names)


def _branches(group: Group) -> dict[tuple[int, str], Term]:
    """Return a dictionary of the alternatives of a union.

    The key of an alternative is the target of its reference, or its index if it is not a reference.
    """
    branches: dict[tuple[int, str], Term] = {}
    for index, term in enumerate(group.branches):
        target = target_of(term[0])
        # Alternatives without a reference are matched by index, so their number must be equal.
        key = (0, target.pointer) if target is not None else (len(group.branches), str(index))
        branches[key] = term
    return branches
