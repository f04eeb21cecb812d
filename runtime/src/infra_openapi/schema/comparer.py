"""Compare each pair of schemas once, and decide whether one schema includes another schema."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, TypeAlias

from infra_openapi import facts
from infra_openapi.equality import Equality
from infra_openapi.finding import Direction, Level
from infra_openapi.rules import RULES
from infra_openapi.schema.candidates import Candidates
from infra_openapi.schema.change import Change, Fact, Mode, Pair, Side
from infra_openapi.schema.literal import NOTHING
from infra_openapi.schema.membership import Membership
from infra_openapi.schema.node import Node, Term
from infra_openapi.schema.normalize import Normalizer
from infra_openapi.schema.question import Questions, composed

#: The maximum depth of nested pairs in a proof that one schema includes another.
_DEEPEST = 60
#: The keywords of a schema that consists of several schemas.
_COMPOSED = frozenset({"allOf", "anyOf", "oneOf", "not"})


#: The type of the function that compares two nodes; `Comparer` calls this function.
Compare: TypeAlias = "Callable[[Node, Node, Mode, Comparer], Change]"


class Comparer:
    """Compares each pair of schemas once, and decides whether one schema includes another.

    A schema includes another schema if it allows every value that the other schema allows.

    The function `compare` (in the module `comparison`) finds the facts about one pair. Some facts depend on
    the inclusion of other pairs, so `compare` gets the comparer as an argument. Cycles are coinductive: while
    a pair is being compared, its schemas are assumed to include each other.
    """

    #: The value for a missing example. It is not equal to any JSON value.
    nothing: Final = object()

    def __init__(self, equality: Equality, compare: Compare) -> None:
        self.equality = equality
        self._compare = compare
        self.normalizer = Normalizer()
        self.node = self.normalizer.node
        self.member = Membership(self.normalizer)
        self.candidates = Candidates(self.node)
        self._questions = {
            direction: Questions(direction, self.normalizer, self.member, self.same_nodes)
            for direction in Direction
        }
        self._changes: dict[Hashable, Change] = {}
        self._refuted: set[Hashable] = set()
        self._included: set[Hashable] = set()
        self._trail: list[Hashable] = []
        self._depth = 0

    @property
    def assuming(self) -> bool:
        """Return whether a proof is running that one schema includes another.

        Such a proof uses assumptions about schemas that refer to themselves, and an assumption can turn out
        to be wrong.
        """
        return self._depth > 0

    def question(self, direction: Direction) -> Questions:
        """Return the questions with the law of one direction, or with that of JSON Schema (`NONE`)."""
        return self._questions[direction]

    def impossible(self, term: Term) -> bool:
        """Return whether it is proved that a schema allows no value."""
        return self.nothing_in(self.node(term))

    def nothing_in(self, node: Node, *, thorough: bool = False) -> bool:
        """Return whether it is proved that a normal form allows no value.

        The required properties of a simple object are only examined if the search is thorough.
        """
        return node.impossible or (
            (thorough or composed(node) or requires_composed(node))
            and self._questions[Direction.NONE].ask(held=[node]) is NOTHING
        )

    def normal(self, side: Side) -> Node:
        """Return the normal form of a schema, which is the old or the new schema of a pair."""
        return side if isinstance(side, Node) else self.node(side)

    def same_term(self, old: Term | None, new: Term | None) -> bool:
        """Return whether an old and a new schema have the same content, including targets of references."""
        if old is None or new is None or len(old) != len(new):
            return old is None and new is None
        return all(self.equality.same(one, other) for one, other in zip(old, new, strict=True))

    def same(self, pair: Pair) -> bool:
        """Return whether both schemas of a pair have the same content.

        The normal form of the schemas is not computed, so the answer is fast.
        """
        old, new = pair.old, pair.new
        if isinstance(old, Node) or isinstance(new, Node):
            return isinstance(old, Node) and isinstance(new, Node) and self.same_nodes(old, new)
        return self.same_term(old, new)

    def same_nodes(self, old: Node, new: Node) -> bool:
        """Return whether two schemas in normal form have the same content in the documents.

        The result is False if one of them was created during the comparison.
        """
        return not (old.derived or new.derived) and self.same_term(old.elements, new.elements)

    def key(self, pair: Pair) -> Hashable:
        """Return a key under which the result for a pair of schemas is stored."""
        return self.normal(pair.old).key, self.normal(pair.new).key, pair.mode

    def change(self, pair: Pair) -> Change:
        """Return the facts about a pair of schemas, without the differences of properties and items."""
        old, new = self.normal(pair.old), self.normal(pair.new)
        key = (old.key, new.key, pair.mode)
        known = self._changes.get(key)
        if known is None:
            known = self._compare(old, new, pair.mode, self)
            # The alternatives of a union that were matched under a wrong assumption must be matched again.
            if not self._depth or not (old.groups or new.groups):
                self._changes[key] = known
        return known

    def example(self, old: Node, new: Node, direction: Direction) -> Any:
        """Return a value that shows that a changed schema breaks clients, or `nothing` if none was found."""
        if self.assuming:
            # For a union, only the inclusion of alternatives is relevant; undecided means not included.
            return self.nothing
        wide, narrow = (old, new) if direction is Direction.REQUEST else (new, old)
        for value in self.candidates.of(wide, narrow):
            if self.member.holds(narrow, value) is False and self.member.holds(wide, value):
                return value
        return self.nothing

    def covers(self, pair: Pair) -> bool:
        """Return whether it is proved that no difference between two schemas breaks clients.

        The proof includes the schemas of properties and items at any depth.
        """
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
            # Results that were computed while this pair was assumed to be included can depend on the
            # assumption.
            self._included.difference_update(self._trail[mark:])
            del self._trail[mark:]
            self._refuted.add(key)
        return holds

    def _all_cover(self, pairs: list[Pair]) -> bool:
        for pair in pairs:  # noqa: SIM110 - a generator's depth is the machine's stack, a loop's is Python's own
            if not self.covers(pair):
                return False
        return True


def requires_composed(node: Node) -> bool:
    """Return whether a required property has several schemas, which can contradict one another."""
    terms = (node.properties.get(name, ()) for name in node.required)
    return any(
        len(term) > 1 or any(isinstance(each.raw, dict) and _COMPOSED & each.raw.keys() for each in term)
        for term in terms
    )


def harms(fact: Fact) -> bool:
    """Return whether a fact refutes inclusion: all facts do that are more than information.

    A removed property refutes inclusion too, because an object with fewer properties is another alternative.
    """
    if fact.kind is facts.PROPERTY_REMOVED:
        return True
    return RULES[fact.kind.rule(fact.direction)].level is not Level.INFO
