"""The schemas of both documents: normal forms, equality, example values and proofs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra_openapi.equality import Equality
from infra_openapi.finding import Direction
from infra_openapi.schema.candidates import Candidates
from infra_openapi.schema.change import Pair, Side
from infra_openapi.schema.limits import Answer
from infra_openapi.schema.literal import NOTHING
from infra_openapi.schema.membership import Membership
from infra_openapi.schema.node import Node, Term
from infra_openapi.schema.normalize import Normalizer
from infra_openapi.schema.question import Questions, composed

#: The keywords of a schema that consists of several schemas.
_COMPOSED = frozenset({"allOf", "anyOf", "oneOf", "not"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """Computes normal forms, equality, example values and proofs for schemas."""

    equality: Equality
    normalizer: Normalizer
    member: Membership
    candidates: Candidates
    #: direction → the search for values by the rules for messages of this direction; for `NONE`, the search
    #: follows the rules of JSON Schema only
    questions: Mapping[Direction, Questions]

    def node(self, term: Term) -> Node:
        """Return the normal form of a term, which is a tuple of schemas that must all match."""
        return self.normalizer.node(term)

    def normal(self, side: Side) -> Node:
        """Return the normal form of the old or of the new schema of a pair."""
        return side if isinstance(side, Node) else self.node(side)

    def same_term(self, old: Term | None, new: Term | None) -> bool:
        """Return whether an old and a new schema have the same content, including targets of references."""
        return same_term(self.equality, old, new)

    def same_nodes(self, old: Node, new: Node) -> bool:
        """Return whether two schemas in normal form have the same content in the documents."""
        return same_nodes(self.equality, old, new)

    def same(self, pair: Pair) -> bool:
        """Return whether both schemas of a pair have the same content.

        The function is fast, because it does not compute normal forms. Therefore, it can return False for
        schemas that are written differently and accept the same values.
        """
        old, new = pair.old, pair.new
        if isinstance(old, Node) or isinstance(new, Node):
            return isinstance(old, Node) and isinstance(new, Node) and self.same_nodes(old, new)
        return self.same_term(old, new)

    def impossible(self, term: Term) -> Answer:
        """Return whether it is proved that a schema allows no value."""
        return self.nothing_in(self.node(term))

    def nothing_in(self, node: Node, *, thorough: bool = False) -> Answer:
        """Return whether it is proved that a normal form allows no value.

        With `thorough`, the proof also examines the required properties of an object schema that is not
        composed of other schemas.
        """
        if node.impossible:
            return True
        if not (thorough or composed(node) or requires_composed(node)):
            return False
        return self.questions[Direction.NONE].unanswerable(held=[node])

    def example(self, old: Node, new: Node, direction: Direction) -> Any:
        """Return a value that shows that a changed schema breaks clients; `NOTHING` if no value was found."""
        wide, narrow = (old, new) if direction is Direction.REQUEST else (new, old)
        for value in self.candidates.of(wide, narrow):
            if self.member.holds(narrow, value) is False and self.member.holds(wide, value):
                return value
        return NOTHING


def new_schemas() -> Schemas:
    """Return an empty `Schemas` object for one pair of documents; normal forms are computed on demand."""
    equality, normalizer = Equality(), Normalizer()
    member = Membership(normalizer)

    def same(first: Node, second: Node) -> bool:
        return same_nodes(equality, first, second)

    return Schemas(
        equality=equality,
        normalizer=normalizer,
        member=member,
        candidates=Candidates(normalizer.node),
        questions={direction: Questions(direction, normalizer, member, same) for direction in Direction},
    )


def same_term(equality: Equality, old: Term | None, new: Term | None) -> bool:
    """Return whether two schemas have the same content, including targets of references."""
    if old is None or new is None or len(old) != len(new):
        return old is None and new is None
    return all(
        equality.same(old_element, new_element) for old_element, new_element in zip(old, new, strict=True)
    )


def same_nodes(equality: Equality, old: Node, new: Node) -> bool:
    """Return whether two schemas in normal form have the same content in the documents.

    The result is False if one of the schemas was created during the comparison.
    """
    return not (old.derived or new.derived) and same_term(equality, old.elements, new.elements)


def requires_composed(node: Node) -> bool:
    """Return whether a required property has several schemas, which can contradict each other.

    A schema with `allOf`, `anyOf`, `oneOf` or `not` counts as several schemas.
    """
    terms = (node.properties.get(name, ()) for name in node.required)
    return any(
        len(term) > 1 or any(isinstance(part.raw, dict) and _COMPOSED & part.raw.keys() for part in term)
        for term in terms
    )
