"""Rules for how a value is written: formats and patterns."""

from __future__ import annotations

from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED

RULES = [
    *directed(
        "schema",
        [
            Row(
                name="format-added",
                effect=N,
                mirror="format-removed",
                peer=("type-changed",),
                message="{place} must have the format {after} now",
                explain="Every text, or number, of the type was allowed before.",
            ),
            Row(
                name="format-removed",
                effect=W,
                mirror="format-added",
                peer=("type-generalized",),
                message="{place} has lost its format {before}",
                explain="Every value of the type is possible now.",
            ),
            Row(
                name="format-narrowed",
                effect=N,
                mirror="format-widened",
                peer=("type-changed",),
                message="the format of {place} was {before}, and is the narrower {after}",
                explain=(
                    "Formats include one another: int32 in int64, float in double, email in idn-email, "
                    "uri in iri."
                ),
            ),
            Row(
                name="format-widened",
                effect=W,
                mirror="format-narrowed",
                peer=("type-generalized",),
                message="the format of {place} was {before}, and is the wider {after}",
                explain=(
                    "Formats include one another: int32 in int64, float in double, email in idn-email, "
                    "uri in iri."
                ),
            ),
            Row(
                name="format-changed",
                effect=C,
                mirror="format-changed",
                peer=("type-changed",),
                message="the format of {place} changed from {before} to {after}",
                explain="Neither format includes the other.",
            ),
            Row(
                name="unknown-format-added",
                effect=U,
                mirror="format-removed",
                message="{place} must have the format {after} now, which no specification defines",
                explain=(
                    "What a custom format allows is known to its authors alone, so nobody can tell "
                    "whether it refuses "
                    "what was sent before."
                ),
            ),
            Row(
                name="unknown-format-changed",
                effect=U,
                mirror="unknown-format-changed",
                message=(
                    "the format of {place} changed from {before} to {after}; no specification defines them"
                ),
                explain="What a custom format allows is known to its authors alone.",
            ),
            Row(
                name="pattern-added",
                effect=N,
                mirror="pattern-removed",
                peer=("pattern-added",),
                message="{place} must match {after} now",
                explain="Every text was allowed before.",
            ),
            Row(
                name="pattern-removed",
                effect=W,
                mirror="pattern-added",
                peer=("pattern-removed", "pattern-generalized"),
                message="{place} need not match {before} any more",
                explain="Every text is possible now. A pattern that every text matches counts as none.",
            ),
            Row(
                name="pattern-narrowed",
                effect=N,
                mirror="pattern-widened",
                peer=("pattern-changed",),
                message="the pattern of {place} was {before}, and refuses texts as {after} that it matched",
                explain=(
                    "There is a text that the old pattern matches and the new one does not. Patterns are "
                    "compared as the sets of texts that they match."
                ),
            ),
            Row(
                name="pattern-widened",
                effect=W,
                mirror="pattern-narrowed",
                peer=("pattern-generalized",),
                message="the pattern of {place} was {before}, and as {after} matches texts that it did not",
                explain=(
                    "There is a text that the new pattern matches and the old one does not. Patterns are "
                    "compared as the sets of texts that they match."
                ),
            ),
            Row(
                name="pattern-changed",
                effect=U,
                mirror="pattern-changed",
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
