"""Find values that only one schema (old or new) rejects, because they match two alternatives of a `oneOf`.

For two alternatives of the schema that rejects the values, the module searches for a value that both
alternatives allow and that the other schema (new or old) allows, too. The result is an example value, a proof
that no such value exists, or undecided.
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

#: The result if two alternatives can allow the same value, but no example value proves a change.
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
    """The old or the new schema of a comparison, with its alternatives."""

    node: Node
    branches: list[Branch]
    #: True if an alternative allows null.
    allows_null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exclusive:
    """A `oneOf` without a discriminator.

    `inner` is true if the `oneOf` is an alternative of another union.
    """

    group: Group
    branches: list[Branch]
    inner: bool


def overlaps(old: Side, new: Side, change: Change, context: Context) -> None:
    """Add facts about overlaps: values that a `oneOf` rejects because the values match two alternatives."""
    groups = (*old.node.groups, *new.node.groups)
    single_unions = len(old.node.groups) == len(new.node.groups) == 1
    switched = single_unions and groups[0].kind != groups[1].kind
    for side, peer, kinds in (
        (new, old, _BECAME_EXCLUSIVE if switched else _OVERLAP_ADDED),
        (old, new, _NO_LONGER_EXCLUSIVE if switched else _OVERLAP_REMOVED),
    ):
        harmful = (side is new) == (change.mode.direction is Direction.REQUEST)
        if context.proving and not harmful:
            continue
        search = _Search(
            context,
            side,
            peer,
            change.mode.direction,
            needs_example=(harmful or switched) and not context.proving,
        )
        group, example = search.first()
        if group is None and not search.limits:
            continue
        has_example = example is not NOTHING and example is not UNDECIDED
        if not has_example:
            if search.disproved() is True or _are_equal(old, new, change.mode, context):
                continue
            change.limits |= search.limits
        if group is not None:
            old_element, new_element = (
                group.element if version is side else version.node.element for version in (old, new)
            )
            change.fact(kinds[has_example], old_element, new_element)


def _are_equal(old: Side, new: Side, mode: Mode, context: Context) -> bool:
    """Return whether two `oneOf` are proved to have the same alternatives, in any order.

    Two alternatives are the same if they have the same name and each of the two includes the other. The proof
    also works for alternatives that refer to their own union. If an alternative is itself a union, the result
    is false.
    """
    groups = [side.node.groups for side in (old, new)]
    if any(len(group) != 1 or group[0].kind != "oneOf" for group in groups):
        return False
    if any(context.schemas.node(term).groups for [group] in groups for term in group.branches):
        return False
    names = [sorted(branch.label for branch in side.branches) for side in (old, new)]
    if names[0] != names[1] or len(set(names[0])) < len(names[0]):
        return False
    partners = {branch.label: branch.node for branch in new.branches}
    return all(
        covers(Pair(first, second, mode), context) is True
        for branch in old.branches
        for first, second in itertools.permutations((branch.node, partners[branch.label]))
    )


class _Search:
    """The search for values that the schema `side` rejects, because the values match two of its alternatives.

    The other schema, `peer`, must accept the values.
    """

    def __init__(
        self, context: Context, side: Side, peer: Side, direction: Direction, *, needs_example: bool
    ) -> None:
        self._context, self._schemas = context, context.schemas
        self._side, self._peer = side, peer
        self._direction, self._needs_example = direction, needs_example
        self._senders = TagIndex(peer.branches)
        self._questions = 0
        #: The limits that the search has reached.
        self.limits: set[Limit] = set()

    def first(self) -> tuple[Group | None, Any]:
        """Return a `oneOf` of `side` that rejects values which `peer` allows, and an example of such a value.

        If no value proves the change, `UNDECIDED` is returned instead of the example. A `oneOf` with an
        example is preferred, and a `oneOf` that rejects only null is returned only if no other `oneOf`
        rejects values. If no `oneOf` rejects values which `peer` allows, the result is `(None, NOTHING)`.
        """
        peers = [group for group in self._exclusive_groups(self._peer.node) if not group.inner]
        exclusives = self._exclusive_groups(self._side.node)
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
            if answer is UNDECIDED and not (self._needs_example and self._provable(first.node, second.node)):
                continue
            if OVERLAPS in self.limits:
                break
            example = self._common(exclusive, first, second)
            if example is not NOTHING and example is not UNDECIDED:
                return example
            answer = answer if example is NOTHING else example
        return answer

    def disproved(self) -> Answer:
        """Return whether it is proved that `side` allows every value that `peer` allows."""
        questions = self._schemas.questions[Direction.NONE]
        return questions.unanswerable(held=[self._peer.node], denied=[self._side.node])

    def _rejects_null(self) -> bool:
        """Return whether null matches two alternatives of `side`, so that only `peer` allows null.

        In many documents, several alternatives allow null unintentionally. Therefore null does not prove a
        change.
        """
        holds = self._schemas.member.holds
        return (
            self._side.allows_null
            and holds(self._side.node, None) is False
            and holds(self._peer.node, None) is True
        )

    def _exclusive_groups(self, node: Node) -> list[_Exclusive]:
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
                other_groups = node.groups[:index] + node.groups[index + 1 :]
                base = replace(node, groups=other_groups, key=("beside", node.key, index), derived=True)
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
        """Yield the pairs of alternatives that can overlap and are not both in one `oneOf` of `peers`.

        Only the `oneOf` of `peers` that has the most alternatives in common with `exclusive` is examined.
        """
        shared = max((self._shared_branches(exclusive, peer) for peer in peers), key=len, default=set())
        index = TagIndex(exclusive.branches)
        position = {branch: number for number, branch in enumerate(exclusive.branches)}
        for number, branch in enumerate(exclusive.branches):
            if number in shared:
                continue
            for candidate in index.candidates_for(branch):
                candidate_number = position[candidate]
                if candidate_number != number and (candidate_number in shared or candidate_number > number):
                    yield branch, candidate

    def _shared_branches(self, exclusive: _Exclusive, peer: _Exclusive) -> set[int]:
        """Return the indexes of the alternatives that also occur in `peer`, a `oneOf` of the other schema."""
        digest = self._schemas.equality.unordered
        numbers_by_digest: dict[bytes, list[int]] = {}
        terms = peer.group.branches
        for number, term in enumerate(terms):
            numbers_by_digest.setdefault(digest(term[0].raw), []).append(number)
        shared = set()
        for number, term in enumerate(exclusive.group.branches):
            candidates = numbers_by_digest.get(digest(term[0].raw), [])
            match = next((key for key in candidates if self._equal(term, terms[key])), None)
            if match is not None:
                candidates.remove(match)
                shared.add(number)
        return shared

    def _equal(self, first: Term, second: Term) -> bool:
        """Return whether it is proved that two alternatives with equal content allow the same values."""
        if self._schemas.same_term(first, second):
            return True
        mode = Mode(self._direction)
        pairs = Pair(first, second, mode), Pair(second, first, mode)
        return all(covers(pair, self._context) is True for pair in pairs)

    def _common(self, exclusive: _Exclusive, first: Branch, second: Branch) -> Any:
        """Return a value that both alternatives allow, and for which `_proves` is true.

        Without such a value, the result is `UNDECIDED` if the alternatives have a common value, and `NOTHING`
        if the search finds none.
        """
        answer: Any = NOTHING
        questions = self._schemas.questions[Direction.NONE]
        if questions.unanswerable(held=[first.node, second.node], types=_NOT_NULL) is True:
            return NOTHING
        outer = [self._side.node] if exclusive.inner else []
        for sender in self._senders.candidates_for(first):
            if not self._may_search():
                return answer
            held, denied = [first.node, second.node], [*sender.excluded(), *outer]
            value = self._ask(self._direction, sent=[sender.node], held=held, denied=denied)
            if value is NOTHING and self._direction is Direction.REQUEST:
                # A common value that clients do not send is an overlap, but does not prove a change.
                value = self._ask(Direction.NONE, held=[sender.node, *held], denied=denied)
                answer = answer if value is NOTHING else UNDECIDED
            elif value is not NOTHING:
                if self._needs_example and self._proves(value, first.node, second.node):
                    return value
                answer = UNDECIDED
            if answer is UNDECIDED and not (self._needs_example and self._provable(first.node, second.node)):
                break
        return answer

    def _ask(self, direction: Direction, **roles: list[Node]) -> Any:
        """Return a value that fits the roles; `NOTHING` if no value fits the roles or a limit is reached."""
        value = self._schemas.questions[direction].ask(**roles, types=_NOT_NULL)
        if isinstance(value, Limit):
            self.limits.add(value)
            return NOTHING
        return value

    def _provable(self, first: Node, second: Node) -> bool:
        """Return whether a common value of two alternatives can prove a change.

        Many servers select the alternative for an open object by its properties. For two open objects, a
        common value therefore proves a change only in requests, and only if one alternative allows all values
        of the other alternative.
        """
        if not (members.is_open(first) and members.is_open(second)):
            return True
        if self._direction is not Direction.REQUEST or not self._may_search():
            return False
        refuted = self._schemas.questions[Direction.NONE].unanswerable
        return (
            refuted(held=[first], denied=[second]) is True or refuted(held=[second], denied=[first]) is True
        )

    def _may_search(self) -> bool:
        """Count one search, and return whether the limit allows this search."""
        self._questions += 1
        if self._questions > OVERLAPS.number:
            self.limits.add(OVERLAPS)
        return OVERLAPS not in self.limits

    def _proves(self, value: Any, first: Node, second: Node) -> bool:
        """Return whether a value matches both alternatives, and only `peer` allows the value."""
        holds = self._schemas.member.holds
        return (
            (self._provable(first, second) or has_no_objects(value))
            and holds(first, value) is True
            and holds(second, value) is True
            and holds(self._peer.node, value) is True
            and holds(self._side.node, value) is False
        )


def has_no_objects(value: Any) -> bool:
    """Return whether a value contains no objects."""
    if isinstance(value, list):
        return all(map(has_no_objects, value))
    return not isinstance(value, dict)
