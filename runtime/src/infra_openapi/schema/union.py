"""Compare unions: match the old and new alternatives, and add facts about added and removed alternatives.

The alternatives are matched by content, by a tag (a required property with enumerated values), by the name of
their reference, by title and by shape. Each step uses a dictionary, so the cost is proportional to the number
of alternatives if few of them have the same key. An alternative without a partner is compared with those
alternatives of the other schema that can have the same tag values.
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

#: The minimum fraction of common property names for which two objects are treated as versions of the same
#: object.
_MIN_SIMILARITY = 0.5
#: An alternative without a partner is compared with at most this number of single alternatives, and then with
#: all alternatives together.
_MAX_TRIED = 64
#: The maximum number of pairs of alternatives that are sorted by similarity; to sort more pairs takes too
#: long.
_MAX_SORTED = 20_000
_ONLY_NULL, _ONLY_OBJECT = frozenset({"null"}), frozenset({"object"})


def compare(old: Node, new: Node, change: Change, context: Context) -> None:
    """Add facts about the differences of two schemas; at least one of the schemas is a union."""
    alternatives_of_both = alternatives(context.schemas, old), alternatives(context.schemas, new)
    (old_branches, was_null), (new_branches, is_null) = alternatives_of_both
    if not change.mode.nullless and was_null != is_null:
        name = facts.BECAME_NULLABLE if is_null else facts.BECAME_NOT_NULLABLE
        change.fact(name, old.element, new.element)
    if old_branches is None or new_branches is None:
        change.limits.add(COMBINATIONS)
        return
    mode = Mode(change.mode.direction, text=change.mode.text, exploded=change.mode.exploded, nullless=True)
    if len(old_branches) == len(new_branches) == 1:
        change.pair(old_branches[0].node, new_branches[0].node, new_branches[0].label, mode)
        return
    old_side, new_side = (
        Side(node=old, branches=old_branches, allows_null=was_null),
        Side(node=new, branches=new_branches, allows_null=is_null),
    )
    overlaps(old_side, new_side, change, context)
    _Matching(old_side, new_side, change, mode, context).compare()


class _Matching:
    """Matches the alternatives of two unions.

    For requests, the sender's schema is the old schema and the receiver's schema is the new schema. For
    responses, the sender's schema is the new schema and the receiver's schema is the old schema.
    """

    def __init__(self, old: Side, new: Side, change: Change, mode: Mode, context: Context) -> None:
        self._context, self._old, self._new = context, old.node, new.node
        self._old_branches = old_branches = old.branches
        new_branches = new.branches
        self._change, self._mode = change, mode
        self._request = mode.direction is Direction.REQUEST
        #: The alternatives of the sender's schema, and the alternatives of the receiver's schema.
        self._sent, self._received = (
            (old_branches, new_branches) if self._request else (new_branches, old_branches)
        )
        self._receivers = TagIndex(self._received)
        self._free: dict[Branch, None] = dict.fromkeys(self._received)
        self._known_marks: dict[Branch, frozenset[Hashable]] = {}
        #: The alternatives for which it is undecided whether the receiver's schema includes them.
        self._undecided: set[Branch] = set()

    def compare(self) -> None:
        """Compare the pairs, and add facts about the remaining alternatives."""
        partners = self._partners()
        unmatched = []
        for branch in self._sent:
            partner = partners.get(branch)
            if partner is None:
                unmatched.append(branch)
            elif self._covers(branch, partner) is True or self._is_included(branch, partner) is not True:
                self._pair(branch, partner)
        unmatched = [branch for branch in unmatched if not self._is_covered(branch)]
        self._remaining(unmatched)

    # --- partners -----------------------------------------------------------------------------------

    def _partners(self) -> dict[Branch, Branch]:
        """Return the partner of each alternative that has the same content, tag, name, title or shape."""
        partners: dict[Branch, Branch] = {}
        for key in (self._content, _tag, _references, _reference, _title, _shape):
            branches_by_key: dict[Hashable, tuple[list[Branch], list[Branch]]] = {}
            for free_branch in self._free:
                name = key(free_branch)
                if name is not None:
                    branches_by_key.setdefault(name, ([], []))[1].append(free_branch)
            for branch in self._sent:
                name = key(branch) if branch not in partners else None
                if name in branches_by_key:
                    branches_by_key[name][0].append(branch)
            fits = _always if key == self._content else _fits
            for sent, received in branches_by_key.values():
                partners |= self._best(sent, received, fits)
        return partners

    def _best(
        self, sent: Iterable[Branch], received: Iterable[Branch], fits: Callable[[Branch, Branch], bool]
    ) -> dict[Branch, Branch]:
        """Return a mapping from each alternative to its partner, and remove the partners from `_free`.

        Of at most `_MAX_SORTED` pairs, the most similar are paired first. With equal content, the order of
        the alternatives decides.
        """
        pairs = [(branch, candidate) for branch in sent for candidate in received if fits(branch, candidate)]
        if 1 < len(pairs) <= _MAX_SORTED and fits is not _always:
            pairs.sort(key=lambda pair: self._similarity(*pair), reverse=True)
        partners: dict[Branch, Branch] = {}
        for branch, candidate in pairs:
            if branch not in partners and candidate in self._free:
                partners[branch] = candidate
                del self._free[candidate]
        return partners

    def _similarity(self, branch: Branch, other_branch: Branch) -> float:
        """Return the fraction of equal keywords, property names and property schemas (0 to 1)."""
        marks, other_marks = self._marks(branch), self._marks(other_branch)
        return len(marks & other_marks) / max(1, len(marks | other_marks))

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
        self._change.pair(old.node, new.node, new.label, self._mode)

    # --- inclusion ----------------------------------------------------------------------------------

    def _covers(self, sent: Branch, received: Branch) -> Answer:
        """Return whether it is proved that the alternative `received` includes the alternative `sent`."""
        return covers(self._as_pair(sent, received), self._context)

    def _as_pair(self, sent: Branch, received: Branch) -> Pair:
        old, new = (sent, received) if self._request else (received, sent)
        return Pair(old.node, new.node, self._mode)

    def _is_included(self, branch: Branch, partner: Branch | None = None) -> Answer:
        """Return whether it is proved that the receiver's alternatives together include `branch`.

        If only `partner` can have common values with `branch`, the result is False without a proof, because
        `branch` and `partner` have already been compared.
        """
        candidates = self._receivers.candidates_for(branch)
        if partner is not None and branch.node.types == _ONLY_OBJECT and _same_name(branch, partner):
            # The name identifies the alternative that the client sends, so other alternatives are not
            # examined.
            return False
        if candidates == [partner]:
            return False
        return self._is_included_by_all(branch, candidates)

    def _is_included_by_all(self, branch: Branch, candidates: list[Branch]) -> Answer:
        answer = self._context.schemas.questions[self._mode.direction].unanswerable(
            sent=[branch.node],
            refused=[candidate.node for candidate in candidates],
            denied=branch.excluded(),
            types=ALL_TYPES - _ONLY_NULL,
        )
        if isinstance(answer, Limit):
            self._change.limits.add(answer)
            self._undecided.add(branch)
        return answer

    def _is_covered(self, branch: Branch) -> bool:
        """Return whether alternatives of the receiver's schema include `branch`; `branch` has no partner."""
        candidates = self._receivers.candidates_for(branch)
        for candidate in sorted(candidates, key=lambda received: received not in self._free)[:_MAX_TRIED]:
            if self._covers(branch, candidate) is True:
                if candidate in self._free:
                    self._pair(branch, candidate)
                    del self._free[candidate]
                return True
        return self._is_included(branch) is True

    def _is_included_by_senders(self, received: Branch, senders: TagIndex) -> bool:
        """Return whether alternatives of the sender's schema include the alternative `received`."""
        candidates = senders.candidates_for(received)
        is_decided = len(candidates) <= _MAX_TRIED
        for sent in candidates[:_MAX_TRIED]:
            answer = self._covers(received, sent)
            if answer is True:
                return True
            is_decided = is_decided and answer is False
        return not is_decided and self._is_included_by_all(received, candidates) is True

    # --- remaining alternatives ---------------------------------------------------------------------

    def _remaining(self, unmatched: list[Branch]) -> None:
        """Pair similar alternatives, and add facts about the alternatives that have no partner."""
        for fits in (_has_similar_properties, _has_equal_types):
            partners = self._best(unmatched, self._free, fits)
            for branch, partner in partners.items():
                if branch not in self._undecided:
                    self._pair(branch, partner)
            unmatched = [branch for branch in unmatched if branch not in partners]
        senders = TagIndex(self._sent)
        not_included = [branch for branch in self._free if not self._is_included_by_senders(branch, senders)]
        only_sent, only_received = (
            [branch for branch in branches if branch not in self._undecided]
            for branches in (unmatched, not_included)
        )
        removed, added = (only_sent, only_received) if self._request else (only_received, only_sent)
        if not self._request and self._expects_more():
            # The server may now send values of the new alternative instead of values of the removed
            # alternative.
            for old, new in zip(removed, added, strict=False):
                self._change.fact(
                    facts.UNION_BRANCH_REPLACED,
                    self._old.element,
                    new.element,
                    old.label,
                    new.label,
                    new.label,
                )
            count = min(len(removed), len(added))
            removed, added = removed[count:], added[count:]
        for branch in removed:
            self._change.fact(
                facts.UNION_BRANCH_REMOVED,
                branch.element,
                self._new.element,
                branch.label,
                None,
                branch.label,
            )
        for branch in added:
            is_expected = self._request or (self._expects_more() and branch.node.types == _ONLY_OBJECT)
            kind = facts.UNION_BRANCH_ADDED if is_expected else facts.NEW_ALTERNATIVE
            self._change.fact(kind, self._old.element, branch.element, None, branch.label, branch.label)

    def _expects_more(self) -> bool:
        """Return whether clients are assumed to accept new alternatives that are objects.

        The assumption is made if the old schema is a union with an object as an alternative.
        """
        return len(self._old_branches) > 1 and any(
            "object" in branch.node.types for branch in self._old_branches
        )


