"""Find values that only one schema (old or new) rejects, because they match two alternatives of a `oneOf`.

For two alternatives of one schema, the module searches for a value that both alternatives allow and that the
other schema accepts. The result is an example of such a value, a proof that no such value exists, or
undecided.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from infra_openapi import facts
from infra_openapi.finding import Direction
from infra_openapi.schema import members
from infra_openapi.schema.alternatives import Branch, TagIndex
from infra_openapi.schema.change import Change, Mode, Pair
from infra_openapi.schema.contradiction import both
from infra_openapi.schema.inclusion import Context, covers
from infra_openapi.schema.limits import OVERLAPS, Answer, Limit
from infra_openapi.schema.literal import NOTHING
from infra_openapi.schema.node import ALL_TYPES, Group, Node, Term

#: The answer if two alternatives can have a common value, but no such value proves a change.
UNDECIDED: Final = object()
_NOT_NULL = ALL_TYPES - {"null"}
# The kind of a fact without an example, and the kind of the same fact with an example.
_BECAME_EXCLUSIVE = facts.UNION_BECAME_EXCLUSIVE, facts.UNION_BECAME_EXCLUSIVE_FOR_SOME
_NO_LONGER_EXCLUSIVE = facts.UNION_NO_LONGER_EXCLUSIVE, facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME
_OVERLAP_ADDED = facts.UNION_OVERLAP_ADDED, facts.UNION_OVERLAP_ADDED_FOR_SOME
_OVERLAP_REMOVED = facts.UNION_OVERLAP_REMOVED, facts.UNION_OVERLAP_REMOVED_FOR_SOME
#: The kinds of all facts of this module.
KINDS = frozenset({*_BECAME_EXCLUSIVE, *_NO_LONGER_EXCLUSIVE, *_OVERLAP_ADDED, *_OVERLAP_REMOVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of the comparison: the old or the new schema, with its alternatives."""

    node: Node
    branches: list[Branch]
    #: True if an alternative allows null.
    null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exclusive:
    """A `oneOf` without a discriminator; `inner` is true if it is an alternative of another union."""

    group: Group
    branches: list[Branch]
    inner: bool


def overlaps(old: Side, new: Side, change: Change, context: Context) -> None:
    """Add facts about overlaps: values that a `oneOf` rejects because two of its alternatives match."""
    groups = (*old.node.groups, *new.node.groups)
    alone = len(old.node.groups) == len(new.node.groups) == 1
    switched = alone and groups[0].kind != groups[1].kind
    for side, peer, kinds in (
        (new, old, _BECAME_EXCLUSIVE if switched else _OVERLAP_ADDED),
        (old, new, _NO_LONGER_EXCLUSIVE if switched else _OVERLAP_REMOVED),
    ):
        harmful = (side is new) == (change.mode.direction is Direction.REQUEST)
        if context.proving and not harmful:
            continue
        search = _Search(
            context, side, peer, change.mode.direction, shown=(harmful or switched) and not context.proving
        )
        group, example = search.first()
        if group is None and not search.limits:
            continue
        proved = example is not NOTHING and example is not UNDECIDED
        if not proved:
            if search.disproved() is True or _are_equal(old, new, change.mode, context):
                continue
            change.limits |= search.limits
        if group is not None:
            old_element, new_element = (
                group.element if version is side else version.node.element for version in (old, new)
            )
            change.fact(kinds[proved], old_element, new_element)


def _are_equal(old: Side, new: Side, mode: Mode, context: Context) -> bool:
    """Return whether two `oneOf` are proved to have the same alternatives, in any order.

    Two alternatives are the same if they have the same name and each of them includes the other one. The
    proof also works for alternatives that refer to their own union. If an alternative is itself a union, the
    result is false.
    """
    groups = [side.node.groups for side in (old, new)]
    if any(len(group) != 1 or group[0].kind != "oneOf" for group in groups):
        return False
    if any(context.schemas.node(term).groups for [group] in groups for term in group.branches):
        return False
    names = [sorted(branch.shown for branch in side.branches) for side in (old, new)]
    if names[0] != names[1] or len(set(names[0])) < len(names[0]):
        return False
    partners = {branch.shown: branch.node for branch in new.branches}
    return all(
        covers(Pair(one, other, mode), context) is True
        for branch in old.branches
        for one, other in itertools.permutations((branch.node, partners[branch.shown]))
    )


