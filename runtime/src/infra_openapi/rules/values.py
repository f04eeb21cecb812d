"""Rules for what one value may be: types, enumerations, formats, patterns and bounds."""

from __future__ import annotations

from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
_NO_ORDER = "neither side allows all that the other does, so the change is its own mirror"
_SELF = "a change of one value to another is its own mirror"

# Keyword, what the peer calls it, what it restrains; `min` rises where `max` falls.
_BOUNDS = (
    ("min-length", "min-length", "the shortest text"),
    ("max-length", "max-length", "the longest text"),
    ("minimum", "min", "the smallest number"),
    ("maximum", "max", "the largest number"),
    ("min-items", "min-items", "the fewest items"),
    ("max-items", "max-items", "the most items"),
    ("min-properties", "min-properties", "the fewest properties"),
    ("max-properties", "max-properties", "the most properties"),
    ("min-contains", "min-contains", "the fewest matching items"),
    ("max-contains", "max-contains", "the most matching items"),
)


def _bounds() -> list[Row]:
    rows = []
    for name, peer, what in _BOUNDS:
        lower = name.startswith("min")
        up, down = (N, W) if lower else (W, N)
        rows += [
            Row(
                name=f"{name}-increased",
                effect=up,
                mirror=f"{name}-decreased",
                peer=(f"{peer}-increased", f"exclusive-{peer}-increased"),
                message=f"{what} of {{place}} rose from {{before}} to {{after}}",
                explain=f"{'Fewer' if lower else 'More'} values are allowed than before.",
            ),
            Row(
                name=f"{name}-decreased",
                effect=down,
                mirror=f"{name}-increased",
                peer=(f"{peer}-decreased", f"exclusive-{peer}-decreased"),
                message=f"{what} of {{place}} fell from {{before}} to {{after}}",
                explain=f"{'More' if lower else 'Fewer'} values are allowed than before.",
            ),
            Row(
                name=f"{name}-added",
                effect=N,
                mirror=f"{name}-removed",
                peer=(f"{peer}-set", f"exclusive-{peer}-set"),
                message=f"{{place}} has a limit that it had not: {what} is {{after}}",
                explain=(
                    "A limit where there was none refuses values that were allowed, even if it only "
                    "writes down "
                    "what the server did all along: the contract did not say so."
                ),
            ),
            Row(
                name=f"{name}-removed",
                effect=W,
                mirror=f"{name}-added",
                peer=(f"{peer}-unset", f"exclusive-{peer}-unset"),
                message=f"{{place}} has lost a limit: {what} was {{before}}",
                explain="Without the limit, values are possible that were not.",
            ),
        ]
    return rows


