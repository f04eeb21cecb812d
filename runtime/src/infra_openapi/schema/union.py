"""Compare unions: match the old and new alternatives, and add facts about added and removed alternatives.

The alternatives are matched by content, by a tag (a required property with enumerated values), by the name of
their reference, by title and by shape. Each step uses a dictionary, so the cost is proportional to the number
of alternatives. An alternative without a partner is compared with the alternatives of the other side that its
tags allow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

from infra_openapi import facts
from infra_openapi.finding import Direction
from infra_openapi.schema.alternatives import Branch, TagIndex, alternatives
from infra_openapi.schema.change import Change, Mode, Pair
from infra_openapi.schema.inclusion import Context, covers
from infra_openapi.schema.limits import COMBINATIONS, Answer, Limit
from infra_openapi.schema.node import ALL_TYPES, Node
from infra_openapi.schema.overlap import Side, overlaps

Key: TypeAlias = "Callable[[Branch], Hashable | None]"

#: If two objects have at least this share of common properties, they are treated as the same object.
_ALIKE = 0.5
#: An alternative without a partner is compared with at most this number of single alternatives, and then with
#: all alternatives together.
_TRIED = 64
#: The maximum number of possible pairs of similar alternatives that are sorted; more pairs take too long.
_SORTED = 20_000
_ONLY_NULL, _ONLY_OBJECT = frozenset({"null"}), frozenset({"object"})


def compare(old: Node, new: Node, change: Change, context: Context) -> None:
    """Add facts about two schemas, at least one of which is a union."""
    sides = alternatives(context.schemas, old), alternatives(context.schemas, new)
    (olds, was_null), (news, is_null) = sides
    if not change.mode.nullless and was_null != is_null:
        name = facts.BECAME_NULLABLE if is_null else facts.BECAME_NOT_NULLABLE
        change.fact(name, old.element, new.element)
    if olds is None or news is None:
        change.limits.add(COMBINATIONS)
        return
    mode = Mode(change.mode.direction, text=change.mode.text, exploded=change.mode.exploded, nullless=True)
    if len(olds) == len(news) == 1:
        change.pair(olds[0].node, news[0].node, news[0].shown, mode)
        return
    first, second = (
        Side(node=old, branches=olds, null=was_null),
        Side(node=new, branches=news, null=is_null),
    )
    overlaps(first, second, change, context)
    _Matching(first, second, change, mode, context).compare()


class _Matching:
    """Matches the alternatives of two unions.

    The sender's schema is the old schema for requests, otherwise the new schema. The other schema is the
    receiver's schema.
    """

    def __init__(self, old: Side, new: Side, change: Change, mode: Mode, context: Context) -> None:
        self._context, self._old, self._new = context, old.node, new.node
        self._olds = olds = old.branches
        news = new.branches
        self._change, self._mode = change, mode
        self._request = mode.direction is Direction.REQUEST
        #: The alternatives of the side that sends the message, and of the side that receives it.
        self._sent, self._received = (olds, news) if self._request else (news, olds)
        self._receivers = TagIndex(self._received)
        self._free: dict[Branch, None] = dict.fromkeys(self._received)
        self._known_marks: dict[Branch, frozenset[Hashable]] = {}
        #: The alternatives for which it is not decided whether the other side includes them.
        self._undecided: set[Branch] = set()

    def compare(self) -> None:
        """Compare the pairs, and add facts about the remaining alternatives."""
        partners = self._partners()
        left = []
        for branch in self._sent:
            partner = partners.get(branch)
            if partner is None:
                left.append(branch)
            elif self._covers(branch, partner) is True or self._included(branch, partner) is not True:
                self._pair(branch, partner)
        left = [branch for branch in left if not self._covered(branch)]
        self._remaining(left)

    # --- partners -----------------------------------------------------------------------------------

    def _partners(self) -> dict[Branch, Branch]:
        """Return the partner of each alternative that has the same content, tag, name, title or shape."""
        partners: dict[Branch, Branch] = {}
        for key in (self._content, _tag, _references, _reference, _title, _shape):
            waiting: dict[Hashable, tuple[list[Branch], list[Branch]]] = {}
            for other in self._free:
                name = key(other)
                if name is not None:
                    waiting.setdefault(name, ([], []))[1].append(other)
            for branch in self._sent:
                name = key(branch) if branch not in partners else None
                if name in waiting:
                    waiting[name][0].append(branch)
            fits = _always if key == self._content else _fits
            for sent, received in waiting.values():
                partners |= self._best(sent, received, fits)
        return partners

    def _best(
        self, sent: Iterable[Branch], received: Iterable[Branch], fits: Callable[[Branch, Branch], bool]
    ) -> dict[Branch, Branch]:
        """Return a mapping from each alternative to its partner, and remove the partners from `_free`.

        The most similar alternatives are paired first.
        """
        pairs = [(branch, other) for branch in sent for other in received if fits(branch, other)]
        if 1 < len(pairs) <= _SORTED and fits is not _always:
            pairs.sort(key=lambda pair: self._similarity(*pair), reverse=True)
        partners: dict[Branch, Branch] = {}
        for branch, other in pairs:
            if branch not in partners and other in self._free:
                partners[branch] = other
                del self._free[other]
        return partners

    def _similarity(self, one: Branch, other: Branch) -> float:
        """Return the fraction of all keywords and properties of two alternatives that both have, 0 to 1."""
        first, second = self._marks(one), self._marks(other)
        return len(first & second) / max(1, len(first | second))

    def _marks(self, branch: Branch) -> frozenset[Hashable]:
        marks_of_branch = self._known_marks.get(branch)
        if marks_of_branch is None:
            digest = self._context.schemas.equality.unordered
            marks: set[Hashable] = set()
            for element in branch.node.parts or branch.node.elements:
                for name, value in element.raw.items() if isinstance(element.raw, dict) else ():
                    marks.add((name, digest(value)))
                    if name == "properties" and isinstance(value, dict):
                        marks |= {("property", key) for key in value}
                        marks |= {("property", key, digest(schema)) for key, schema in value.items()}
            marks_of_branch = self._known_marks[branch] = frozenset(marks)
        return marks_of_branch

    def _content(self, branch: Branch) -> Hashable | None:
        elements = branch.node.parts or branch.node.elements
        digest = self._context.schemas.equality.unordered
        return (branch.node.types, frozenset(digest(element.raw) for element in elements))

    def _pair(self, sent: Branch, received: Branch) -> None:
        old, new = (sent, received) if self._request else (received, sent)
        self._change.pair(old.node, new.node, new.shown, self._mode)

    # --- inclusion ----------------------------------------------------------------------------------

    def _covers(self, sent: Branch, received: Branch) -> Answer:
        """Return whether it is proved that the alternative `received` includes the alternative `sent`."""
        return covers(self._as_pair(sent, received), self._context)

    def _as_pair(self, sent: Branch, received: Branch) -> Pair:
        old, new = (sent, received) if self._request else (received, sent)
        return Pair(old.node, new.node, self._mode)

    def _included(self, branch: Branch, partner: Branch | None = None) -> Answer:
        """Return whether it is proved that the receiver's alternatives together include `branch`.

        If only `partner` can have common values with `branch`, no proof is tried and the result is false,
        because `branch` and `partner` were already compared.
        """
        others = self._receivers.rivals(branch)
        if partner is not None and branch.node.types == _ONLY_OBJECT and _same_name(branch, partner):
            # The name states which alternative the client sends, so other alternatives are not tried.
            return False
        if others == [partner]:
            return False
        return self._within_all(branch, others)

    def _within_all(self, branch: Branch, others: list[Branch]) -> Answer:
        answer = self._context.schemas.questions[self._mode.direction].unanswerable(
            sent=[branch.node],
            refused=[other.node for other in others],
            denied=branch.excluded(),
            types=ALL_TYPES - _ONLY_NULL,
        )
        if isinstance(answer, Limit):
            self._change.limits.add(answer)
            self._undecided.add(branch)
        return answer

    def _covered(self, branch: Branch) -> bool:
        """Return whether alternatives of the receiver's schema include `branch`; `branch` has no partner."""
        rivals = self._receivers.rivals(branch)
        for other in sorted(rivals, key=lambda rival: rival not in self._free)[:_TRIED]:
            if self._covers(branch, other) is True:
                if other in self._free:
                    self._pair(branch, other)
                    del self._free[other]
                return True
        return self._included(branch) is True

    def _within(self, received: Branch, senders: TagIndex) -> bool:
        """Return whether alternatives of the sender's schema include the alternative `received`."""
        rivals = senders.rivals(received)
        decided = len(rivals) <= _TRIED
        for sent in rivals[:_TRIED]:
            answer = self._covers(received, sent)
            if answer is True:
                return True
            decided = decided and answer is False
        return not decided and self._within_all(received, rivals) is True

    # --- remaining alternatives ---------------------------------------------------------------------

    def _remaining(self, left: list[Branch]) -> None:
        """Pair similar alternatives, and add facts about the alternatives that have no partner."""
        for fits in (_alike, _of_one_type):
            partners = self._best(left, self._free, fits)
            for branch, partner in partners.items():
                if branch not in self._undecided:
                    self._pair(branch, partner)
            left = [branch for branch in left if branch not in partners]
        senders = TagIndex(self._sent)
        free = [branch for branch in self._free if not self._within(branch, senders)]
        only_sent, only_received = (
            [branch for branch in branches if branch not in self._undecided] for branches in (left, free)
        )
        removed, added = (only_sent, only_received) if self._request else (only_received, only_sent)
        if not self._request and self._expects_more():
            # A value that was sent as the removed alternative may now be sent as the new alternative.
            for old, new in zip(removed, added, strict=False):
                self._change.fact(
                    facts.UNION_BRANCH_REPLACED,
                    self._old.element,
                    new.element,
                    old.shown,
                    new.shown,
                    new.shown,
                )
            count = min(len(removed), len(added))
            removed, added = removed[count:], added[count:]
        for branch in removed:
            self._change.fact(
                facts.UNION_BRANCH_REMOVED,
                branch.element,
                self._new.element,
                branch.shown,
                None,
                branch.shown,
            )
        for branch in added:
            is_expected = self._request or (self._expects_more() and branch.node.types == _ONLY_OBJECT)
            kind = facts.UNION_BRANCH_ADDED if is_expected else facts.NEW_ALTERNATIVE
            self._change.fact(kind, self._old.element, branch.element, None, branch.shown, branch.shown)

    def _expects_more(self) -> bool:
        """Return whether clients are assumed to accept new alternatives that are objects.

        This is the case if the old schema is a union that has an object among its alternatives.
        """
        return len(self._olds) > 1 and any("object" in branch.node.types for branch in self._olds)


