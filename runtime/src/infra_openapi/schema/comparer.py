"""What changed between two schemas, each pair once; and whether one allows all that the other does."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, Final

from infra_openapi.finding import Direction, Level
from infra_openapi.rules import RULES
from infra_openapi.sameness import Sameness
from infra_openapi.schema import annotation, array, enumeration, logic, scalar
from infra_openapi.schema.candidates import Candidates
from infra_openapi.schema.change import Change, Fact, Mode, Pair, Side
from infra_openapi.schema.container import Objects
from infra_openapi.schema.membership import Membership
from infra_openapi.schema.node import Group, Node, Term
from infra_openapi.schema.normal import Normaliser
from infra_openapi.schema.union import Unions

#: How deep inclusion is followed before it counts as not proved.
_DEEPEST = 60


class Comparer:
    """The memory of one comparison. Cycles are coinductive: a pair under way counts as included."""

    #: That there is no example; any JSON value may be one.
    nothing: Final = object()

    def __init__(self, sameness: Sameness) -> None:
        self.sameness = sameness
        self.normaliser = Normaliser()
        self.node = self.normaliser.node
        self.member = Membership(self.normaliser)
        self.candidates = Candidates(self.node)
        self._changes: dict[Hashable, Change] = {}
        self._refuted: set[Hashable] = set()
        self._included: set[Hashable] = set()
        self._trail: list[Hashable] = []
        self._depth = 0

    @property
    def assuming(self) -> bool:
        """Whether only inclusion is asked for, on assumptions that may fall."""
        return self._depth > 0

    def normal(self, side: Side) -> Node:
        """The normal form of one side of a pair."""
        return side if isinstance(side, Node) else self.node(side)

    def same_term(self, old: Term | None, new: Term | None) -> bool:
        """Whether two terms say the same, word for word and through their references."""
        if old is None or new is None or len(old) != len(new):
            return old is None and new is None
        return all(self.sameness.same(one, other) for one, other in zip(old, new, strict=True))

    def same(self, pair: Pair) -> bool:
        """Whether both sides say the same, seen without putting them into normal form."""
        old, new = pair.old, pair.new
        if isinstance(old, Node) or isinstance(new, Node):
            return isinstance(old, Node) and isinstance(new, Node) and self._same_nodes(old, new)
        return self.same_term(old, new)

    def _same_nodes(self, old: Node, new: Node) -> bool:
        return not (old.derived or new.derived) and self.same_term(old.sites, new.sites)

    def key(self, pair: Pair) -> Hashable:
        """A pair's identity."""
        return self.normal(pair.old).key, self.normal(pair.new).key, pair.mode

    def change(self, pair: Pair) -> Change:
        """What the pair yields by itself, without its parts."""
        old, new = self.normal(pair.old), self.normal(pair.new)
        key = (old.key, new.key, pair.mode)
        known = self._changes.get(key)
        if known is None:
            known = self._compare(old, new, pair.mode)
            # A union that was matched under an assumption may have to be matched anew when it falls.
            if not self._depth or not (old.groups or new.groups):
                self._changes[key] = known
        return known

    def _compare(self, old: Node, new: Node, mode: Mode) -> Change:
        change = Change(mode)
        if self._same_nodes(old, new):
            return change
        if old.impossible or new.impossible:
            if not old.impossible:
                change.fact("became-impossible", old.site, new.site)
            elif not new.impossible:
                change.fact("became-possible", old.site, new.site)
            return change
        annotation.compare(old, new, change, self)
        if old.unrestrained != new.unrestrained and not _only_typed(old, new):
            name = "schema-added" if old.unrestrained else "schema-removed"
            change.fact(name, old.site, new.site, old.type_names, new.type_names)
            return change
        old, new = self._without_shared_groups(old, new)
        if old.groups or new.groups:
            Unions(self, old, new, change).compare()
        else:
            self._members(old, new, change)
        return change

    def _members(self, old: Node, new: Node, change: Change) -> None:
        if change.mode.exploded and "array" in new.types - old.types and not old.types & new.types:
            # One value of a parameter that may be repeated is an array of one.
            change.fact("type-widened", old.site, new.site, old.type_names, new.type_names)
            change.pair(old, new.items or (), "[]", change.mode.items())
            least = new.facets.get("minItems")
            if least and least.value > 1:
                change.fact("min-items-added", old.site, least.site, None, least.value)
            return
        if enumeration.texts(old, new, change):
            return
        shared = scalar.types(old, new, change)
        free = enumeration.values(old, new, shared, change, self.member)
        scalar.facets(old, new, free, change)
        # Properties and items of what is no object or array mean something all the same: see `scalar.facets`.
        either = old.types | new.types
        if "object" in free or "object" not in either:
            Objects(self.normaliser, self.same_term, old, new, change).compare()
        if "array" in free or "array" not in either:
            array.compare(old, new, change, self)
        logic.compare(old, new, change, self)

    def _without_shared_groups(self, old: Node, new: Node) -> tuple[Node, Node]:
        """Leave out the unions where both sides have the same ones; and what one side says twice."""
        first, second = self._distinct(old.groups), self._distinct(new.groups)
        left = list(second)
        for group in first:
            match = next((each for each in left if self._same_group(group, each)), None)
            if match is None:
                break
            left.remove(match)
        if first and len(first) == len(second) and not left:
            first, second = (), ()
        if len(first) != len(old.groups):
            old = replace(old, groups=first, key=("rest", old.key, len(first)), derived=True)
        if len(second) != len(new.groups):
            new = replace(new, groups=second, key=("rest", new.key, len(second)), derived=True)
        return old, new

    def _distinct(self, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        found: list[Group] = []
        for group in groups:
            if not any(self._same_group(group, each) for each in found):
                found.append(group)
        return tuple(found)

    def _same_group(self, old: Group, new: Group) -> bool:
        return (
            old.kind == new.kind
            and len(old.branches) == len(new.branches)
            and all(self.same_term(one, other) for one, other in zip(old.branches, new.branches, strict=True))
        )

    def example(self, old: Node, new: Node, direction: Direction) -> Any:
        """A value that harms: allowed on the side that counts, and refused by the other; else `nothing`."""
        if self.assuming:
            return self.nothing  # a union asks only whether a branch is included, and takes undecided for no
        wide, narrow = (old, new) if direction is Direction.REQUEST else (new, old)
        for value in self.candidates.of(wide, narrow):
            if self.member.holds(narrow, value) is False and self.member.holds(wide, value):
                return value
        return self.nothing

    def covers(self, pair: Pair) -> bool:
        """Whether it is proved that nothing in the pair's direction is harmed, at any depth."""
        if self.same(pair):
            return True
        key = self.key(pair)
        if key in self._refuted:
            return False
        if key in self._included:
            return True
        if self._depth > _DEEPEST:
            return False
        mark = len(self._trail)
        self._included.add(key)
        self._trail.append(key)
        self._depth += 1
        try:
            change = self.change(pair)
            holds = not any(map(harms, change.facts)) and self._all_cover(change.pairs)
        finally:
            self._depth -= 1
        if not holds:
            # What was concluded while this pair was assumed may lean on it.
            self._included.difference_update(self._trail[mark:])
            del self._trail[mark:]
            self._refuted.add(key)
        return holds

    def _all_cover(self, pairs: list[Pair]) -> bool:
        for pair in pairs:  # noqa: SIM110 - a generator's depth is the machine's stack, a loop's is Python's own
            if not self.covers(pair):
                return False
        return True


def _only_typed(old: Node, new: Node) -> bool:
    """Whether the side that restrains does it by its types alone: then those are the better words."""
    side = new if old.unrestrained else old
    return replace(side, types=old.types | new.types, integral=False, groups=()).bare and not side.groups


def harms(fact: Fact) -> bool:
    """Whether a fact refutes inclusion. In a union even a property that comes or goes tells schemas apart."""
    if fact.name in {"property-added", "property-removed"} or (
        fact.direction is Direction.RESPONSE and fact.name == "property-added-required"
    ):
        return True
    return RULES[f"{fact.direction}-{fact.name}"].level is not Level.INFO
