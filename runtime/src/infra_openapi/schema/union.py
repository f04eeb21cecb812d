"""Compare unions: match the old and new alternatives, and add facts about added and removed alternatives.

The alternatives are matched by content, by a tag (a required property with enumerated values), by the name
of their reference, by title and by shape, each through a table, so the cost is proportional to their number.
An alternative without a partner is compared with the alternatives of the other side that its tags allow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

from infra_openapi import facts
from infra_openapi.finding import Direction
from infra_openapi.schema.alternatives import Branch, TagIndex, alternatives
from infra_openapi.schema.change import Change, Mode, Pair
from infra_openapi.schema.comparer import Comparer
from infra_openapi.schema.literal import NOTHING
from infra_openapi.schema.node import ALL_TYPES, Node
from infra_openapi.schema.overlap import Side, overlaps

Key: TypeAlias = "Callable[[Branch], Hashable | None]"

#: If two objects have at least this share of common properties, they are treated as the same object.
_ALIKE = 0.5
#: The maximum number of alternatives with which an alternative without a partner is compared.
_MOST_TRIED = 64
_ONLY_NULL, _ONLY_OBJECT = frozenset({"null"}), frozenset({"object"})


def compare(comparer: Comparer, old: Node, new: Node, change: Change) -> None:
    """Add facts about two schemas, at least one of which is a union."""
    sides = alternatives(comparer, old), alternatives(comparer, new)
    (olds, was_null), (news, is_null) = sides
    if not change.mode.nullless and was_null != is_null:
        name = facts.BECAME_NULLABLE if is_null else facts.BECAME_NOT_NULLABLE
        change.fact(name, old.element, new.element)
    if olds is None or news is None:
        change.fact(facts.UNION_TOO_LARGE, old.element, new.element)
        return
    mode = Mode(change.mode.direction, text=change.mode.text, exploded=change.mode.exploded, nullless=True)
    if len(olds) == len(news) == 1:
        change.pair(olds[0].node, news[0].node, news[0].shown, mode)
        return
    overlaps(
        comparer,
        Side(node=old, branches=olds, null=was_null),
        Side(node=new, branches=news, null=is_null),
        change,
    )
    _Matching(comparer, old, new, olds, news, change, mode).compare()


class _Matching:
    """Matches the alternatives of two unions."""

    def __init__(  # noqa: PLR0917 - both sides, and where the facts go
        self,
        comparer: Comparer,
        old: Node,
        new: Node,
        olds: list[Branch],
        news: list[Branch],
        change: Change,
        mode: Mode,
    ) -> None:
        self._comparer, self._old, self._new = comparer, old, new
        self._olds = olds
        self._change, self._mode = change, mode
        self._request = mode.direction is Direction.REQUEST
        #: The alternatives of the side that sends the message, and of the side that receives it.
        self._sent, self._received = (olds, news) if self._request else (news, olds)
        self._receivers = TagIndex(self._received)
        self._free: dict[Branch, None] = dict.fromkeys(self._received)

    def compare(self) -> None:
        """Compare the pairs, and add facts about the remaining alternatives."""
        partners = self._partners()
        left = []
        for branch in self._sent:
            partner = partners.get(branch)
            if partner is None:
                left.append(branch)
            elif self._covers(branch, partner) or not self._included(branch, partner):
                self._pair(branch, partner)
        left = [branch for branch in left if not self._covered(branch)]
        self._remaining(left)

    # --- partners -----------------------------------------------------------------------------------

    def _partners(self) -> dict[Branch, Branch]:
        """Return the partner of each alternative that has the same content, tag, name, title or shape."""
        found: dict[Branch, Branch] = {}
        for key in (self._content, _tag, _references, _reference, _title, _shape):
            waiting: dict[Hashable, list[Branch]] = {}
            for other in self._free:
                name = key(other)
                if name is not None:
                    waiting.setdefault(name, []).append(other)
            for branch in self._sent:
                name = key(branch) if branch not in found else None
                others = waiting.get(name) if name is not None else None
                for other in others or ():
                    if key is self._content or (
                        branch.node.types & other.node.types and _same_tag(branch, other)
                    ):
                        found[branch] = other
                        del self._free[other]
                        waiting[name].remove(other)
                        break
        return found

    def _content(self, branch: Branch) -> Hashable | None:
        elements = branch.node.parts or branch.node.elements
        digest = self._comparer.equality.digest
        return (branch.node.types, frozenset(digest(element.raw) for element in elements))

    def _pair(self, sent: Branch, received: Branch) -> None:
        old, new = (sent, received) if self._request else (received, sent)
        self._change.pair(old.node, new.node, new.shown, self._mode)

    # --- inclusion ----------------------------------------------------------------------------------

    def _covers(self, sent: Branch, received: Branch) -> bool:
        """Return whether it is proved that the second alternative includes the first."""
        return self._comparer.covers(self._as_pair(sent, received))

    def _as_pair(self, sent: Branch, received: Branch) -> Pair:
        old, new = (sent, received) if self._request else (received, sent)
        return Pair(old.node, new.node, self._mode)

    def _included(self, branch: Branch, partner: Branch | None = None) -> bool:
        """Return whether it is proved that the alternatives of the other side together include this one.

        If only its partner can have common values, the comparison of both already is the answer.
        """
        others = self._receivers.rivals(branch)
        if partner is not None and branch.node.types == _ONLY_OBJECT and _same_name(branch, partner):
            return False  # a client that sends this alternative does not mean another one
        rivals = [other.node for other in others]
        return (
            len(rivals) <= _MOST_TRIED
            and others != [partner]
            and (
                self._comparer.question(self._mode.direction).ask(
                    sent=[branch.node], refused=rivals, denied=branch.excluded(), types=ALL_TYPES - _ONLY_NULL
                )
                is NOTHING
            )
        )

    def _covered(self, branch: Branch) -> bool:
        """Return whether the other side includes an alternative without a partner."""
        rivals = self._receivers.rivals(branch)
        for other in sorted(rivals[:_MOST_TRIED], key=lambda each: each not in self._free):
            if self._covers(branch, other):
                if other in self._free:
                    self._pair(branch, other)
                    del self._free[other]
                return True
        return self._included(branch)

    def _within(self, received: Branch, senders: TagIndex) -> bool:
        """Return whether an alternative of the sending side includes an alternative of the receiving side."""
        flipped = (self._as_pair(received, sent) for sent in senders.rivals(received)[:_MOST_TRIED])
        return any(self._comparer.covers(pair) for pair in flipped)

    # --- remaining alternatives ---------------------------------------------------------------------

    def _remaining(self, left: list[Branch]) -> None:
        """Pair similar alternatives, and add facts about those that remain."""
        lost = []
        for branch in left:
            match = next((other for other in self._free if _alike(branch, other)), None)
            if match is None:
                match = next((other for other in self._free if _of_one_type(branch, other)), None)
            if match is None:
                lost.append(branch)
            else:
                self._pair(branch, match)
                del self._free[match]
        senders = TagIndex(self._sent)
        gained = [branch for branch in self._free if not self._within(branch, senders)]
        gone, come = (lost, gained) if self._request else (gained, lost)
        if not self._request and self._expects_more():
            # What was sent as the removed alternative may now be sent as the new one.
            for old, new in zip(gone, come, strict=False):
                self._change.fact(
                    facts.UNION_BRANCH_REPLACED,
                    self._old.element,
                    new.element,
                    old.shown,
                    new.shown,
                    new.shown,
                )
            count = min(len(gone), len(come))
            gone, come = gone[count:], come[count:]
        for branch in gone:
            self._change.fact(
                facts.UNION_BRANCH_REMOVED,
                branch.element,
                self._new.element,
                branch.shown,
                None,
                branch.shown,
            )
        for branch in come:
            known = self._request or (self._expects_more() and branch.node.types == _ONLY_OBJECT)
            kind = facts.UNION_BRANCH_ADDED if known else facts.NEW_ALTERNATIVE
            self._change.fact(kind, self._old.element, branch.element, None, branch.shown, branch.shown)

    def _expects_more(self) -> bool:
        """Return whether the old schema is a union with objects, whose clients expect further objects."""
        return len(self._olds) > 1 and any("object" in each.node.types for each in self._olds)


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
