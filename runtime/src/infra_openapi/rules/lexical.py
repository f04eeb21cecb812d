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
                message="added the format {after} to {element}",
                explain="Before the change, values that do not have the added format were valid.",
            ),
            Row(
                fact=facts.FORMAT_REMOVED,
                effect=W,
                mirror=facts.FORMAT_ADDED,
                peer=("type-generalized",),
                message="removed the format {before} from {element}",
                explain="After the change, values that do not have the removed format are valid.",
            ),
            Row(
                fact=facts.FORMAT_NARROWED,
                effect=N,
                mirror=facts.FORMAT_WIDENED,
                peer=("type-changed",),
                message="narrowed the format of {element} from {before} to {after}",
                explain=(
                    "Some formats include another format: every `int32` is an `int64`, every `float` is a "
                    "`double`, every `email` is an `idn-email`, and every `uri` is an `iri`."
                ),
            ),
            Row(
                fact=facts.FORMAT_WIDENED,
                effect=W,
                mirror=facts.FORMAT_NARROWED,
                peer=("type-generalized",),
                message="widened the format of {element} from {before} to {after}",
                explain=(
                    "Some formats include another format: every `int32` is an `int64`, every `float` is a "
                    "`double`, every `email` is an `idn-email`, and every `uri` is an `iri`."
                ),
            ),
            Row(
                fact=facts.FORMAT_CHANGED,
                effect=C,
                mirror=facts.FORMAT_CHANGED,
                peer=("type-changed",),
                message="changed the format of {element} from {before} to {after}",
                explain=(
                    "Some values of the old format do not have the new format, and some values of the new "
                    "format do not have the old format."
                ),
            ),
            Row(
                fact=facts.UNKNOWN_FORMAT_ADDED,
                effect=U,
                mirror=facts.FORMAT_REMOVED,
                message="added the custom format {after} to {element}",
                explain=(
                    "OpenAPI does not define the custom format, so the comparison cannot determine which "
                    "values the format allows."
                ),
            ),
            Row(
                fact=facts.UNKNOWN_FORMAT_CHANGED,
                effect=U,
                mirror=facts.UNKNOWN_FORMAT_CHANGED,
                message="changed the custom format of {element} from {before} to {after}",
                explain=(
                    "OpenAPI does not define the custom format, so the comparison cannot determine which "
                    "values the format allows."
                ),
            ),
            Row(
                fact=facts.PATTERN_ADDED,
                effect=N,
                mirror=facts.PATTERN_REMOVED,
                peer=("pattern-added",),
                message="added the pattern {after} to {element}",
                explain="Before the change, strings that do not match the added pattern were valid.",
            ),
            Row(
                fact=facts.PATTERN_REMOVED,
                effect=W,
                mirror=facts.PATTERN_ADDED,
                peer=("pattern-removed", "pattern-generalized"),
                message="removed the pattern {before} from {element}",
                explain=(
                    "After the change, strings that do not match the removed pattern are valid. A pattern "
                    "that matches every string is treated like a missing pattern."
                ),
            ),
            Row(
                fact=facts.PATTERN_NARROWED,
                effect=N,
                mirror=facts.PATTERN_WIDENED,
                peer=("pattern-changed",),
                message=(
                    "changed the pattern of {element} from {before} to {after}, which matches fewer or other "
                    "strings"
                ),
                explain=(
                    "Some strings match the old pattern but not the new pattern. The comparison determines "
                    "for each pattern the set of matching strings."
                ),
            ),
            Row(
                fact=facts.PATTERN_WIDENED,
                effect=W,
                mirror=facts.PATTERN_NARROWED,
                peer=("pattern-generalized",),
                message=(
                    "changed the pattern of {element} from {before} to {after}, which matches additional "
                    "strings"
                ),
                explain=(
                    "Some strings match the new pattern but not the old pattern. The comparison determines "
                    "for each pattern the set of matching strings."
                ),
            ),
            Row(
                fact=facts.PATTERN_CHANGED,
                effect=U,
                mirror=facts.PATTERN_CHANGED,
                peer=("pattern-changed",),
                message="changed the pattern of {element} from {before} to {after}",
                explain=(
                    "The patterns cannot be compared because one of them has a construct such as a "
                    "look-around, a back-reference, a word boundary or a Unicode class, or is too large."
                ),
            ),
        ],
    ),
]
