"""The facts and rules of bounds: keywords with a number that may come, go, rise and fall."""

from __future__ import annotations

from dataclasses import dataclass

from infra_openapi import facts
from infra_openapi.facts import FactKind
from infra_openapi.rules.rule import Effect, Row

N, W = Effect.NARROWED, Effect.WIDENED


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundFacts:
    """The facts of one keyword, its name in the peer's ids, and what it restrains, for messages."""

    added: FactKind
    removed: FactKind
    increased: FactKind
    decreased: FactKind
    peer: str
    what: str
    #: Whether a larger number allows fewer values.
    lower: bool

    @property
    def kinds(self) -> tuple[FactKind, ...]:
        """All four facts."""
        return self.added, self.removed, self.increased, self.decreased


BOUNDS: dict[str, BoundFacts] = {
    "minLength": BoundFacts(
        added=facts.MIN_LENGTH_ADDED,
        removed=facts.MIN_LENGTH_REMOVED,
        increased=facts.MIN_LENGTH_INCREASED,
        decreased=facts.MIN_LENGTH_DECREASED,
        peer="min-length",
        what="the shortest text",
        lower=True,
    ),
    "maxLength": BoundFacts(
        added=facts.MAX_LENGTH_ADDED,
        removed=facts.MAX_LENGTH_REMOVED,
        increased=facts.MAX_LENGTH_INCREASED,
        decreased=facts.MAX_LENGTH_DECREASED,
        peer="max-length",
        what="the longest text",
        lower=False,
    ),
    "minimum": BoundFacts(
        added=facts.MINIMUM_ADDED,
        removed=facts.MINIMUM_REMOVED,
        increased=facts.MINIMUM_INCREASED,
        decreased=facts.MINIMUM_DECREASED,
        peer="min",
        what="the smallest number",
        lower=True,
    ),
    "maximum": BoundFacts(
        added=facts.MAXIMUM_ADDED,
        removed=facts.MAXIMUM_REMOVED,
        increased=facts.MAXIMUM_INCREASED,
        decreased=facts.MAXIMUM_DECREASED,
        peer="max",
        what="the largest number",
        lower=False,
    ),
    "minItems": BoundFacts(
        added=facts.MIN_ITEMS_ADDED,
        removed=facts.MIN_ITEMS_REMOVED,
        increased=facts.MIN_ITEMS_INCREASED,
        decreased=facts.MIN_ITEMS_DECREASED,
        peer="min-items",
        what="the fewest items",
        lower=True,
    ),
    "maxItems": BoundFacts(
        added=facts.MAX_ITEMS_ADDED,
        removed=facts.MAX_ITEMS_REMOVED,
        increased=facts.MAX_ITEMS_INCREASED,
        decreased=facts.MAX_ITEMS_DECREASED,
        peer="max-items",
        what="the most items",
        lower=False,
    ),
    "minProperties": BoundFacts(
        added=facts.MIN_PROPERTIES_ADDED,
        removed=facts.MIN_PROPERTIES_REMOVED,
        increased=facts.MIN_PROPERTIES_INCREASED,
        decreased=facts.MIN_PROPERTIES_DECREASED,
        peer="min-properties",
        what="the fewest properties",
        lower=True,
    ),
    "maxProperties": BoundFacts(
        added=facts.MAX_PROPERTIES_ADDED,
        removed=facts.MAX_PROPERTIES_REMOVED,
        increased=facts.MAX_PROPERTIES_INCREASED,
        decreased=facts.MAX_PROPERTIES_DECREASED,
        peer="max-properties",
        what="the most properties",
        lower=False,
    ),
    "minContains": BoundFacts(
        added=facts.MIN_CONTAINS_ADDED,
        removed=facts.MIN_CONTAINS_REMOVED,
        increased=facts.MIN_CONTAINS_INCREASED,
        decreased=facts.MIN_CONTAINS_DECREASED,
        peer="min-contains",
        what="the fewest matching items",
        lower=True,
    ),
    "maxContains": BoundFacts(
        added=facts.MAX_CONTAINS_ADDED,
        removed=facts.MAX_CONTAINS_REMOVED,
        increased=facts.MAX_CONTAINS_INCREASED,
        decreased=facts.MAX_CONTAINS_DECREASED,
        peer="max-contains",
        what="the most matching items",
        lower=False,
    ),
}


def rows() -> list[Row]:
    """Return four rows for each bound."""
    found = []
    for bound in BOUNDS.values():
        peer, what = bound.peer, bound.what
        up, down = (N, W) if bound.lower else (W, N)
        found += [
            Row(
                fact=bound.increased,
                effect=up,
                mirror=bound.decreased,
                peer=(f"{peer}-increased", f"exclusive-{peer}-increased"),
                message=f"{what} of {{place}} rose from {{before}} to {{after}}",
                explain=f"{'Fewer' if bound.lower else 'More'} values are allowed than before.",
            ),
            Row(
                fact=bound.decreased,
                effect=down,
                mirror=bound.increased,
                peer=(f"{peer}-decreased", f"exclusive-{peer}-decreased"),
                message=f"{what} of {{place}} fell from {{before}} to {{after}}",
                explain=f"{'More' if bound.lower else 'Fewer'} values are allowed than before.",
            ),
            Row(
                fact=bound.added,
                effect=N,
                mirror=bound.removed,
                peer=(f"{peer}-set", f"exclusive-{peer}-set"),
                message=f"{{place}} has a limit that it had not: {what} is {{after}}",
                explain=(
                    "A limit where there was none refuses values that were allowed, even if it only "
                    "writes down "
                    "what the server did all along: the contract did not say so."
                ),
            ),
            Row(
                fact=bound.removed,
                effect=W,
                mirror=bound.added,
                peer=(f"{peer}-unset", f"exclusive-{peer}-unset"),
                message=f"{{place}} has lost a limit: {what} was {{before}}",
                explain="Without the limit, values are possible that were not.",
            ),
        ]
    return found
