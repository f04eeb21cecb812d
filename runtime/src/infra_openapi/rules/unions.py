"""The rules for unions: alternatives of `oneOf` and `anyOf`, and values that two of them match."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE

RULES = [
    *directed(
        "schema",
        [
            Row(
                fact=facts.UNION_BRANCH_REMOVED,
                effect=N,
                mirror=facts.UNION_BRANCH_ADDED,
                peer=("one-of-removed", "any-of-removed"),
                message="removed the alternative {subject} from {place}",
                explain=(
                    "The alternative is no longer in `oneOf` or `anyOf`, and no other alternative allows all "
                    "of its values."
                ),
            ),
            Row(
                fact=facts.UNION_BRANCH_ADDED,
                effect=W,
                mirror=facts.UNION_BRANCH_REMOVED,
                peer=(
                    "one-of-added",
                    "any-of-added",
                    "wrapped-in-one-of",
                    "wrapped-in-one-of-original-preserved",
                ),
                message="added the alternative {subject} to {base_place}",
                explain=(
                    "The new alternative of `oneOf` or `anyOf` allows values that no alternative allowed "
                    "before."
                ),
            ),
            Row(
                fact=facts.UNION_BECAME_EXCLUSIVE,
                effect=U,
                mirror=facts.UNION_NO_LONGER_EXCLUSIVE,
                message="{place} must now match exactly one alternative (`anyOf` became `oneOf`)",
                explain=(
                    "A value that matches two alternatives is now invalid; the comparison found no such "
                    "value."
                ),
                deviations={
                    RESPONSE: (
                        Level.INFO,
                        "every value that matches exactly one alternative was possible before",
                    )
                },
            ),
            Row(
                fact=facts.UNION_NO_LONGER_EXCLUSIVE,
                effect=U,
                mirror=facts.UNION_BECAME_EXCLUSIVE,
                message="{place} may now match more than one alternative (`oneOf` became `anyOf`)",
                explain=(
                    "A value that matches two alternatives is now valid; the comparison found no such value."
                ),
                deviations={
                    REQUEST: (
                        Level.INFO,
                        "every value that matches one alternative is still accepted",
                    )
                },
            ),
            Row(
                fact=facts.UNION_BECAME_EXCLUSIVE_FOR_SOME,
                effect=N,
                mirror=facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME,
                message=(
                    "{place} must now match exactly one alternative (`anyOf` became `oneOf`), and some values"
                    " match two"
                ),
                explain="A value that matches two alternatives was valid before.",
            ),
            Row(
                fact=facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME,
                effect=W,
                mirror=facts.UNION_BECAME_EXCLUSIVE_FOR_SOME,
                message=(
                    "{place} may now match more than one alternative (`oneOf` became `anyOf`), and some "
                    "values match two"
                ),
                explain="A value that matches two alternatives was invalid before.",
            ),
            Row(
                fact=facts.UNION_OVERLAP_ADDED,
                effect=U,
                mirror=facts.UNION_OVERLAP_REMOVED,
                message=(
                    "values of {place} may now match two alternatives of `oneOf`, which makes them invalid"
                ),
                explain=(
                    "An alternative is new or allows more values, and overlaps another one. `anyOf`, or a "
                    "property that distinguishes the alternatives, avoids this."
                ),
                deviations={RESPONSE: (Level.INFO, "fewer values are valid, so clients receive no new ones")},
            ),
            Row(
                fact=facts.UNION_OVERLAP_REMOVED,
                effect=U,
                mirror=facts.UNION_OVERLAP_ADDED,
                message=(
                    "values of {place} may no longer match two alternatives of `oneOf`, which made them "
                    "invalid"
                ),
                explain="An alternative that overlapped another one was removed or allows fewer values.",
                deviations={
                    REQUEST: (Level.INFO, "more values are valid, so the server still accepts every old one")
                },
            ),
        ],
    ),
    *directed(
        "schema",
        [
            Row(
                fact=facts.UNION_OVERLAP_ADDED_FOR_SOME,
                effect=N,
                mirror=facts.UNION_OVERLAP_REMOVED,
                message=(
                    "some values of {place} now match two alternatives of `oneOf`, which makes them invalid"
                ),
                explain="Exactly one alternative must match. The example matched one alternative before.",
            ),
        ],
    ),
    *directed(
        "schema",
        [
            Row(
                fact=facts.UNION_OVERLAP_REMOVED_FOR_SOME,
                effect=W,
                mirror=facts.UNION_OVERLAP_ADDED,
                message=(
                    "some values of {place} no longer match two alternatives of `oneOf`, which made them "
                    "invalid"
                ),
                explain="Exactly one alternative must match. The example matched two alternatives before.",
            ),
        ],
    ),
]
