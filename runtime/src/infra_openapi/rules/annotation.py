"""The rules for annotations of a schema: discriminators, deprecation, stability levels."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, C, U, NEUTRAL = Effect.NARROWED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST = Direction.REQUEST

RULES = [
    *directed(
        "schema",
        [
            Row(
                fact=facts.DISCRIMINATOR_ADDED,
                effect=NEUTRAL,
                mirror=facts.DISCRIMINATOR_REMOVED,
                peer=("discriminator-added",),
                message="added the discriminator {after} to {element}",
                explain=(
                    "A discriminator does not change which values are valid, but generated code uses the "
                    "discriminator to select a class."
                ),
            ),
            Row(
                fact=facts.DISCRIMINATOR_REMOVED,
                effect=U,
                mirror=facts.DISCRIMINATOR_ADDED,
                peer=("discriminator-removed",),
                message="removed the discriminator {before} from {element}",
                explain=(
                    "A discriminator does not change which values are valid, but generated code uses the "
                    "discriminator to select a class."
                ),
                deviations={
                    REQUEST: (
                        Level.INFO,
                        (
                            "the server reads the request, and can distinguish the alternatives of the "
                            "schema without the discriminator"
                        ),
                    )
                },
            ),
            Row(
                fact=facts.DISCRIMINATOR_MAPPING_ADDED,
                effect=NEUTRAL,
                mirror=facts.DISCRIMINATOR_MAPPING_REMOVED,
                peer=("discriminator-mapping-added",),
                message="added the value {after} to the discriminator of {element}",
                explain=(
                    "A discriminator selects an alternative by the value of a property. If the added value "
                    "selects a new alternative, the new alternative is a separate finding."
                ),
            ),
            Row(
                fact=facts.DISCRIMINATOR_MAPPING_REMOVED,
                effect=N,
                mirror=facts.DISCRIMINATOR_MAPPING_ADDED,
                peer=("discriminator-mapping-deleted",),
                message="removed the value {before} from the discriminator of {element}",
                explain=(
                    "Before the change, the value selected a schema. Code that is generated from the new "
                    "document does not find a schema for this value."
                ),
            ),
            Row(
                fact=facts.DISCRIMINATOR_MAPPING_CHANGED,
                effect=C,
                mirror=facts.DISCRIMINATOR_MAPPING_CHANGED,
                peer=("discriminator-mapping-changed",),
                message=(
                    "changed the schema for the discriminator value {subject} of {element} from {before} to "
                    "{after}"
                ),
                explain=(
                    "The same value of the property now selects another schema, so existing clients write or "
                    "read the message with the wrong schema."
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
                message="deprecated {element} {sunset}",
                explain=(
                    "The value that the deprecated schema describes is still valid. Clients should stop "
                    "using the value before the API removes it."
                ),
            ),
            Row(
                fact=facts.SCHEMA_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_DEPRECATED,
                peer=("request-property-reactivated", "response-property-reactivated"),
                message="removed the deprecation of {element}",
                explain="Before the change, the value that the schema describes was deprecated.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_DECREASED,
                effect=C,
                mirror=facts.SCHEMA_STABILITY_INCREASED,
                peer=("request-property-stability-decreased", "response-property-stability-decreased"),
                message="decreased the stability level of {element} from {before} to {after}",
                explain=(
                    "The extension `x-stability-level` states how stable a part of the API is. A lower level"
                    " guarantees less compatibility to clients."
                ),
                consequence="Later changes can break clients that relied on the higher stability level.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_INCREASED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_STABILITY_DECREASED,
                peer=("request-property-stability-increased", "response-property-stability-increased"),
                message="increased the stability level of {element} from {before} to {after}",
                explain=(
                    "The extension `x-stability-level` states how stable a part of the API is. A higher "
                    "level guarantees more compatibility to clients."
                ),
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_INVALID,
                effect=U,
                mirror=facts.SCHEMA_STABILITY_INCREASED,
                message="set the stability level of {element} to {after}, which is not a stability level",
                explain=(
                    "The new value of `x-stability-level` does not define which compatibility the API "
                    "guarantees."
                ),
                consequence="Write one of the stability levels `draft`, `alpha`, `beta` and `stable`.",
            ),
        ],
    ),
]
