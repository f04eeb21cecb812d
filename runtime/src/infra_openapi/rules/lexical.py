"""Rules for how a value is written: formats and patterns."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED

RULES = [
    *directed(
        "schema",
        [
            Row(
                fact=facts.FORMAT_ADDED,
                effect=N,
                mirror=facts.FORMAT_REMOVED,
                peer=("type-changed",),
                message="{place} must have the format {after} now",
                explain="Every text, or number, of the type was allowed before.",
            ),
            Row(
                fact=facts.FORMAT_REMOVED,
                effect=W,
                mirror=facts.FORMAT_ADDED,
                peer=("type-generalized",),
                message="{place} has lost its format {before}",
                explain="Every value of the type is possible now.",
            ),
            Row(
                fact=facts.FORMAT_NARROWED,
                effect=N,
                mirror=facts.FORMAT_WIDENED,
                peer=("type-changed",),
                message="the format of {place} was {before}, and is the narrower {after}",
                explain=(
                    "Formats include one another: int32 in int64, float in double, email in idn-email, "
                    "uri in iri."
                ),
            ),
            Row(
                fact=facts.FORMAT_WIDENED,
                effect=W,
                mirror=facts.FORMAT_NARROWED,
                peer=("type-generalized",),
                message="the format of {place} was {before}, and is the wider {after}",
                explain=(
                    "Formats include one another: int32 in int64, float in double, email in idn-email, "
                    "uri in iri."
                ),
            ),
            Row(
                fact=facts.FORMAT_CHANGED,
                effect=C,
                mirror=facts.FORMAT_CHANGED,
                peer=("type-changed",),
                message="the format of {place} changed from {before} to {after}",
                explain="Neither format includes the other.",
            ),
            Row(
                fact=facts.UNKNOWN_FORMAT_ADDED,
                effect=U,
                mirror=facts.FORMAT_REMOVED,
                message="{place} must have the format {after} now, which no specification defines",
                explain=(
                    "What a custom format allows is known to its authors alone, so nobody can tell "
                    "whether it refuses "
                    "what was sent before."
                ),
            ),
            Row(
                fact=facts.UNKNOWN_FORMAT_CHANGED,
                effect=U,
                mirror=facts.UNKNOWN_FORMAT_CHANGED,
                message=(
                    "the format of {place} changed from {before} to {after}; no specification defines them"
                ),
                explain="What a custom format allows is known to its authors alone.",
            ),
            Row(
                fact=facts.PATTERN_ADDED,
                effect=N,
                mirror=facts.PATTERN_REMOVED,
                peer=("pattern-added",),
                message="{place} must match {after} now",
                explain="Every text was allowed before.",
            ),
            Row(
                fact=facts.PATTERN_REMOVED,
                effect=W,
                mirror=facts.PATTERN_ADDED,
                peer=("pattern-removed", "pattern-generalized"),
                message="{place} need not match {before} any more",
                explain="Every text is possible now. A pattern that every text matches counts as none.",
            ),
            Row(
                fact=facts.PATTERN_NARROWED,
                effect=N,
                mirror=facts.PATTERN_WIDENED,
                peer=("pattern-changed",),
                message="the pattern of {place} was {before}, and refuses texts as {after} that it matched",
                explain=(
                    "There is a text that the old pattern matches and the new one does not. Patterns are "
                    "compared as the sets of texts that they match."
                ),
            ),
            Row(
                fact=facts.PATTERN_WIDENED,
                effect=W,
                mirror=facts.PATTERN_NARROWED,
                peer=("pattern-generalized",),
                message="the pattern of {place} was {before}, and as {after} matches texts that it did not",
                explain=(
                    "There is a text that the new pattern matches and the old one does not. Patterns are "
                    "compared as the sets of texts that they match."
                ),
            ),
            Row(
                fact=facts.PATTERN_CHANGED,
                effect=U,
                mirror=facts.PATTERN_CHANGED,
                peer=("pattern-changed",),
                message="the pattern of {place} changed from {before} to {after}",
                explain=(
                    "One of them has a look-around, a back-reference or a class of Unicode, or is too large: "
                    "whether it includes the other is not decided here."
                ),
            ),
        ],
    ),
]
