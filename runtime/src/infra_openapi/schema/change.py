"""What comparing two schemas yields: facts without opinion, and the pairs to compare next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from infra_openapi.document import Element
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction
from infra_openapi.schema.node import Node, Term


class Mode(NamedTuple):
    """How a pair is read: who receives it, whether it travels as text, and what is settled elsewhere.

    `text`: a parameter, header or form, where 1 and "1" look alike; 2 where that holds for the properties of
    an object too. `exploded`: a query parameter that may come more than once, where one value is an array
    of one. `nullless`: the union around it compared null.
    """

    direction: Direction
    text: int = 0
    exploded: bool = False
    nullless: bool = False

    def inner(self) -> Mode:
        """For what lies inside: everything but the direction is of the outermost value alone."""
        return Mode(self.direction)

    def items(self) -> Mode:
        """For the items of an array, each of which is as much a text."""
        return Mode(self.direction, self.text)

    def property(self) -> Mode:
        """For a property: an object within an object does not travel as text."""
        return Mode(self.direction, max(0, self.text - 1))


class Fact(NamedTuple):
    """One thing that changed; the rule is that of `kind` for the direction."""

    kind: FactKind
    direction: Direction
    base: Element | None = None
    revision: Element | None = None
    before: Any = None
    after: Any = None
    subject: str = ""


Side: TypeAlias = Term | Node


class Pair(NamedTuple):
    """Two schemas to compare, and how."""

    old: Side
    new: Side
    mode: Mode
    name: str = ""


@dataclass(slots=True)
class Change:
    """What one pair yields by itself; `pairs` are its parts."""

    mode: Mode
    facts: list[Fact] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)

    def fact(
        self,
        kind: FactKind,
        base: Element | None,
        revision: Element | None,
        before: Any = None,
        after: Any = None,
        subject: str = "",
    ) -> None:
        """Add a fact."""
        self.facts.append(Fact(kind, self.mode.direction, base, revision, before, after, subject))

    def pair(self, old: Side, new: Side, name: str = "", mode: Mode | None = None) -> None:
        """Add a pair of parts, which are compared later."""
        self.pairs.append(Pair(old, new, mode or self.mode.inner(), name))
