"""The facts and rules about bounds, which are keywords that limit a number, such as `maxLength`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra_openapi import facts
from infra_openapi.facts import FactKind
from infra_openapi.rules.rule import Effect, Row

N, W = Effect.NARROWED, Effect.WIDENED


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundFacts:
    """The kinds of fact for one bound, such as `maxLength`.

    `peer` is the name of the bound in the ids of oasdiff (a program that compares documents), and `noun` is
    its name in messages.
    """

    added: FactKind
    removed: FactKind
    increased: FactKind
    decreased: FactKind
    peer: str
    noun: str
    #: True if a larger number allows fewer values.
    lower: bool

    @property
    def kinds(self) -> tuple[FactKind, ...]:
        """Return the four kinds of fact for the bound: added, removed, increased and decreased."""
        return self.added, self.removed, self.increased, self.decreased


BOUNDS: dict[str, BoundFacts] = {
    "minLength": BoundFacts(
        added=facts.MIN_LENGTH_ADDED,
        removed=facts.MIN_LENGTH_REMOVED,
        increased=facts.MIN_LENGTH_INCREASED,
        decreased=facts.MIN_LENGTH_DECREASED,
        peer="min-length",
        noun="minimum length",
        lower=True,
    ),
    "maxLength": BoundFacts(
        added=facts.MAX_LENGTH_ADDED,
        removed=facts.MAX_LENGTH_REMOVED,
        increased=facts.MAX_LENGTH_INCREASED,
        decreased=facts.MAX_LENGTH_DECREASED,
        peer="max-length",
        noun="maximum length",
        lower=False,
    ),
    "minimum": BoundFacts(
        added=facts.MINIMUM_ADDED,
        removed=facts.MINIMUM_REMOVED,
        increased=facts.MINIMUM_INCREASED,
        decreased=facts.MINIMUM_DECREASED,
        peer="min",
        noun="minimum",
        lower=True,
    ),
    "maximum": BoundFacts(
        added=facts.MAXIMUM_ADDED,
        removed=facts.MAXIMUM_REMOVED,
        increased=facts.MAXIMUM_INCREASED,
        decreased=facts.MAXIMUM_DECREASED,
        peer="max",
        noun="maximum",
        lower=False,
    ),
    "minItems": BoundFacts(
        added=facts.MIN_ITEMS_ADDED,
        removed=facts.MIN_ITEMS_REMOVED,
        increased=facts.MIN_ITEMS_INCREASED,
        decreased=facts.MIN_ITEMS_DECREASED,
        peer="min-items",
        noun="minimum number of items",
        lower=True,
    ),
    "maxItems": BoundFacts(
        added=facts.MAX_ITEMS_ADDED,
        removed=facts.MAX_ITEMS_REMOVED,
        increased=facts.MAX_ITEMS_INCREASED,
        decreased=facts.MAX_ITEMS_DECREASED,
        peer="max-items",
        noun="maximum number of items",
        lower=False,
    ),
    "minProperties": BoundFacts(
        added=facts.MIN_PROPERTIES_ADDED,
        removed=facts.MIN_PROPERTIES_REMOVED,
        increased=facts.MIN_PROPERTIES_INCREASED,
        decreased=facts.MIN_PROPERTIES_DECREASED,
        peer="min-properties",
        noun="minimum number of properties",
        lower=True,
    ),
    "maxProperties": BoundFacts(
        added=facts.MAX_PROPERTIES_ADDED,
        removed=facts.MAX_PROPERTIES_REMOVED,
        increased=facts.MAX_PROPERTIES_INCREASED,
        decreased=facts.MAX_PROPERTIES_DECREASED,
        peer="max-properties",
        noun="maximum number of properties",
        lower=False,
    ),
    "minContains": BoundFacts(
        added=facts.MIN_CONTAINS_ADDED,
        removed=facts.MIN_CONTAINS_REMOVED,
        increased=facts.MIN_CONTAINS_INCREASED,
        decreased=facts.MIN_CONTAINS_DECREASED,
        peer="min-contains",
        noun="`minContains`",
        lower=True,
    ),
    "maxContains": BoundFacts(
        added=facts.MAX_CONTAINS_ADDED,
        removed=facts.MAX_CONTAINS_REMOVED,
        increased=facts.MAX_CONTAINS_INCREASED,
        decreased=facts.MAX_CONTAINS_DECREASED,
        peer="max-contains",
        noun="`maxContains`",
        lower=False,
    ),
}


def rows() -> list[Row]:
    """Return four rows of the table of rules for each bound, one row for each kind of fact."""
    return [row for bound in BOUNDS.values() for row in _rows(bound)]


def _rows(bound: BoundFacts) -> Iterator[Row]:
    peer, noun = bound.peer, bound.noun
    element = "{object}" if bound.added is facts.MAX_ITEMS_ADDED else "{element}"
    fewer_values, more_values = (
        "The new bound allows fewer values than the old bound.",
        "The new bound allows more values than the old bound.",
    )
    yield Row(
        fact=bound.increased,
        effect=N if bound.lower else W,
        mirror=bound.decreased,
        peer=(f"{peer}-increased", f"exclusive-{peer}-increased"),
        message=f"increased the {noun} of {element} from {{before}} to {{after}}",
        explain=fewer_values if bound.lower else more_values,
    )
    yield Row(
        fact=bound.decreased,
        effect=W if bound.lower else N,
        mirror=bound.increased,
        peer=(f"{peer}-decreased", f"exclusive-{peer}-decreased"),
        message=f"decreased the {noun} of {element} from {{before}} to {{after}}",
        explain=more_values if bound.lower else fewer_values,
    )
    yield Row(
        fact=bound.added,
        effect=N,
        mirror=bound.removed,
        peer=(f"{peer}-set", f"exclusive-{peer}-set"),
        message=f"added the {noun} {{after}} to {element}",
        explain=(
            "Before the change, values outside the new bound were valid. Even if the server always rejected "
            "these values, the old document allowed them."
        ),
    )
    yield Row(
        fact=bound.removed,
        effect=W,
        mirror=bound.added,
        peer=(f"{peer}-unset", f"exclusive-{peer}-unset"),
        message=f"removed the {noun} {{before}} from {element}",
        explain="After the change, values outside the removed bound are valid.",
    )