class _Search:
    """The search for values that the schema `side` rejects, because the values match two of its alternatives.

    The other schema, `peer`, must accept the values.
    """

    def __init__(
        self, context: Context, side: Side, peer: Side, direction: Direction, *, shown: bool
    ) -> None:
        self._context, self._schemas = context, context.schemas
        self._side, self._peer = side, peer
        self._direction, self._shown = direction, shown
        self._senders = TagIndex(peer.branches)
        self._questions = 0
        #: The limits at which parts of the search ended.
        self.limits: set[Limit] = set()

    def first(self) -> tuple[Group | None, Any]:
        """Return a `oneOf` of this side that rejects values of the other side, and an example value.

        The example is `UNDECIDED` if no value proves the change.

        A `oneOf` with an example is preferred. A `oneOf` that rejects only null is the last
        choice. The result is `(None, NOTHING)` if no `oneOf` rejects such values.
        """
        peers = [group for group in self._exclusives(self._peer.node) if not group.inner]
        exclusives = self._exclusives(self._side.node)
        undecided: Group | None = None
        for exclusive in exclusives:
            example = self._overlap(exclusive, peers)
            if example is UNDECIDED:
                undecided = undecided or exclusive.group
            elif example is not NOTHING:
                return exclusive.group, example
        if undecided is None and exclusives and self._rejects_null():
            undecided = exclusives[0].group
        return undecided, NOTHING if undecided is None else UNDECIDED

    def _overlap(self, exclusive: _Exclusive, peers: list[_Exclusive]) -> Any:
        """Return a value that two alternatives of a `oneOf` have in common, `UNDECIDED`, or `NOTHING`."""
        answer: Any = NOTHING
        for first, second in self._pairs(exclusive, peers):
            if answer is UNDECIDED and not (self._shown and self._provable(first.node, second.node)):
                continue
            if OVERLAPS in self.limits:
                break
            example = self._common(exclusive, first, second)
            if example is not NOTHING and example is not UNDECIDED:
                return example
            answer = answer if example is NOTHING else example
        return answer

    def disproved(self) -> Answer:
        """Return whether it is proved that this side accepts every value of the other side."""
        questions = self._schemas.questions[Direction.NONE]
        return questions.unanswerable(held=[self._peer.node], denied=[self._side.node])

    def _rejects_null(self) -> bool:
        """Return whether null matches two alternatives of this side, so that only the other side accepts it.

        In many documents, several alternatives allow null without need. Therefore null does not prove a
        change.
        """
        holds = self._schemas.member.holds
        return (
            self._side.null and holds(self._side.node, None) is False and holds(self._peer.node, None) is True
        )

    def _exclusives(self, node: Node) -> list[_Exclusive]:
        exclusives: list[_Exclusive] = []
        self._collect(node, exclusives, set(), inner=False)
        return exclusives

    def _collect(self, node: Node, exclusives: list[_Exclusive], seen: set[Hashable], *, inner: bool) -> None:
        if node.key in seen:
            return
        seen.add(node.key)
        for index, group in enumerate(node.groups):
            nodes = [self._schemas.node(branch) for branch in group.branches]
            if group.kind == "oneOf" and group.discriminator is None:
                rest = node.groups[:index] + node.groups[index + 1 :]
                base = replace(node, groups=rest, key=("beside", node.key, index), derived=True)
                joined = nodes if base.unrestricted else [both(base, branch) for branch in nodes]
                exclusives.append(
                    _Exclusive(group=group, branches=list(map(self._branch, joined)), inner=inner)
                )
            for branch in nodes:
                self._collect(branch, exclusives, seen, inner=True)

    def _branch(self, node: Node) -> Branch:
        tags = members.tags(node, self._schemas.node) if node.types == {"object"} else {}
        return Branch(node=node, reference="", title="", element=node.element, siblings=(), tags=tags)

    def _pairs(self, exclusive: _Exclusive, peers: list[_Exclusive]) -> Iterator[tuple[Branch, Branch]]:
        """Yield the pairs of alternatives that are not both in one `oneOf` of the other side."""
        kept = max((self._kept(exclusive, peer) for peer in peers), key=len, default=set())
        index = TagIndex(exclusive.branches)
        position = {branch: number for number, branch in enumerate(exclusive.branches)}
        for number, branch in enumerate(exclusive.branches):
            if number in kept:
                continue
            for other in index.rivals(branch):
                at = position[other]
                if at != number and (at in kept or at > number):
                    yield branch, other

    def _kept(self, exclusive: _Exclusive, peer: _Exclusive) -> set[int]:
        """Return the indexes of the alternatives that also occur in the `oneOf` `peer` of the other side."""
        digest = self._schemas.equality.unordered
        waiting: dict[bytes, list[int]] = {}
        terms = peer.group.branches
        for number, term in enumerate(terms):
            waiting.setdefault(digest(term[0].raw), []).append(number)
        kept = set()
        for number, term in enumerate(exclusive.group.branches):
            candidates = waiting.get(digest(term[0].raw), [])
            match = next((key for key in candidates if self._equal(term, terms[key])), None)
            if match is not None:
                candidates.remove(match)
                kept.add(number)
        return kept

    def _equal(self, one: Term, other: Term) -> bool:
        """Return whether two alternatives with equal content, in any order, allow the same values."""
        if self._schemas.same_term(one, other):
            return True
        mode = Mode(self._direction)
        pairs = Pair(one, other, mode), Pair(other, one, mode)
        return all(covers(pair, self._context) is True for pair in pairs)

    def _common(self, exclusive: _Exclusive, first: Branch, second: Branch) -> Any:
        """Return a value that both alternatives and the other side allow, `UNDECIDED`, or `NOTHING`."""
        answer: Any = NOTHING
        questions = self._schemas.questions[Direction.NONE]
        if questions.unanswerable(held=[first.node, second.node], types=_NOT_NULL) is True:
            return NOTHING
        outer = [self._side.node] if exclusive.inner else []
        for sender in self._senders.rivals(first):
            if not self._more():
                return answer
            held, denied = [first.node, second.node], [*sender.excluded(), *outer]
            value = self._ask(self._direction, sent=[sender.node], held=held, denied=denied)
            if value is NOTHING and self._direction is Direction.REQUEST:
                # Values that clients do not send are an overlap too, but no proof of a change.
                value = self._ask(Direction.NONE, held=[sender.node, *held], denied=denied)
                answer = answer if value is NOTHING else UNDECIDED
            elif value is not NOTHING:
                if self._shown and self._proves(value, first.node, second.node):
                    return value
                answer = UNDECIDED
            if answer is UNDECIDED and not (self._shown and self._provable(first.node, second.node)):
                break
        return answer

    def _ask(self, direction: Direction, **roles: list[Node]) -> Any:
        """Return a value that fits the roles; `NOTHING` if no value fits or a limit is reached."""
        value = self._schemas.questions[direction].ask(**roles, types=_NOT_NULL)
        if isinstance(value, Limit):
            self.limits.add(value)
            return NOTHING
        return value

    def _provable(self, first: Node, second: Node) -> bool:
        """Return whether a common value of two alternatives can prove a change.

        Servers distinguish open objects in other ways, so a common object proves a change only if one of the
        alternatives allows all values of the other.
        """
        if not (members.opened(first) and members.opened(second)):
            return True
        if self._direction is not Direction.REQUEST or not self._more():
            return False
        refuted = self._schemas.questions[Direction.NONE].unanswerable
        return (
            refuted(held=[first], denied=[second]) is True or refuted(held=[second], denied=[first]) is True
        )

    def _more(self) -> bool:
        """Count one more search, and return whether the limit for searches is not exceeded."""
        self._questions += 1
        if self._questions > OVERLAPS.number:
            self.limits.add(OVERLAPS)
        return OVERLAPS not in self.limits

    def _proves(self, value: Any, first: Node, second: Node) -> bool:
        """Return whether a value matches both alternatives and only the other side accepts the value."""
        holds = self._schemas.member.holds
        return (
            (self._provable(first, second) or plain(value))
            and holds(first, value) is True
            and holds(second, value) is True
            and holds(self._peer.node, value) is True
            and holds(self._side.node, value) is False
        )


def plain(value: Any) -> bool:
    """Return whether a value contains no objects."""
    if isinstance(value, list):
        return all(map(plain, value))
    return not isinstance(value, dict)