def _always(one: Branch, other: Branch) -> bool:
    del one, other
    return True


def _fits(one: Branch, other: Branch) -> bool:
    return bool(one.node.types & other.node.types) and _same_tag(one, other)


def _tag(branch: Branch) -> Hashable | None:
    return frozenset(branch.tags.items()) or None


def _references(branch: Branch) -> Hashable | None:
    return branch.references or None


def _reference(branch: Branch) -> Hashable | None:
    return branch.reference or None


def _title(branch: Branch) -> Hashable | None:
    return branch.title or None


def _same_name(one: Branch, other: Branch) -> bool:
    return any(key(one) is not None and key(one) == key(other) for key in (_tag, _reference, _title))


def _shape(branch: Branch) -> Hashable | None:
    node = branch.node
    return (node.types, frozenset(node.properties), frozenset(node.required)) if node.properties else None


def _same_tag(one: Branch, other: Branch) -> bool:
    """Return whether no tag distinguishes two alternatives."""
    return all(one.tags[name] & other.tags[name] for name in one.tags.keys() & other.tags.keys())


def _alike(one: Branch, other: Branch) -> bool:
    first, second = one.node.properties.keys(), other.node.properties.keys()
    shared = len(first & second)
    return bool(shared) and _same_tag(one, other) and shared / len(first | second) >= _ALIKE


def _of_one_type(one: Branch, other: Branch) -> bool:
    mine, theirs = one.node.types - _ONLY_NULL, other.node.types - _ONLY_NULL
    return mine == theirs and not (one.node.properties and other.node.properties)
