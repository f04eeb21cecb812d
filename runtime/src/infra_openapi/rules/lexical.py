"""The rules for the syntax of strings and numbers: formats and patterns."""

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
                message="added the format {after} to {place}",
                explain="Values of other formats were valid before.",
            ),
            Row(
                fact=facts.FORMAT_REMOVED,
                effect=W,
                mirror=facts.FORMAT_ADDED,
                peer=("type-generalized",),
                message="removed the format {before} from {place}",
                explain="Values of other formats are valid now.",
            ),
            Row(
                fact=facts.FORMAT_NARROWED,
                effect=N,
                mirror=facts.FORMAT_WIDENED,
                peer=("type-changed",),
                message="narrowed the format of {place} from {before} to {after}",
                explain=(
                    "Formats include one another: `int32` is part of `int64`, `float` of `double`, `email` of"
                    " `idn-email`, `uri` of `iri`."
                ),
            ),
            Row(
                fact=facts.FORMAT_WIDENED,
                effect=W,
                mirror=facts.FORMAT_NARROWED,
                peer=("type-generalized",),
                message="widened the format of {place} from {before} to {after}",
                explain=(
                    "Formats include one another: `int32` is part of `int64`, `float` of `double`, `email` of"
                    " `idn-email`, `uri` of `iri`."
                ),
            ),
            Row(
                fact=facts.FORMAT_CHANGED,
                effect=C,
                mirror=facts.FORMAT_CHANGED,
                peer=("type-changed",),
                message="changed the format of {place} from {before} to {after}",
                explain="Neither format includes the other.",
            ),
            Row(
                fact=facts.UNKNOWN_FORMAT_ADDED,
                effect=U,
                mirror=facts.FORMAT_REMOVED,
                message="added the custom format {after} to {place}",
                explain="The values that a custom format allows are not in the document.",
            ),
            Row(
                fact=facts.UNKNOWN_FORMAT_CHANGED,
                effect=U,
                mirror=facts.UNKNOWN_FORMAT_CHANGED,
                message="changed the custom format of {place} from {before} to {after}",
                explain="The values that a custom format allows are not in the document.",
            ),
            Row(
                fact=facts.PATTERN_ADDED,
                effect=N,
                mirror=facts.PATTERN_REMOVED,
                peer=("pattern-added",),
                message="added the pattern {after} to {place}",
                explain="Strings that do not match were valid before.",
            ),
            Row(
                fact=facts.PATTERN_REMOVED,
                effect=W,
                mirror=facts.PATTERN_ADDED,
                peer=("pattern-removed", "pattern-generalized"),
                message="removed the pattern {before} from {place}",
                explain=(
                    "Strings that do not match are valid now. A pattern that matches every string counts as "
                    "none."
                ),
            ),
            Row(
                fact=facts.PATTERN_NARROWED,
                effect=N,
                mirror=facts.PATTERN_WIDENED,
                peer=("pattern-changed",),
                message=(
                    "changed the pattern of {place} from {before} to {after}, which matches fewer or other "
                    "strings"
                ),
                explain=(
                    "Some strings match the old pattern and not the new one. Patterns are compared as the "
                    "sets of strings that they match."
                ),
            ),
            Row(
                fact=facts.PATTERN_WIDENED,
                effect=W,
                mirror=facts.PATTERN_NARROWED,
                peer=("pattern-generalized",),
                message=(
                    "changed the pattern of {place} from {before} to {after}, which matches further strings"
                ),
                explain=(
                    "Some strings match the new pattern and not the old one. Patterns are compared as the "
                    "sets of strings that they match."
                ),
            ),
            Row(
                fact=facts.PATTERN_CHANGED,
                effect=U,
                mirror=facts.PATTERN_CHANGED,
                peer=("pattern-changed",),
                message="changed the pattern of {place} from {before} to {after}",
                explain=(
                    "One of the patterns has a look-around, a back-reference or a Unicode class, or is too "
                    "large, so the patterns cannot be compared."
                ),
            ),
        ],
    ),
]
