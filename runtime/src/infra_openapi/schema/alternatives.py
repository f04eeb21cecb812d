"""The alternatives of a union and of its nested unions.

Each alternative also contains the other keywords of the schema with the union. A tag of an alternative is a
required property whose values are enumerated scalars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from infra_openapi.document import Element
from infra_openapi.document.reference import target_of
from infra_openapi.equality import Equality
from infra_openapi.schema import members
from infra_openapi.schema.annotation import mapping
from infra_openapi.schema.contradiction import consistent
from infra_openapi.schema.intersection import intersection
from infra_openapi.schema.limits import COMBINATIONS
from infra_openapi.schema.node import ALL_TYPES, Group, Node, limited, only
from infra_openapi.schema.pairing import content_key
from infra_openapi.schema.schemas import Schemas

_ONLY_NULL = frozenset({"null"})


@dataclass(kw_only=True, eq=False)
class Branch:
    """One alternative of a union, with its names.

    `reference` is the name of the schema to which the alternative refers, or its name in the mapping of a
    discriminator; `references` are all such names if several unions are combined. `siblings` are the other
    alternatives of each `oneOf` that contains this alternative, unless the `oneOf` has a discriminator or
    contains itself: a value of this alternative must not match any of the siblings (see `excluded`).
    """

    node: Node
    reference: str
    title: str
    element: Element | None
    siblings: Iterable[Node]
    tags: dict[str, frozenset[str]]
    references: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """Return the text for the alternative in messages: its reference, title, tag values or types.

        The result is the first text in this order that is not empty.
        """
        tags = " ".join(text.strip('"') for name in sorted(self.tags) for text in sorted(self.tags[name]))
        return self.reference or self.title or tags or " or ".join(self.node.type_names)

    def excluded(self) -> list[Node]:
        """Return those other alternatives of a `oneOf` that a value of this alternative must not match.

        Alternatives that are open objects do not exclude each other: nearly every object matches all open
        objects, so a `oneOf` of open objects would allow almost nothing.
        """
        is_open = members.is_open(self.node)
        siblings = (
            limited(node, ALL_TYPES - {"object"}) if is_open and members.is_open(node) else node
            for node in self.siblings
        )
        return [node for node in siblings if node.types & self.node.types]


class TagIndex:
    """An index of the alternatives of the old or of the new schema, by tag.

    It finds the alternatives that can have common values with a given alternative.
    """

    def __init__(self, branches: Sequence[Branch]) -> None:
        self._branches = branches
        self._position = {branch: index for index, branch in enumerate(branches)}

    @cached_property
    def _by_tag(self) -> dict[str, tuple[dict[str, list[Branch]], list[Branch]]]:
        """Return a mapping from each tag to the alternatives with the tag, and to those without the tag.

        The alternatives with the tag are a mapping from each value of the tag to the alternatives that allow
        this value.
        """
        names = {name for branch in self._branches for name in branch.tags}
        by_tag: dict[str, tuple[dict[str, list[Branch]], list[Branch]]] = {name: ({}, []) for name in names}
        for name, (tagged, untagged) in by_tag.items():
            for branch in self._branches:
                if name in branch.tags:
                    for value in branch.tags[name]:
                        tagged.setdefault(value, []).append(branch)
                else:
                    untagged.append(branch)
        return by_tag

    def candidates_for(self, branch: Branch) -> list[Branch]:
        """Return the alternatives in the index that can have a common value with the alternative `branch`.

        A common value null does not count.
        """
        smallest: Sequence[Branch] = self._branches
        for name, values in branch.tags.items():
            if name in self._by_tag:
                tagged, untagged = self._by_tag[name]
                tagged_branches = dict.fromkeys(
                    alternative for value in values for alternative in tagged.get(value, ())
                )
                if len(tagged_branches) + len(untagged) < len(smallest):
                    smallest = [*tagged_branches, *untagged]
        return [
            alternative for alternative in smallest if alternative.node.types & branch.node.types - _ONLY_NULL
        ]


def alternatives(schemas: Schemas, node: Node) -> tuple[list[Branch] | None, bool]:
    """Return the alternatives of a schema, and whether the schema allows null.

    The order of the alternatives depends on their content only. The alternatives are None if several unions
    have too many combinations.
    """
    collector = _Collector(schemas)
    allows_null = collector.add(node, "", "", node.element, ())
    if collector.too_many:
        return None, allows_null
    return sorted(collector.found, key=lambda branch: _key(branch, schemas.equality)), allows_null


def _key(branch: Branch, equality: Equality) -> tuple[str, list[str], bytes, str]:
    parts = branch.node.parts or branch.node.elements
    # The location distinguishes equal alternatives of different unions. The indexes in the location depend on
    # the order in the document, so they are removed.
    location = re.sub(r"/\d+", "", branch.element.pointer) if branch.element else ""
    return branch.label, branch.node.type_names, content_key(equality, parts), location


class _Collector:
    """Collects the alternatives of one schema and of its nested unions."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._seen: set[object] = set()
        self._references: list[str] = []
        self.found: list[Branch] = []
        self.too_many = False

    def add(
        self, node: Node, reference: str, title: str, element: Element | None, siblings: Iterable[Node]
    ) -> bool:
        """Add the alternatives of a schema, and return whether the schema allows null.

        An alternative that is the union itself adds no values, so it is skipped.
        """
        if node.key in self._seen or node.impossible or self.too_many:
            return False
        self._seen.add(node.key)
        if not node.groups:
            self.found += self._by_type(node, reference, title, element, siblings)
            return "null" in node.types and self._schemas.member.holds(node, None) is not False
        group, other_groups = node.groups[0], node.groups[1:]
        is_recursive = self._schemas.normalizer.is_recursive(group)
        if is_recursive:
            if group.element.identity in self._seen:
                return False
            self._seen.add(group.element.identity)
        base = replace(node, groups=other_groups, key=("base", node.key), derived=True)
        is_only_union = base.bare and not other_groups
        branch_nodes = [self._schemas.node(term) for term in group.branches]
        is_exclusive = group.kind == "oneOf" and group.discriminator is None and not is_recursive
        allows_null = False
        for index, (name, branch_title, written_at) in enumerate(self._names(group)):
            candidate = branch_nodes[index]
            joined = candidate
            if not is_only_union:
                joined = consistent(intersection(base, candidate, ("alt", node.key, candidate.key)))
                joined = replace(joined, derived=True)
            if other_groups and len(self.found) > COMBINATIONS.number:
                self.too_many = True
                return allows_null
            branch_siblings = (
                (*siblings, *_WithoutIndex(branch_nodes, index)) if siblings and is_exclusive else siblings
            )
            branch_siblings = (
                _WithoutIndex(branch_nodes, index) if is_exclusive and not siblings else branch_siblings
            )
            self._references.append(name)
            allows_null = (
                self.add(joined, name or reference, branch_title or title, written_at, branch_siblings)
                or allows_null
            )
            self._references.pop()
        self._seen.discard(group.element.identity)
        return allows_null

    def _names(self, group: Group) -> Iterator[tuple[str, str, Element]]:
        """Yield the reference, the title and the element of each alternative."""
        names = {(element.file, element.pointer): value for value, element in mapping(group.element).items()}
        for term in group.branches:
            element = term[0]
            target = _target(element)
            name = names.get((target.file, target.pointer), "") if target else ""
            if target is not None and not name:
                name = target.pointer.rpartition("/")[2]
            yield name, element.text("title") or (target.text("title") if target else ""), element

    def _by_type(
        self, node: Node, reference: str, title: str, element: Element | None, siblings: Iterable[Node]
    ) -> Iterator[Branch]:
        types = node.types - _ONLY_NULL
        tags = members.tags(node, self._schemas.node)
        is_one_branch = types | _ONLY_NULL == ALL_TYPES or len(types) == 1
        for typed_node in [node] if is_one_branch else (only(node, name) for name in sorted(types)):
            yield Branch(
                node=typed_node,
                reference=reference,
                title=title,
                element=element,
                siblings=siblings,
                tags=tags if "object" in typed_node.types else {},
                references=frozenset(self._references) - {""},
            )


def _target(element: Element) -> Element | None:
    """Return the target of the first reference: the alternative itself, or a member of its `allOf`.

    The result is None if neither the alternative nor a member is a reference.
    """
    targets = [target_of(schema) for schema in (element, *element.items("allOf"))]
    return next((target for target in targets if target is not None), None)


class _WithoutIndex:
    """The nodes of a list without the node at `index`; the list is not copied."""

    def __init__(self, nodes: list[Node], index: int) -> None:
        self._nodes, self._index = nodes, index

    def __iter__(self) -> Iterator[Node]:
        return (node for index, node in enumerate(self._nodes) if index != self._index)
