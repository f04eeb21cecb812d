"""The alternatives of a union and of its nested unions.

Each alternative also contains the keywords that the schema has beside the union. A tag of an alternative is a
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
    alternatives of each `oneOf` that contains this alternative: a value of this alternative must not match
    them.
    """

    node: Node
    reference: str
    title: str
    element: Element | None
    siblings: Iterable[Node]
    tags: dict[str, frozenset[str]]
    references: frozenset[str] = frozenset()

    @property
    def shown(self) -> str:
        """Return the text for the alternative in messages: its reference, title, tag values or types.

        The first of these that is not empty is returned.
        """
        tags = " ".join(text.strip('"') for name in sorted(self.tags) for text in sorted(self.tags[name]))
        return self.reference or self.title or tags or " or ".join(self.node.type_names)

    def excluded(self) -> list[Node]:
        """Return the other alternatives of a `oneOf` that a value of this alternative must not match.

        Alternatives that are open objects do not exclude each other: nearly every object matches all of them,
        so such a `oneOf` would allow almost nothing.
        """
        mine = members.opened(self.node)
        others = (
            limited(node, ALL_TYPES - {"object"}) if mine and members.opened(node) else node
            for node in self.siblings
        )
        return [node for node in others if node.types & self.node.types]


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

        The alternatives with the tag are a mapping from each value of the tag to its alternatives.
        """
        names = {name for branch in self._branches for name in branch.tags}
        by_tag: dict[str, tuple[dict[str, list[Branch]], list[Branch]]] = {name: ({}, []) for name in names}
        for name, (tagged, other) in by_tag.items():
            for branch in self._branches:
                if name in branch.tags:
                    for value in branch.tags[name]:
                        tagged.setdefault(value, []).append(branch)
                else:
                    other.append(branch)
        return by_tag

    def rivals(self, branch: Branch) -> list[Branch]:
        """Return the alternatives in the index that can have a common value with the alternative `branch`."""
        least: Sequence[Branch] = self._branches
        for name, values in branch.tags.items():
            if name in self._by_tag:
                tagged, other = self._by_tag[name]
                candidates = dict.fromkeys(
                    alternative for value in values for alternative in tagged.get(value, ())
                )
                if len(candidates) + len(other) < len(least):
                    least = [*candidates, *other]
        return [
            alternative for alternative in least if alternative.node.types & branch.node.types - _ONLY_NULL
        ]


def alternatives(schemas: Schemas, node: Node) -> tuple[list[Branch] | None, bool]:
    """Return the alternatives of a schema, and whether the schema allows null.

    The order of the alternatives depends on their content only. The alternatives are None if several unions
    have too many combinations.
    """
    spelling = _Spelling(schemas)
    null = spelling.add(node, "", "", node.element, ())
    if spelling.full:
        return None, null
    return sorted(spelling.found, key=lambda branch: _key(branch, schemas.equality)), null


def _key(branch: Branch, equality: Equality) -> tuple[str, list[str], bytes, str]:
    parts = branch.node.parts or branch.node.elements
    # The location distinguishes equal alternatives of different unions. The indexes in the location depend on
    # the order in the document, so they are removed.
    place = re.sub(r"/\d+", "", branch.element.pointer) if branch.element else ""
    return branch.shown, branch.node.type_names, content_key(equality, parts), place


class _Spelling:
    """Collects the alternatives of one schema and of its nested unions."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._seen: set[object] = set()
        self._references: list[str] = []
        self.found: list[Branch] = []
        self.full = False

    def add(
        self, node: Node, reference: str, title: str, element: Element | None, siblings: Iterable[Node]
    ) -> bool:
        """Add the alternatives of a schema, and return whether the schema allows null.

        An alternative that is the union itself adds no values, so it is skipped.
        """
        if node.key in self._seen or node.impossible or self.full:
            return False
        self._seen.add(node.key)
        if not node.groups:
            self.found += self._by_type(node, reference, title, element, siblings)
            return "null" in node.types and self._schemas.member.holds(node, None) is not False
        group, rest = node.groups[0], node.groups[1:]
        returns = self._schemas.normalizer.returns(group)
        if returns:
            if group.element.identity in self._seen:
                return False
            self._seen.add(group.element.identity)
        base = replace(node, groups=rest, key=("base", node.key), derived=True)
        plain = base.bare and not rest
        inner = [self._schemas.node(term) for term in group.branches]
        exclusive = group.kind == "oneOf" and group.discriminator is None and not returns
        null = False
        for index, (name, title_, written_at) in enumerate(self._names(group)):
            candidate = inner[index]
            joined = candidate
            if not plain:
                joined = consistent(intersection(base, candidate, ("alt", node.key, candidate.key)))
                joined = replace(joined, derived=True)
            if rest and len(self.found) > COMBINATIONS.number:
                self.full = True
                return null
            others = (*siblings, *_Others(inner, index)) if siblings and exclusive else siblings
            others = _Others(inner, index) if exclusive and not siblings else others
            self._references.append(name)
            null = self.add(joined, name or reference, title_ or title, written_at, others) or null
            self._references.pop()
        self._seen.discard(group.element.identity)
        return null

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
        whole = types | _ONLY_NULL == ALL_TYPES or len(types) == 1
        for side in [node] if whole else (only(node, name) for name in sorted(types)):
            yield Branch(
                node=side,
                reference=reference,
                title=title,
                element=element,
                siblings=siblings,
                tags=tags if "object" in side.types else {},
                references=frozenset(self._references) - {""},
            )


def _target(element: Element) -> Element | None:
    """Return the schema to which an alternative refers, directly or by the first reference in its `allOf`."""
    targets = [target_of(schema) for schema in (element, *element.items("allOf"))]
    return next((target for target in targets if target is not None), None)


class _Others:
    """The nodes of a list without the node at one index; the list is not copied."""

    def __init__(self, nodes: list[Node], index: int) -> None:
        self._nodes, self._index = nodes, index

    def __iter__(self) -> Iterator[Node]:
        return (node for index, node in enumerate(self._nodes) if index != self._index)
