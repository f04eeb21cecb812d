"""The book of one comparison: what changed where, kept once, and which operations it reaches.

A scope is a pair of places, one in each document; it holds facts and leads to further scopes. Pairs that
say the same on both sides are never entered, and pairs that were met before are linked and not looked into
again: so the cost follows the distinct pairs, however many operations share them. Copies of a schema that
was written out count as one pair.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any

from infra_openapi.document import Site
from infra_openapi.finding import Direction
from infra_openapi.schema.change import Fact, Mode, Pair
from infra_openapi.schema.comparer import Comparer
from infra_openapi.schema.node import Node, Term

_NAMED = re.compile(r"/(?:components/[^/]+|\$defs|definitions)/[^/]+\Z")
#: A schema with one of these has parts; one without is told from others of its content by where it stands.
_PARTS = frozenset(
    {
        "properties",
        "items",
        "prefixItems",
        "allOf",
        "oneOf",
        "anyOf",
        "not",
        "if",
        "additionalProperties",
        "patternProperties",
        "dependentSchemas",
        "contains",
        "propertyNames",
        "$ref",
    }
)
_MOST_COPIES = 50


class Scope:
    """One pair of places in the book."""

    def __init__(
        self, ledger: Ledger, number: int, base: Site | None, revision: Site | None, parent: Scope | None
    ) -> None:
        self.ledger, self.number = ledger, number
        self.base, self.revision = base, revision
        #: The scope that led here first.
        self.parent = parent
        #: The schemas that are compared here; None for what is no schema.
        self.pair: Pair | None = None
        self.facts: list[Fact] = []
        self.leads_to: dict[int, None] = {}
        self.copies: list[tuple[Site | None, Site | None]] = []

    def fact(  # noqa: PLR0917 - it reads like a sentence: what, for whom, from where to where, from what to what
        self,
        name: str,
        direction: Direction,
        base: Site | None,
        revision: Site | None,
        before: Any = None,
        after: Any = None,
        subject: str = "",
    ) -> None:
        """Note that something changed here."""
        self.facts.append(
            Fact(
                name=name,
                direction=direction,
                base=base or self.base,
                revision=revision or self.revision,
                before=before,
                after=after,
                subject=subject,
            )
        )

    def enter(
        self, kind: str, base: Site | None, revision: Site | None, direction: Direction
    ) -> Scope | None:
        """The scope of a part; None where both sides say the same, or where it was entered before."""
        comparer = self.ledger.comparer
        if base is not None and revision is not None and comparer.sameness.same(base, revision):
            return None
        key = (kind, direction, self.ledger.content(base), self.ledger.content(revision))
        scope, new = self.ledger.scope(key, base, revision, self)
        self.leads_to[scope.number] = None
        return scope if new else None

    def schema(self, old: Term, new: Term, mode: Mode, name: str = "") -> None:
        """Compare two schemas, now or later."""
        self.ledger.pair(self, Pair(old, new, mode, name), 0)


class Ledger:
    """All scopes of one comparison."""

    def __init__(self, comparer: Comparer) -> None:
        self.comparer = comparer
        self.scopes: list[Scope] = []
        self._by_key: dict[Hashable, Scope] = {}
        self._waiting: deque[tuple[Scope, Pair]] = deque()

    def scope(
        self, key: Hashable, base: Site | None, revision: Site | None, parent: Scope | None = None
    ) -> tuple[Scope, bool]:
        """The scope with this key, and whether it is new."""
        known = self._by_key.get(key)
        if known is not None:
            if len(known.copies) < _MOST_COPIES and _elsewhere(known, base, revision):
                known.copies.append((base, revision))
            return known, False
        made = Scope(self, len(self.scopes), base, revision, parent)
        self.scopes.append(made)
        self._by_key[key] = made
        return made, True

    def content(self, site: Site | None) -> Hashable:
        """What a site says, as a key: two that say the same in one file are one."""
        return None if site is None else (site.file, self.comparer.sameness.digest(site.raw))

    def pair(self, parent: Scope, pair: Pair, place: int) -> None:
        """Link a pair of schemas to the scope that it is part of."""
        if self.comparer.same(pair):
            return
        old, new = self.comparer.normal(pair.old), self.comparer.normal(pair.new)
        if old.derived or new.derived:
            key: Hashable = ("part", parent.number, place, pair.mode)
        else:
            first, second = self._part(old, parent, pair.name), self._part(new, parent, pair.name)
            key = ("schema", pair.mode, first, second)
        scope, fresh = self.scope(key, old.site, new.site, parent)
        parent.leads_to[scope.number] = None
        if fresh:
            self._waiting.append((scope, Pair(old, new, pair.mode, pair.name)))

    def _part(self, node: Node, parent: Scope, name: str) -> tuple[Hashable, ...]:
        if len(node.sites) != 1:
            return ("at", node.key)
        site = node.sites[0]
        if _NAMED.search(site.pointer) or not isinstance(site.raw, dict):
            return ("at", site.file, site.pointer)
        if _PARTS.isdisjoint(site.raw):
            return ("leaf", parent.number, name, self.content(site))
        return ("like", self.content(site))

    def settle(self) -> None:
        """Compare every pair of schemas that is still waiting, and those that they lead to."""
        while self._waiting:
            scope, pair = self._waiting.popleft()
            change = self.comparer.change(pair)
            scope.pair = pair
            scope.facts += change.facts
            for place, part in enumerate(change.pairs):
                self.pair(scope, part, place)

    def reach(self, starts: list[Scope]) -> list[int]:
        """For each scope the starts that lead to it, as the bits of a number: bit 3 is the fourth start."""
        reached = [0] * len(self.scopes)
        waiting: deque[int] = deque()
        for bit, start in enumerate(starts):
            reached[start.number] |= 1 << bit
            waiting.append(start.number)
        queued = set(waiting)
        while waiting:
            number = waiting.popleft()
            queued.discard(number)
            for inner in self.scopes[number].leads_to:
                if reached[number] & ~reached[inner]:
                    reached[inner] |= reached[number]
                    if inner not in queued:
                        queued.add(inner)
                        waiting.append(inner)
        return reached


def _elsewhere(scope: Scope, base: Site | None, revision: Site | None) -> bool:
    known = [(scope.base, scope.revision), *scope.copies]
    return all((_place(one), _place(other)) != (_place(base), _place(revision)) for one, other in known)


def _place(site: Site | None) -> tuple[str, str] | None:
    return None if site is None else (site.file, site.pointer)


def copies(scope: Scope, site: Site | None, *, revision: bool) -> Iterator[tuple[str, str]]:
    """Where else the same is written: the file and pointer of every copy of a place inside this scope."""
    holder: Scope | None = scope
    while site is not None and holder is not None:
        root = holder.revision if revision else holder.base
        if root is not None and site.file == root.file and site.pointer.startswith(root.pointer):
            for pair in holder.copies:
                copy = pair[1] if revision else pair[0]
                if copy is not None:
                    yield copy.file, copy.pointer + site.pointer[len(root.pointer) :]
        holder = holder.parent
