"""Find values that match two alternatives of a `oneOf` in one document, but not in the other document.

A `oneOf` rejects a value that matches two of its alternatives, so such a value shows a change.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, islice
from typing import Any

from infra_openapi.finding import Direction
from infra_openapi.schema.change import Mode, Pair
from infra_openapi.schema.comparer import Comparer
from infra_openapi.schema.contradiction import consistent
from infra_openapi.schema.intersection import declared, intersection
from infra_openapi.schema.node import ALL_TYPES, Group, Node, Term, only

_SENT = Mode(Direction.REQUEST)
_ONLY_NULL = frozenset({"null"})
_ONLY_OBJECT = frozenset({"object"})
#: Limits: the depth of the search for impossible properties, and the number of pairs of alternatives.
_DEEPEST, _MOST = 4, 2000


@dataclass(kw_only=True, eq=False)
class Exclusive:
    """A `oneOf` and the other keywords beside it; `inner` is true if the `oneOf` is inside another union."""

    group: Group
    base: Node
    inner: bool
    comparer: Comparer

    @cached_property
    def alternatives(self) -> list[Node]:
        """Return the alternatives of the `oneOf`, each combined with the keywords beside the `oneOf`."""
        inner = [self.comparer.node(branch) for branch in self.group.branches]
        return inner if self.base.unrestrained else [_both(self.base, each) for each in inner]


class Overlaps:
    """Searches for values that a `oneOf` of one schema rejects because they match two of its alternatives."""

    def __init__(self, comparer: Comparer, mode: Mode) -> None:
        # The same mode as in the comparison of unions, so that its cached results can be used.
        self._comparer, self._mode = comparer, mode

    def exclusives(self, node: Node, seen: set[Hashable], *, inner: bool = False) -> Iterator[Exclusive]:
        """Yield each `oneOf` in a schema that has no discriminator.

        A discriminator selects one alternative, so a value cannot match two alternatives.
        """
        if node.key in seen:
            return
        seen.add(node.key)
        for index, group in enumerate(node.groups):
            if group.kind == "oneOf" and group.discriminator is None:
                base = _beside(node, index)
                yield Exclusive(group=group, base=base, inner=inner, comparer=self._comparer)
            for branch in group.branches:
                yield from self.exclusives(self._comparer.node(branch), seen, inner=True)

    def refusing(self, node: Node, other: Node, *, shown: bool) -> Iterator[tuple[Group, Any]]:
        """Yield each `oneOf` in the schema `node` that rejects values which the schema `other` allows.

        The second item of each pair is an example value if `shown` is true.
        """
        shown = shown and not self._comparer.assuming
        exclusives = list(self.exclusives(node, set()))
        theirs = list(self.exclusives(other, set())) if exclusives else []
        for one in exclusives:
            worst = min(self._new(one, theirs, shown=shown), default=None)
            example = self._comparer.nothing
            if shown and worst is not None:
                example = self._example(node, other, one.group)
            certain = worst is False and not _circular(self._comparer, node)
            if example is not self._comparer.nothing or certain:
                yield one.group, example

    def swallowed(self, group: Group) -> bool:
        """Return whether an alternative allows every object, so that all objects of another match both."""
        nodes = [node for node in map(self._comparer.node, group.branches) if "object" in node.types]
        others = sum(not self._empty(node, _DEEPEST) for node in nodes)
        return others > 1 and any(replace(node, types=ALL_TYPES).unrestrained for node in nodes)

    def _new(self, one: Exclusive, theirs: list[Exclusive], *, shown: bool) -> Iterator[bool]:
        """Yield an item for each pair of alternatives that may newly match the same value.

        The item is true if only an example value can prove the overlap. This is the case for a union inside a
        union, because another alternative of the outer union can allow the value, and for two open objects
        that already overlapped in the other document.
        """
        within = {
            (id(other), mine): {
                index
                for index, branch in enumerate(other.group.branches)
                if self._comparer.same_term(one.group.branches[mine], branch)
            }
            for other in theirs
            for mine in range(len(one.alternatives))
        }
        pairs = combinations(range(len(one.alternatives)), 2)
        for number, (first, second) in enumerate(pairs):
            if number > _MOST:
                yield False
                return
            mine = one.alternatives[first], one.alternatives[second]
            known = [
                other for other in theirs if _distinct(within[id(other), first], within[id(other), second])
            ]
            if not all(other.inner for other in known):
                continue
            met = all(map(opened, mine)) and any(self._met(one, other) for other in theirs)
            # Nested unions are compared separately, at their own location.
            touched = (self._touched(each, other) for each in mine for other in theirs)
            relevant = not met or (shown and any(touched))
            if not relevant or self._apart(*mine):
                continue
            if met:
                yield True
                continue
            known += [
                other
                for other in theirs
                if _distinct(self._around(mine[0], other), self._around(mine[1], other))
            ]
            if all(other.inner for other in known):
                yield bool(known)
                if not known:
                    return

    def _around(self, node: Node, other: Exclusive) -> set[int]:
        """Return the indexes of those alternatives of `other` that allow all values of `node`."""
        found = set()
        for index, branch in enumerate(other.group.branches):
            wider = self._comparer.node(branch)
            sent = self._mode.direction is Direction.REQUEST
            pair = Pair(node, wider, self._mode) if sent else Pair(wider, node, self._mode)
            if node.types & wider.types and self._comparer.covers(pair):
                found.add(index)
        return found

    def _met(self, one: Exclusive, other: Exclusive) -> bool:
        """Return whether a union of the other side has as many open objects, so the overlap is not new."""
        known, mine = (
            sum(opened(node) and not self._empty(node, _DEEPEST) for node in side.alternatives)
            for side in (other, one)
        )
        return known >= mine

    def _touched(self, node: Node, other: Exclusive) -> bool:
        """Return whether the open object `node` differs from the most similar open object of `other`.

        An open object is a schema that allows undeclared properties.
        """
        sent = self._mode.direction is Direction.REQUEST
        for index in _likely(other.alternatives, node):
            like = other.alternatives[index]
            pair = Pair(like, node, self._mode) if sent else Pair(node, like, self._mode)
            if self._comparer.change(pair).facts:
                return True
        return False

    def _apart(self, one: Node, other: Node) -> bool:
        """Return whether it is proved that the two schemas have no common value except null."""
        types = (one.types & other.types) - _ONLY_NULL
        return all(self._empty(_both(_only(one, kind), _only(other, kind)), _DEEPEST) for kind in types)

    def _empty(self, node: Node, depth: int) -> bool:
        """Return whether it is proved that a schema allows no value."""
        if node.impossible:
            return True
        if not depth:
            return False
        node_of = self._comparer.node
        for index, group in enumerate(node.groups):
            beside = _beside(node, index)
            if all(self._empty(_both(beside, node_of(branch)), depth - 1) for branch in group.branches):
                return True
        if node.types == _ONLY_OBJECT and any(
            self._empty(node_of(declared(node, name)), depth - 1) for name in sorted(node.required)
        ):
            return True
        for term in node.negations:
            key = ("without", node.key, len(node.negations))
            bare = replace(node, negations=(), groups=(), conditions=(), opaque={}, key=key, derived=True)
            if _needed(node, node_of(term)) or self._comparer.covers(Pair(bare, node_of(term), _SENT)):
                return True
        return False

    def _example(self, node: Node, other: Node, group: Group) -> Any:
        """Return a value that only one `oneOf` rejects because it matches two alternatives, or `nothing`."""
        comparer = self._comparer
        if comparer.assuming:
            return comparer.nothing  # for a union, only the inclusion of a branch is relevant
        branches = [comparer.node(branch) for branch in group.branches]
        holds = comparer.member.holds
        for value in comparer.candidates.of(other, node):
            twice = islice((branch for branch in branches if holds(branch, value)), 2)
            if (
                value is not None
                and len(list(twice)) > 1
                and holds(other, value)
                and holds(node, value) is False
            ):
                return value
        return comparer.nothing


def _circular(comparer: Comparer, node: Node) -> bool:
    """Return whether a schema contains itself, for example in a property.

    After one expansion, a union in such a schema would look like another union.
    """
    around: set[Hashable] = set()
    done: set[Hashable] = set()
    trail = [(node.key, iter(_inner(node)))]
    while trail:
        key, left = trail[-1]
        around.add(key)
        term = next(left, None)
        if term is None:
            around.discard(key)
            done.add(key)
            trail.pop()
            continue
        inner = comparer.node(term)
        if inner.key in around:
            return True
        if inner.key not in done:
            trail.append((inner.key, iter(_inner(inner))))
    return False


def _inner(node: Node) -> list[Term]:
    """Return the schemas of properties and items of a schema, and the schemas of its alternatives."""
    branches = [branch for group in node.groups for branch in group.branches]
    others = [term for term in (node.items, node.additional) if term is not None]
    return [*node.properties.values(), *node.prefix, *branches, *others]


def _only(node: Node, kind: str) -> Node:
    return node if len(node.types) == 1 else only(node, kind)


def _beside(node: Node, index: int) -> Node:
    rest = node.groups[:index] + node.groups[index + 1 :]
    return replace(node, groups=rest, key=("beside", node.key, index), derived=True)


def _both(one: Node, other: Node) -> Node:
    return replace(consistent(intersection(one, other, ("both", one.key, other.key))), derived=True)


def _needed(node: Node, other: Node) -> bool:
    """Return whether the schema `other` only requires properties that every value of `node` has."""
    alone = replace(other, required={}, types=ALL_TYPES).unrestrained
    named = other.required.keys() <= node.required.keys()
    return alone and named and node.types == _ONLY_OBJECT and "object" in other.types


def _distinct(first: set[int], second: set[int]) -> bool:
    """Return whether two different numbers can be selected, one from each of two sets."""
    return bool(first) and bool(second) and len(first | second) > 1


def _likely(among: list[Node], node: Node) -> set[int]:
    """Return the indexes of open objects that share at least half of their properties with `node`."""
    mine = node.properties.keys()
    return {
        index
        for index, each in enumerate(among)
        if opened(each) and 2 * len(each.properties.keys() & mine) >= len(each.properties.keys() | mine) > 0
    }


def opened(node: Node) -> bool:
    """Return whether a schema allows objects with undeclared properties."""
    return "object" in node.types and node.additional is None and node.unevaluated is None


def plain(value: Any) -> bool:
    """Return whether a value contains no objects."""
    if isinstance(value, list):
        return all(map(plain, value))
    return not isinstance(value, dict)