def _always(first: Branch, second: Branch) -> bool:
    del first, second
    return True


def _fits(first: Branch, second: Branch) -> bool:
    return bool(first.node.types & second.node.types) and _same_tag(first, second)


def _tag(branch: Branch) -> Hashable | None:
    return frozenset(branch.tags.items()) or None


def _references(branch: Branch) -> Hashable | None:
    return branch.references or None


def _reference(branch: Branch) -> Hashable | None:
    return branch.reference or None


def _title(branch: Branch) -> Hashable | None:
    return branch.title or None


def _same_name(first: Branch, second: Branch) -> bool:
    return any(key(first) is not None and key(first) == key(second) for key in (_tag, _reference, _title))


def _shape(branch: Branch) -> Hashable | None:
    node = branch.node
    return (node.types, frozenset(node.properties), frozenset(node.required)) if node.properties else None


def _same_tag(first: Branch, second: Branch) -> bool:
    """Return whether no tag distinguishes two alternatives."""
    return all(first.tags[name] & second.tags[name] for name in first.tags.keys() & second.tags.keys())


def _has_similar_properties(first: Branch, second: Branch) -> bool:
    first_names, second_names = first.node.properties.keys(), second.node.properties.keys()
    shared = len(first_names & second_names)
    return (
        bool(shared)
        and _same_tag(first, second)
        and shared / len(first_names | second_names) >= _MIN_SIMILARITY
    )


def _has_equal_types(first: Branch, second: Branch) -> bool:
    first_types, second_types = first.node.types - _ONLY_NULL, second.node.types - _ONLY_NULL
    return first_types == second_types and not (first.node.properties and second.node.properties)
