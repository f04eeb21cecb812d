"""Rules for what one value may be: types, enumerations, formats, patterns and bounds."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.rules import bounds
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL


RULES = [
    *directed(
        "schema",
        [
            Row(
                fact=facts.TYPE_NARROWED,
                effect=N,
                mirror=facts.TYPE_WIDENED,
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
                fact=facts.TYPE_WIDENED,
                effect=W,
                mirror=facts.TYPE_NARROWED,
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
                fact=facts.TYPE_CHANGED,
                effect=C,
                mirror=facts.TYPE_CHANGED,
                peer=("type-changed",),
                message="{place} changed its type from {before} to {after}",
                explain=(
                    "Types are gone and others have come; whatever side one is on, some values are no "
                    "longer what they were."
                ),
            ),
            Row(
                fact=facts.BECAME_NULLABLE,
                effect=W,
                mirror=facts.BECAME_NOT_NULLABLE,
                peer=("became-nullable",),
                message="{place} may be null now",
                explain=(
                    "Null is one more value. Who receives it and never had to think of it will fail on it."
                ),
            ),
            Row(
                fact=facts.BECAME_NOT_NULLABLE,
                effect=N,
                mirror=facts.BECAME_NULLABLE,
                peer=("became-not-nullable",),
                message="{place} may not be null any more",
                explain="Null was allowed and is not; whoever sent it is refused.",
            ),
            Row(
                fact=facts.BECAME_IMPOSSIBLE,
                effect=N,
                mirror=facts.BECAME_POSSIBLE,
                peer=("schema-became-false",),
                message="nothing is allowed for {place} any more",
                explain="The schema is `false`, or contradicts itself.",
            ),
            Row(
                fact=facts.BECAME_POSSIBLE,
                effect=W,
                mirror=facts.BECAME_IMPOSSIBLE,
                peer=("schema-became-not-false",),
                message="{place} may have a value; nothing was allowed before",
                explain="The schema was `false`, or contradicted itself.",
            ),
            Row(
                fact=facts.SCHEMA_ADDED,
                effect=N,
                mirror=facts.SCHEMA_REMOVED,
                peer=(
                    "media-type-schema-added",
                    "media-type-item-schema-added",
                ),
                message="{place} allowed everything, and is {after} now",
                explain="There was no schema, or one that says nothing; now there is one that restrains.",
            ),
            Row(
                fact=facts.SCHEMA_REMOVED,
                effect=W,
                mirror=facts.SCHEMA_ADDED,
                peer=(
                    "media-type-schema-removed",
                    "media-type-item-schema-removed",
                    "response-body-media-type-item-schema-removed-untyped",
                ),
                message="{place} was {before}, and allows everything now",
                explain="The schema that restrained is gone, or says nothing any more.",
            ),
            Row(
                fact=facts.ENUM_VALUE_REMOVED,
                effect=N,
                mirror=facts.ENUM_VALUE_ADDED,
                peer=(
                    "enum-value-removed",
                    "response-mediatype-enum-value-removed",
                ),
                message="{place} may not be {before} any more",
                explain="The value is gone from the enumeration.",
            ),
            Row(
                fact=facts.ENUM_VALUE_ADDED,
                effect=W,
                mirror=facts.ENUM_VALUE_REMOVED,
                peer=("enum-value-added",),
                message="{place} may be {after}, which is new",
                explain=(
                    "The enumeration has a value that it had not. Code that handles each known value "
                    "meets one it does "
                    "not know; teams that tell their clients to expect that take the preset `lenient-enums`."
                ),
            ),
            Row(
                fact=facts.ENUM_ADDED,
                effect=N,
                mirror=facts.ENUM_REMOVED,
                peer=(
                    "became-enum",
                    "const-added",
                    "request-header-property-became-enum",
                ),
                message="{place} is limited to certain values now: {after}",
                explain="All others were allowed before.",
            ),
            Row(
                fact=facts.ENUM_REMOVED,
                effect=W,
                mirror=facts.ENUM_ADDED,
                peer=("const-removed",),
                message="{place} is not limited to certain values any more (before: {before})",
                explain="The enumeration, or the constant, is gone.",
            ),
            Row(
                fact=facts.CONST_CHANGED,
                effect=C,
                mirror=facts.CONST_CHANGED,
                peer=("const-changed",),
                message="{place} was always {before}, and is always {after} now",
                explain="The only allowed value is another one.",
            ),
            Row(
                fact=facts.EXTENSIBLE_ENUM_VALUE_REMOVED,
                effect=N,
                mirror=facts.EXTENSIBLE_ENUM_VALUE_ADDED,
                peer=("x-extensible-enum-value-removed",),
                message="{place} does not list {before} in its open enumeration any more",
                explain="`x-extensible-enum` says that values may come, never that one may go.",
            ),
            Row(
                fact=facts.EXTENSIBLE_ENUM_VALUE_ADDED,
                effect=NEUTRAL,
                mirror=facts.EXTENSIBLE_ENUM_VALUE_REMOVED,
                message="{place} lists {after} in its open enumeration",
                explain="`x-extensible-enum` tells clients to expect values that they do not know.",
            ),
            Row(
                fact=facts.MULTIPLE_OF_ADDED,
                effect=N,
                mirror=facts.MULTIPLE_OF_REMOVED,
                peer=("multiple-of-set",),
                message="{place} must be a multiple of {after} now",
                explain="Every number was allowed before.",
            ),
            Row(
                fact=facts.MULTIPLE_OF_REMOVED,
                effect=W,
                mirror=facts.MULTIPLE_OF_ADDED,
                peer=("multiple-of-unset",),
                message="{place} need not be a multiple of {before} any more",
                explain="Every number is possible now.",
            ),
            Row(
                fact=facts.MULTIPLE_OF_NARROWED,
                effect=N,
                mirror=facts.MULTIPLE_OF_WIDENED,
                peer=(
                    "multiple-of-changed",
                    "multiple-of-specialized",
                ),
                message="{place} was a multiple of {before}, and must be one of {after}",
                explain="The new step is a multiple of the old one, so fewer numbers are allowed.",
            ),
            Row(
                fact=facts.MULTIPLE_OF_WIDENED,
                effect=W,
                mirror=facts.MULTIPLE_OF_NARROWED,
                peer=(
                    "multiple-of-changed",
                    "multiple-of-generalized",
                ),
                message="{place} was a multiple of {before}, and need only be one of {after}",
                explain="The old step is a multiple of the new one, so more numbers are possible.",
            ),
            Row(
                fact=facts.MULTIPLE_OF_CHANGED,
                effect=C,
                mirror=facts.MULTIPLE_OF_CHANGED,
                peer=("multiple-of-changed",),
                message="{place} was a multiple of {before}, and must be one of {after}",
                explain="Neither step is a multiple of the other.",
            ),
            Row(
                fact=facts.UNIQUE_ITEMS_ADDED,
                effect=N,
                mirror=facts.UNIQUE_ITEMS_REMOVED,
                peer=("unique-items-set",),
                message="the items of {place} must differ from one another now",
                explain="An item that comes twice was allowed before.",
            ),
            Row(
                fact=facts.UNIQUE_ITEMS_REMOVED,
                effect=W,
                mirror=facts.UNIQUE_ITEMS_ADDED,
                peer=("unique-items-unset",),
                message="the items of {place} may repeat now",
                explain="Every item used to come once at most.",
            ),
            *bounds.rows(),
            Row(
                fact=facts.DEFAULT_ADDED,
                effect=NEUTRAL,
                mirror=facts.DEFAULT_REMOVED,
                peer=("default-value-added",),
                message="{place} has a default now: {after}",
                explain=(
                    "A default allows and forbids nothing. It says what the server takes where nothing is"
                    " sent."
                ),
            ),
            Row(
                fact=facts.DEFAULT_REMOVED,
                effect=NEUTRAL,
                mirror=facts.DEFAULT_ADDED,
                peer=("default-value-removed",),
                message="{place} has lost its default {before}",
                explain=(
                    "A default allows and forbids nothing; but whoever left the value out may now get "
                    "another."
                ),
            ),
            Row(
                fact=facts.DEFAULT_CHANGED,
                effect=NEUTRAL,
                mirror=facts.DEFAULT_CHANGED,
                peer=("default-value-changed",),
                message="the default of {place} changed from {before} to {after}",
                explain=(
                    "A default allows and forbids nothing; but whoever left the value out now gets another."
                ),
            ),
        ],
    ),
]
