"""The result of the comparison of two schemas: facts, and pairs of inner schemas to compare next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from infra_openapi.document import Element
from infra_openapi.facts import FactKind
from infra_openapi.finding import Direction
from infra_openapi.schema.limits import Answer, Limit
from infra_openapi.schema.node import Node, Term


class Mode(NamedTuple):
    """The mode of the comparison of two schemas: the direction, and how the values are sent.

    `text` is 1 for values that are sent as text, where 1 and "1" are equal; 2 if the properties of an object
    are sent as text too; 0 otherwise. `exploded` is true for a repeatable query parameter, where a single
    value is an array with one item. `nullless` is true if the comparison of the enclosing union has already
    compared whether null is allowed.
    """

    direction: Direction
    text: int = 0
    exploded: bool = False
    nullless: bool = False

    def inner(self) -> Mode:
        """Return the mode for inner schemas other than those of properties and items.

        The result has the direction of this mode; all other values of the result are the defaults.
        """
        return Mode(self.direction)

    def items(self) -> Mode:
        """Return the mode for the items of an array.

        If the array is sent as text, its items are sent as text too.
        """
        return Mode(self.direction, self.text)

    def property(self) -> Mode:
        """Return the mode for a property of an object; an object inside a property is not sent as text."""
        return Mode(self.direction, max(0, self.text - 1))


class Fact(NamedTuple):
    """One difference between two documents; the kind of the fact and the direction determine its rule."""

    kind: FactKind
    direction: Direction
    base: Element | None = None
    revision: Element | None = None
    before: Any = None
    after: Any = None
    subject: str = ""


Side: TypeAlias = Term | Node


class Pair(NamedTuple):
    """An old and a new schema to compare, with the mode of the comparison."""

    old: Side
    new: Side
    mode: Mode
    name: str = ""


@dataclass(slots=True)
class Change:
    """The facts about one pair of schemas, and the pairs of inner schemas that are compared next."""

    mode: Mode
    facts: list[Fact] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    #: The limits that the comparison has reached; one fact lists these limits.
    limits: set[Limit] = field(default_factory=set)

    def fact(
        self,
        kind: FactKind,
        base: Element | None,
        revision: Element | None,
        before: Any = None,
        after: Any = None,
        subject: str = "",
    ) -> None:
        """Add a fact about the pair of schemas."""
        self.facts.append(Fact(kind, self.mode.direction, base, revision, before, after, subject))

    def pair(self, old: Side, new: Side, name: str = "", mode: Mode | None = None) -> None:
        """Add a pair of inner schemas, such as the schemas of a property, that is compared later."""
        self.pairs.append(Pair(old, new, mode or self.mode.inner(), name))

    def proved(self, answer: Answer) -> bool:
        """Return whether `answer`, the result of a proof, is true.

        If the proof ended at a limit, the result is False, and the limit is added to `limits`.
        """
        if isinstance(answer, Limit):
            self.limits.add(answer)
            return False
        return answer
