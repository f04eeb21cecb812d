"""Compare unions (`oneOf`, `anyOf`): match old and new alternatives, report added and removed ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from infra_openapi import facts
from infra_openapi.document import Element
from infra_openapi.document.reference import target_of
from infra_openapi.finding import Direction
from infra_openapi.schema.annotation import mapping
from infra_openapi.schema.change import Change, Mode, Pair
from infra_openapi.schema.comparer import Comparer
from infra_openapi.schema.contradiction import consistent
from infra_openapi.schema.intersection import intersection
from infra_openapi.schema.node import ALL_TYPES, Group, Node, only
from infra_openapi.schema.overlap import Overlaps, opened, plain

Matcher: TypeAlias = "Callable[[Branch, Branch], bool]"

#: The maximum number of combinations of several unions in one schema.
_MOST = 64
#: If two objects have at least this share of common properties, they are treated as the same object.
_ALIKE = 0.5
_ONLY_NULL = frozenset({"null"})
# The kind of a fact without an example, and the kind of the same fact with an example.
_BECAME_EXCLUSIVE = facts.UNION_BECAME_EXCLUSIVE, facts.UNION_BECAME_EXCLUSIVE_FOR_SOME
_NO_LONGER_EXCLUSIVE = facts.UNION_NO_LONGER_EXCLUSIVE, facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME
_OVERLAP_ADDED = facts.UNION_OVERLAP_ADDED, facts.UNION_OVERLAP_ADDED_FOR_SOME
_OVERLAP_REMOVED = facts.UNION_OVERLAP_REMOVED, facts.UNION_OVERLAP_REMOVED_FOR_SOME


@dataclass(slots=True, kw_only=True, eq=False)
class Branch:
    """One alternative of a union, with the name (`label`) that messages use for the alternative."""

    node: Node
    label: str
    element: Element | None

    @property
    def shown(self) -> str:
        """Return the name of the alternative, or the types of the alternative if it has no name."""
        return self.label or " or ".join(self.node.type_names)


class Unions:
    """Compares an old and a new schema, at least one of which is a union (`oneOf`, `anyOf`)."""

    def __init__(self, comparer: Comparer, old: Node, new: Node, change: Change) -> None:
        self._comparer, self.old, self.new, self.change = comparer, old, new, change
        self._olds: list[Branch] = []
        self.mode = Mode(
            change.mode.direction, text=change.mode.text, exploded=change.mode.exploded, nullless=True
        )

    def compare(self) -> None:
        """Match the old and new alternatives of a union, compare each pair, and add facts about the rest."""
        olds, was_null = self._alternatives(self.old)
        news, is_null = self._alternatives(self.new)
        if not self.change.mode.nullless and was_null != is_null:
            name = facts.BECAME_NULLABLE if is_null else facts.BECAME_NOT_NULLABLE
            self.change.fact(name, self.old.element, self.new.element)
        if len(olds) == len(news) == 1:
            self._pair(olds[0], news[0])
            return
        self._exclusive(olds + news)
        self._olds, every_new = list(olds), list(news)
        for matcher in (self._identical, self._of_one_name, self._equivalent):
            self._match(olds, news, matcher)
        if self.mode.direction is Direction.REQUEST:
            gone = self._included(olds, every_new, news)
            come = self._included(news, self._olds, [])
        else:
            come = self._included(news, self._olds, olds)
            gone = self._included(olds, every_new, [])
        self._match(gone, come, self._alike)
        self._match(gone, come, self._of_one_type)
        for branch in gone:
            self.change.fact(
                facts.UNION_BRANCH_REMOVED, branch.element, self.new.element, branch.shown, None, branch.shown
            )
        for branch in come:
            self.change.fact(
                facts.UNION_BRANCH_ADDED, self.old.element, branch.element, None, branch.shown, branch.shown
            )

    # --- the alternatives of one side ---------------------------------------------------------------

    def _alternatives(self, node: Node) -> tuple[list[Branch], bool]:
        found: list[Branch] = []
        null = self._spell_out(node, found, "", node.element, set())
        return found, null

    def _spell_out(
        self, node: Node, found: list[Branch], label: str, element: Element | None, seen: set[object]
    ) -> bool:
        """Append the alternatives of a union to `found`, and return whether the union allows null.

        Nested unions are expanded. An alternative that is the union itself adds no values, so it is skipped.
        """
        if node.key in seen or node.impossible:
            return False
        seen.add(node.key)
        if not node.groups:
            found += self._by_type(node, label, element)
            return "null" in node.types and self._comparer.member.holds(node, None) is not False
        group, rest = node.groups[0], node.groups[1:]
        if self._comparer.normalizer.returns(group):
            if group.element.identity in seen:
                return False
            seen.add(group.element.identity)
        base = replace(node, groups=rest, key=("base", node.key), derived=True)
        null = False
        for inner, name, written_at in self._branches(group):
            joined = inner
            if not base.bare or rest:
                joined = consistent(intersection(base, inner, ("alt", node.key, inner.key)))
            if joined is not inner:
                joined = replace(joined, derived=True)
            if len(found) > _MOST:
                self.change.fact(
                    facts.KEYWORD_UNDECIDED,
                    self.old.element,
                    self.new.element,
                    subject="too many alternatives",
                )
                return null
            null = self._spell_out(joined, found, name or label, written_at, seen) or null
        seen.discard(group.element.identity)
        return null

    def _branches(self, group: Group) -> Iterator[tuple[Node, str, Element]]:
        names = {(element.file, element.pointer): value for value, element in mapping(group.element).items()}
        for term in group.branches:
            element = term[0]
            target = target_of(element)
            label = names.get((target.file, target.pointer), "") if target else ""
            if target is not None and not label:
                label = target.pointer.rpartition("/")[2]
            node = self._comparer.node(term)
            label = label or element.text("title")
            if not label:
                tags = self._tags(node)
                label = " ".join(_shown(tags[name]) for name in sorted(tags))
            yield node, label, element

    def _by_type(self, node: Node, label: str, element: Element | None) -> list[Branch]:
        types = node.types - _ONLY_NULL
        if types | _ONLY_NULL == ALL_TYPES or len(types) == 1:
            return [Branch(node=node, label=label, element=element)]
        return [
            Branch(
                node=only(node, name),
                label=label,
                element=element,
            )
            for name in sorted(types)
        ]

    # --- matching old and new alternatives ---------------------------------------------------------

    def _pair(self, old: Branch, new: Branch) -> None:
        self.change.pair(old.node, new.node, new.shown, self.mode)

    def _as_pair(self, old: Branch, new: Branch) -> Pair:
        return Pair(old.node, new.node, self.mode)

    def _match(self, olds: list[Branch], news: list[Branch], by: Matcher) -> None:
        """Match each old alternative of a union with the first new one for which the function `by` is true.

        Matched alternatives are removed from both lists.
        """
        for old in list(olds):
            match = next((new for new in news if by(old, new)), None)
            if match is not None:
                self._pair(old, match)
                olds.remove(old)
                news.remove(match)

    def _identical(self, old: Branch, new: Branch) -> bool:
        return self._comparer.same(self._as_pair(old, new))

    def _of_one_name(self, old: Branch, new: Branch) -> bool:
        return bool(old.label) and old.label == new.label and bool(old.node.types & new.node.types)

    def _alike(self, old: Branch, new: Branch) -> bool:
        first, second = set(old.node.properties), set(new.node.properties)
        one, other = self._tags(old.node), self._tags(new.node)
        if any(one[name] != other[name] for name in one.keys() & other.keys()):
            return False
        return bool(first & second) and len(first & second) / len(first | second) >= _ALIKE

    def _tags(self, node: Node) -> dict[str, str]:
        """Return the properties of an object schema that allow exactly one value.

        Such a property, for example `type`, distinguishes the objects of one alternative from the others.
        """
        found = {}
        for name in node.properties.keys() & node.required.keys():
            inner = self._comparer.node(node.properties[name])
            values = [text for listed in inner.values.values() for text in listed]
            if len(values) == 1 and inner.types == inner.values.keys():
                found[name] = values[0]
        return found

    def _of_one_type(self, old: Branch, new: Branch) -> bool:
        one, other = old.node.types - _ONLY_NULL, new.node.types - _ONLY_NULL
        return one == other and not (old.node.properties and new.node.properties)

    def _equivalent(self, old: Branch, new: Branch) -> bool:
        return self._includes(new, old) and self._includes(old, new)

    def _includes(self, wide: Branch, narrow: Branch) -> bool:
        """Return whether the alternative `wide` allows all values that the alternative `narrow` allows.

        Each of the two can be the old or the new alternative.
        """
        request = self.mode.direction is Direction.REQUEST
        first, second = (narrow, wide) if request else (wide, narrow)
        return self._comparer.covers(self._as_pair(first, second))

    def _included(self, branches: list[Branch], others: list[Branch], free: list[Branch]) -> list[Branch]:
        """Return those alternatives in `branches` that no alternative in `others` includes.

        An alternative includes another one if it allows all values of the other one. If the including
        alternative is in `free`, both are compared as a pair, and it is removed from `free`.
        """
        left = []
        for branch in branches:
            wider = next((other for other in others if self._includes(other, branch)), None)
            if wider is None:
                left.append(branch)
            elif wider in free:
                free.remove(wider)
                self._pair(*((wider, branch) if wider in self._olds else (branch, wider)))
        return left

    def _exclusive(self, branches: list[Branch]) -> None:
        """Add facts about values that a `oneOf` rejects because they match two of its alternatives.

        A fact is added only if the other document allows such a value.
        """
        comparer, (old, new) = self._comparer, (self.old, self.new)
        switched = len(old.groups) == len(new.groups) == 1 and old.groups[0].kind != new.groups[0].kind
        overlaps = Overlaps(comparer, self.mode)
        for side, other, kinds, overlap_kinds in (
            (new, old, _BECAME_EXCLUSIVE, _OVERLAP_ADDED),
            (old, new, _NO_LONGER_EXCLUSIVE, _OVERLAP_REMOVED),
        ):
            harmful = (side is new) == (self.mode.direction is Direction.REQUEST)
            if comparer.assuming and not harmful:
                continue
            refusing = list(overlaps.refusing(side, other, shown=harmful or switched))
            if not refusing:
                continue
            element = refusing[0][0].element
            # Servers often distinguish open objects in other ways, so an overlap does not prove a change.
            sure = switched or not any(opened(branch.node) for branch in branches)
            some = any(
                value is not comparer.nothing and (sure or plain(value) or overlaps.swallowed(group))
                for group, value in refusing
            )
            certain, for_some = kinds if switched else overlap_kinds
            elements = (other.element, element) if side is new else (element, other.element)
            self.change.fact(for_some if some else certain, *elements)


def _shown(tag: str) -> str:
    """Return a tag, which is JSON, as it is shown in messages: a string without quotes."""
    value = json.loads(tag)
    return value if isinstance(value, str) else tag
