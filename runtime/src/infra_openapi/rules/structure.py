"""The rules for the structure of a schema: items, conditions, discriminators, deprecation."""

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
                fact=facts.DEPENDENT_REQUIRED_ADDED,
                effect=N,
                mirror=facts.DEPENDENT_REQUIRED_REMOVED,
                peer=(
                    "dependent-required-added",
                    "dependent-required-changed",
                ),
                message="{place} must now contain the property {after} when it contains the property {other}",
                explain=(
                    "A message could contain the one property without the other before (`dependentRequired`)."
                ),
            ),
            Row(
                fact=facts.DEPENDENT_REQUIRED_REMOVED,
                effect=W,
                mirror=facts.DEPENDENT_REQUIRED_ADDED,
                peer=(
                    "dependent-required-removed",
                    "dependent-required-changed",
                ),
                message=(
                    "{place} no longer has to contain the property {before} when another one is present "
                    "({name})"
                ),
                explain=(
                    "Every message that contained the one property contained the other before "
                    "(`dependentRequired`)."
                ),
            ),
            Row(
                fact=facts.DEPENDENT_SCHEMA_ADDED,
                effect=N,
                mirror=facts.DEPENDENT_SCHEMA_REMOVED,
                peer=("dependent-schema-added",),
                message="added a schema for {base_place} that applies when the property {subject} is present",
                explain=(
                    "The presence of the property had no effect on the other values before "
                    "(`dependentSchemas`)."
                ),
            ),
            Row(
                fact=facts.DEPENDENT_SCHEMA_REMOVED,
                effect=W,
                mirror=facts.DEPENDENT_SCHEMA_ADDED,
                peer=("dependent-schema-removed",),
                message="removed the schema for {place} that applied when the property {subject} was present",
                explain=(
                    "The presence of the property has no effect on the other values now (`dependentSchemas`)."
                ),
            ),
            Row(
                fact=facts.CONTAINS_ADDED,
                effect=N,
                mirror=facts.CONTAINS_REMOVED,
                peer=("contains-added",),
                message="added the requirement that {base_place} contains a matching item (`contains`)",
                explain="An array without such an item was valid before.",
            ),
            Row(
                fact=facts.CONTAINS_REMOVED,
                effect=W,
                mirror=facts.CONTAINS_ADDED,
                peer=("contains-removed",),
                message="removed the requirement that {place} contains a matching item (`contains`)",
                explain="An array without such an item is valid now.",
            ),
            Row(
                fact=facts.NOT_ADDED,
                effect=N,
                mirror=facts.NOT_REMOVED,
                message="added an exclusion to {base_place} (`not`)",
                explain="Values that match the schema in `not` were valid before.",
            ),
            Row(
                fact=facts.NOT_REMOVED,
                effect=W,
                mirror=facts.NOT_ADDED,
                message="removed the exclusion from {place} (`not`)",
                explain="Values that match the schema in `not` were invalid before.",
            ),
            Row(
                fact=facts.NOT_NARROWED,
                effect=N,
                mirror=facts.NOT_WIDENED,
                message="{place} matches more values, which are therefore excluded",
                explain=(
                    "The revision's `not` excludes every value that the base's `not` excludes, and further "
                    "ones."
                ),
            ),
            Row(
                fact=facts.NOT_WIDENED,
                effect=W,
                mirror=facts.NOT_NARROWED,
                message="{place} matches fewer values; the other ones are no longer excluded",
                explain=(
                    "The base's `not` excludes every value that the revision's `not` excludes, and further "
                    "ones."
                ),
            ),
            Row(
                fact=facts.NOT_CHANGED,
                effect=U,
                mirror=facts.NOT_CHANGED,
                message="{place} matches other values, which changes the excluded values",
                explain="Neither exclusion is proved to include the other.",
            ),
            Row(
                fact=facts.CONDITION_ADDED,
                effect=N,
                mirror=facts.CONDITION_REMOVED,
                peer=("if-added", "then-added", "else-added"),
                message="added a condition to {place} (`if`)",
                explain="`if` with `then` or `else` can only restrict the valid values.",
            ),
            Row(
                fact=facts.CONDITION_REMOVED,
                effect=W,
                mirror=facts.CONDITION_ADDED,
                peer=("if-removed", "then-removed", "else-removed"),
                message="removed a condition from {place} (`if`)",
                explain="`if` with `then` or `else` could only restrict the valid values.",
            ),
            Row(
                fact=facts.CONDITION_NARROWED,
                effect=N,
                mirror=facts.CONDITION_WIDENED,
                message="a condition of {place} applies to more values (`if`)",
                explain=(
                    "`then` and `else` are the same; `if` (or, with `else` alone, its opposite) matches more "
                    "values."
                ),
            ),
            Row(
                fact=facts.CONDITION_WIDENED,
                effect=W,
                mirror=facts.CONDITION_NARROWED,
                message="a condition of {place} applies to fewer values (`if`)",
                explain=(
                    "`then` and `else` are the same; `if` (or, with `else` alone, its opposite) matches fewer"
                    " values."
                ),
            ),
            Row(
                fact=facts.CONDITION_CHANGED,
                effect=U,
                mirror=facts.CONDITION_CHANGED,
                message="changed a condition of {place} (`if`)",
                explain="The effect of the new `if` on `then` and `else` is not compared.",
            ),
            Row(
                fact=facts.KEYWORD_UNDECIDED,
                effect=U,
                mirror=facts.KEYWORD_UNDECIDED,
                peer=(
                    "content-encoding-changed",
                    "content-media-type-changed",
                    "content-schema-added",
                    "content-schema-removed",
                    "unevaluated-items-added",
                    "unevaluated-items-removed",
                ),
                message="changed `{name}` of {place} from {before} to {after}",
                explain="The values that this keyword allows are not compared.",
            ),
            Row(
                fact=facts.DISCRIMINATOR_ADDED,
                effect=NEUTRAL,
                mirror=facts.DISCRIMINATOR_REMOVED,
                peer=("discriminator-added",),
                message="added the discriminator {after} to {place}",
                explain=(
                    "A discriminator does not change which values are valid, but generated code uses it to "
                    "select a class."
                ),
            ),
            Row(
                fact=facts.DISCRIMINATOR_REMOVED,
                effect=U,
                mirror=facts.DISCRIMINATOR_ADDED,
                peer=("discriminator-removed",),
                message="removed the discriminator {before} from {place}",
                explain=(
                    "A discriminator does not change which values are valid, but generated code uses it to "
                    "select a class."
                ),
                deviations={
                    REQUEST: (
                        Level.INFO,
                        (
                            "the server reads the request, and can distinguish its alternatives "
                            "without the discriminator"
                        ),
                    )
                },
            ),
            Row(
                fact=facts.DISCRIMINATOR_MAPPING_ADDED,
                effect=NEUTRAL,
                mirror=facts.DISCRIMINATOR_MAPPING_REMOVED,
                peer=("discriminator-mapping-added",),
                message="added the value {after} to the discriminator of {place}",
                explain="If the value belongs to a new alternative, the alternative has its own finding.",
            ),
            Row(
                fact=facts.DISCRIMINATOR_MAPPING_REMOVED,
                effect=U,
                mirror=facts.DISCRIMINATOR_MAPPING_ADDED,
                peer=("discriminator-mapping-deleted",),
                message="removed the value {before} from the discriminator of {place}",
                explain=(
                    "The discriminator does not change which values are valid, but a program that reads the "
                    "value may not find its schema."
                ),
                deviations={
                    RESPONSE: (Level.INFO, "clients keep working when they no longer receive a value")
                },
            ),
            Row(
                fact=facts.DISCRIMINATOR_MAPPING_CHANGED,
                effect=U,
                mirror=facts.DISCRIMINATOR_MAPPING_CHANGED,
                peer=("discriminator-mapping-changed",),
                message=(
                    "changed the schema for the discriminator value {subject} of {place} from {before} to "
                    "{after}"
                ),
                explain=(
                    "The same value now selects another schema. Generated code uses the value to select a "
                    "class."
                ),
            ),
            Row(
                fact=facts.SCHEMA_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_REACTIVATED,
                peer=(
                    "request-property-deprecated",
                    "response-property-deprecated",
                    "request-property-deprecated-with-sunset",
                    "response-property-deprecated-with-sunset",
                ),
                message="deprecated {place} {sunset}",
                explain="The value is still valid. Clients should stop using it before it is removed.",
            ),
            Row(
                fact=facts.SCHEMA_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_DEPRECATED,
                peer=("request-property-reactivated", "response-property-reactivated"),
                message="removed the deprecation of {place}",
                explain="The value was deprecated before.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_DECREASED,
                effect=C,
                mirror=facts.SCHEMA_STABILITY_INCREASED,
                peer=("request-property-stability-decreased", "response-property-stability-decreased"),
                message="decreased the stability level of {place} from {before} to {after}",
                explain="A lower level of `x-stability-level` guarantees less compatibility.",
                consequence="Later changes can break clients that relied on the higher level.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_INCREASED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_STABILITY_DECREASED,
                peer=("request-property-stability-increased", "response-property-stability-increased"),
                message="increased the stability level of {place} from {before} to {after}",
                explain="A higher level of `x-stability-level` guarantees more compatibility.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_INVALID,
                effect=U,
                mirror=facts.SCHEMA_STABILITY_INCREASED,
                message="set the stability level of {place} to {after}, which is not a level",
                explain="It is unknown which compatibility is guaranteed.",
                consequence="Write one of the levels `draft`, `alpha`, `beta` and `stable`.",
            ),
        ],
    ),
]