RULES = [
    *directed(
        "schema",
        [
            Row(
                name="type-narrowed",
                effect=N,
                mirror="type-widened",
                peer=(
                    "type-changed",
                    "type-specialized",
                    "list-of-types-narrowed",
                    "response-body-type-compatible",
                    "response-property-type-compatible",
                    "response-header-type-compatible",
                ),
                message="{place} has fewer types: {before} became {after}",
                explain=(
                    "Values of the types that are gone are not allowed any more. Every integer is a number."
                ),
            ),
            Row(
                name="type-widened",
                effect=W,
                mirror="type-narrowed",
                peer=(
                    "type-generalized",
                    "list-of-types-widened",
                    "request-body-type-compatible",
                    "request-property-type-compatible",
                ),
                message="{place} has more types: {before} became {after}",
                explain="Values of further types are possible. Every integer is a number.",
            ),
            Row(
                name="type-changed",
                effect=C,
                mirror="type-changed",
                peer=("type-changed",),
                message="{place} changed its type from {before} to {after}",
                explain=(
                    "Types are gone and others have come; whatever side one is on, some values are no "
                    "longer what they were."
                ),
            ),
            Row(
                name="became-nullable",
                effect=W,
                mirror="became-not-nullable",
                peer=("became-nullable",),
                message="{place} may be null now",
                explain=(
                    "Null is one more value. Who receives it and never had to think of it will fail on it."
                ),
            ),
            Row(
                name="became-not-nullable",
                effect=N,
                mirror="became-nullable",
                peer=("became-not-nullable",),
                message="{place} may not be null any more",
                explain="Null was allowed and is not; whoever sent it is refused.",
            ),
            Row(
                name="became-impossible",
                effect=N,
                mirror="became-possible",
                peer=("schema-became-false",),
                message="nothing is allowed for {place} any more",
                explain="The schema is `false`, or contradicts itself.",
            ),
            Row(
                name="became-possible",
                effect=W,
                mirror="became-impossible",
                peer=("schema-became-not-false",),
                message="{place} may have a value; nothing was allowed before",
                explain="The schema was `false`, or contradicted itself.",
            ),
            Row(
                name="schema-added",
                effect=N,
                mirror="schema-removed",
                peer=(
                    "media-type-schema-added",
                    "media-type-item-schema-added",
                ),
                message="{place} allowed everything, and is {after} now",
                explain="There was no schema, or one that says nothing; now there is one that restrains.",
            ),
            Row(
                name="schema-removed",
                effect=W,
                mirror="schema-added",
                peer=(
                    "media-type-schema-removed",
                    "media-type-item-schema-removed",
                    "response-body-media-type-item-schema-removed-untyped",
                ),
                message="{place} was {before}, and allows everything now",
                explain="The schema that restrained is gone, or says nothing any more.",
            ),
            Row(
                name="enum-value-removed",
                effect=N,
                mirror="enum-value-added",
                peer=(
                    "enum-value-removed",
                    "response-mediatype-enum-value-removed",
                ),
                message="{place} may not be {before} any more",
                explain="The value is gone from the enumeration.",
            ),
            Row(
                name="enum-value-added",
                effect=W,
                mirror="enum-value-removed",
                peer=("enum-value-added",),
                message="{place} may be {after}, which is new",
                explain=(
                    "The enumeration has a value that it had not. Code that handles each known value "
                    "meets one it does "
                    "not know; teams that tell their clients to expect that take the preset `lenient-enums`."
                ),
            ),
            Row(
                name="enum-added",
                effect=N,
                mirror="enum-removed",
                peer=(
                    "became-enum",
                    "const-added",
                    "request-header-property-became-enum",
                ),
                message="{place} is limited to certain values now: {after}",
                explain="All others were allowed before.",
            ),
            Row(
                name="enum-removed",
                effect=W,
                mirror="enum-added",
                peer=("const-removed",),
                message="{place} is not limited to certain values any more (before: {before})",
                explain="The enumeration, or the constant, is gone.",
            ),
            Row(
                name="const-changed",
                effect=C,
                mirror="const-changed",
                peer=("const-changed",),
                message="{place} was always {before}, and is always {after} now",
                explain="The only allowed value is another one.",
            ),
            Row(
                name="extensible-enum-value-removed",
                effect=N,
                mirror="extensible-enum-value-added",
                peer=("x-extensible-enum-value-removed",),
                message="{place} does not list {before} in its open enumeration any more",
                explain="`x-extensible-enum` says that values may come, never that one may go.",
            ),
            Row(
                name="extensible-enum-value-added",
                effect=NEUTRAL,
                mirror="extensible-enum-value-removed",
                message="{place} lists {after} in its open enumeration",
                explain="`x-extensible-enum` tells clients to expect values that they do not know.",
            ),
            Row(
                name="multiple-of-added",
                effect=N,
                mirror="multiple-of-removed",
                peer=("multiple-of-set",),
                message="{place} must be a multiple of {after} now",
                explain="Every number was allowed before.",
            ),
            Row(
                name="multiple-of-removed",
                effect=W,
                mirror="multiple-of-added",
                peer=("multiple-of-unset",),
                message="{place} need not be a multiple of {before} any more",
                explain="Every number is possible now.",
            ),
            Row(
                name="multiple-of-narrowed",
                effect=N,
                mirror="multiple-of-widened",
                peer=(
                    "multiple-of-changed",
                    "multiple-of-specialized",
                ),
                message="{place} was a multiple of {before}, and must be one of {after}",
                explain="The new step is a multiple of the old one, so fewer numbers are allowed.",
            ),
            Row(
                name="multiple-of-widened",
                effect=W,
                mirror="multiple-of-narrowed",
                peer=(
                    "multiple-of-changed",
                    "multiple-of-generalized",
                ),
                message="{place} was a multiple of {before}, and need only be one of {after}",
                explain="The old step is a multiple of the new one, so more numbers are possible.",
            ),
            Row(
                name="multiple-of-changed",
                effect=C,
                mirror="multiple-of-changed",
                peer=("multiple-of-changed",),
                message="{place} was a multiple of {before}, and must be one of {after}",
                explain="Neither step is a multiple of the other.",
            ),
            Row(
                name="unique-items-added",
                effect=N,
                mirror="unique-items-removed",
                peer=("unique-items-set",),
                message="the items of {place} must differ from one another now",
                explain="An item that comes twice was allowed before.",
            ),
            Row(
                name="unique-items-removed",
                effect=W,
                mirror="unique-items-added",
                peer=("unique-items-unset",),
                message="the items of {place} may repeat now",
                explain="Every item used to come once at most.",
            ),
            *_bounds(),
            Row(
                name="default-added",
                effect=NEUTRAL,
                mirror="default-removed",
                peer=("default-value-added",),
                message="{place} has a default now: {after}",
                explain=(
                    "A default allows and forbids nothing. It says what the server takes where nothing is"
                    " sent."
                ),
            ),
            Row(
                name="default-removed",
                effect=NEUTRAL,
                mirror="default-added",
                peer=("default-value-removed",),
                message="{place} has lost its default {before}",
                explain=(
                    "A default allows and forbids nothing; but whoever left the value out may now get "
                    "another."
                ),
            ),
            Row(
                name="default-changed",
                effect=NEUTRAL,
                mirror="default-changed",
                peer=("default-value-changed",),
                message="the default of {place} changed from {before} to {after}",
                explain=(
                    "A default allows and forbids nothing; but whoever left the value out now gets another."
                ),
            ),
        ],
    ),
]
