"""The rules for single values: types, enumerations, bounds and defaults."""

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
                message="narrowed the type of {element} from {before} to {after}",
                explain="The new document allows fewer types. Every integer is also a number.",
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
                message="widened the type of {element} from {before} to {after}",
                explain="The new document allows more types. Every integer is also a number.",
            ),
            Row(
                fact=facts.TYPE_CHANGED,
                effect=C,
                mirror=facts.TYPE_CHANGED,
                peer=("type-changed",),
                message="changed the type of {element} from {before} to {after}",
                explain=(
                    "The new document does not allow some types of the old document, and allows other types "
                    "instead."
                ),
            ),
            Row(
                fact=facts.BECAME_NULLABLE,
                effect=W,
                mirror=facts.BECAME_NOT_NULLABLE,
                peer=("became-nullable",),
                message="allowed `null` as a value of {element}",
                explain="After the change, `null` is valid in addition to the other values.",
            ),
            Row(
                fact=facts.BECAME_NOT_NULLABLE,
                effect=N,
                mirror=facts.BECAME_NULLABLE,
                peer=("became-not-nullable",),
                message="forbade `null` as a value of {element}",
                explain="Before the change, `null` was valid.",
            ),
            Row(
                fact=facts.BECAME_IMPOSSIBLE,
                effect=N,
                mirror=facts.BECAME_POSSIBLE,
                peer=("schema-became-false",),
                message="forbade every value of {element}",
                explain="The new schema is `false`, or its keywords contradict one another.",
            ),
            Row(
                fact=facts.BECAME_POSSIBLE,
                effect=W,
                mirror=facts.BECAME_IMPOSSIBLE,
                peer=("schema-became-not-false",),
                message="allowed values of {element}; no value was valid before",
                explain="The old schema is `false`, or its keywords contradict one another.",
            ),
            Row(
                fact=facts.SCHEMA_ADDED,
                effect=N,
                mirror=facts.SCHEMA_REMOVED,
                peer=(
                    "media-type-schema-added",
                    "media-type-item-schema-added",
                ),
                message="added a schema with the type {after} to {element}; any value was allowed before",
                explain="The old document has no schema for this part, or a schema without restrictions.",
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
                message="removed the schema with the type {before} from {element}; any value is allowed now",
                explain="The new document has no schema for this part, or a schema without restrictions.",
            ),
            Row(
                fact=facts.ENUM_VALUE_REMOVED,
                effect=N,
                mirror=facts.ENUM_VALUE_ADDED,
                peer=(
                    "enum-value-removed",
                    "response-mediatype-enum-value-removed",
                ),
                message="removed the enum {values} from {element}",
                explain="These values are no longer valid.",
            ),
            Row(
                fact=facts.ENUM_VALUE_ADDED,
                effect=W,
                mirror=facts.ENUM_VALUE_REMOVED,
                peer=("enum-value-added",),
                message="added the enum {values} to {element}",
                explain=(
                    "Client code that handles each value of the enumeration separately can fail if it "
                    "receives a new value. If your clients handle unknown values, use the preset "
                    "`lenient-enums`."
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
                message="restricted {element} to the enum {values}",
                explain="Before the change, values that are not in the list of enum values were valid.",
            ),
            Row(
                fact=facts.ENUM_REMOVED,
                effect=W,
                mirror=facts.ENUM_ADDED,
                peer=("const-removed",),
                message="removed the restriction of {element} to the enum {values}",
                explain=(
                    "The new schema has neither `enum` nor `const`, so values that are not in the old list "
                    "are valid after the change."
                ),
            ),
            Row(
                fact=facts.CONST_CHANGED,
                effect=C,
                mirror=facts.CONST_CHANGED,
                peer=("const-changed",),
                message="changed the only valid value of {element} from {before} to {after}",
                explain=(
                    "Both documents allow exactly one value (`const`, or `enum` with one value), but not the "
                    "same value."
                ),
            ),
            Row(
                fact=facts.EXTENSIBLE_ENUM_VALUE_REMOVED,
                effect=N,
                mirror=facts.EXTENSIBLE_ENUM_VALUE_ADDED,
                peer=("x-extensible-enum-value-removed",),
                message="removed the {values} from the extensible enum of {element}",
                explain=(
                    "The keyword `x-extensible-enum` announces that the API can add values. It does not "
                    "announce that the API can remove values."
                ),
            ),
            Row(
                fact=facts.EXTENSIBLE_ENUM_VALUE_ADDED,
                effect=NEUTRAL,
                mirror=facts.EXTENSIBLE_ENUM_VALUE_REMOVED,
                message="added the {values} to the extensible enum of {element}",
                explain="`x-extensible-enum` announces that values can be added.",
            ),
            Row(
                fact=facts.MULTIPLE_OF_ADDED,
                effect=N,
                mirror=facts.MULTIPLE_OF_REMOVED,
                peer=("multiple-of-set",),
                message="added the requirement that {element} is a multiple of {after}",
                explain=(
                    "Before the change, numbers that are not multiples of the new `multipleOf` were valid."
                ),
            ),
            Row(
                fact=facts.MULTIPLE_OF_REMOVED,
                effect=W,
                mirror=facts.MULTIPLE_OF_ADDED,
                peer=("multiple-of-unset",),
                message="removed the requirement that {element} is a multiple of {before}",
                explain=(
                    "After the change, numbers that are not multiples of the old `multipleOf` are valid."
                ),
            ),
            Row(
                fact=facts.MULTIPLE_OF_NARROWED,
                effect=N,
                mirror=facts.MULTIPLE_OF_WIDENED,
                peer=(
                    "multiple-of-changed",
                    "multiple-of-specialized",
                ),
                message="narrowed the `multipleOf` of {element} from {before} to {after}",
                explain=(
                    "Every multiple of the new `multipleOf` is a multiple of the old `multipleOf`, but some "
                    "multiples of the old one are not multiples of the new one."
                ),
            ),
            Row(
                fact=facts.MULTIPLE_OF_WIDENED,
                effect=W,
                mirror=facts.MULTIPLE_OF_NARROWED,
                peer=(
                    "multiple-of-changed",
                    "multiple-of-generalized",
                ),
                message="widened the `multipleOf` of {element} from {before} to {after}",
                explain=(
                    "Every multiple of the old `multipleOf` is a multiple of the new `multipleOf`, but some "
                    "multiples of the new one are not multiples of the old one."
                ),
            ),
            Row(
                fact=facts.MULTIPLE_OF_CHANGED,
                effect=C,
                mirror=facts.MULTIPLE_OF_CHANGED,
                peer=("multiple-of-changed",),
                message="changed the `multipleOf` of {element} from {before} to {after}",
                explain=(
                    "The old `multipleOf` is not a multiple of the new `multipleOf`, and the new one is not "
                    "a multiple of the old one."
                ),
            ),
            Row(
                fact=facts.UNIQUE_ITEMS_ADDED,
                effect=N,
                mirror=facts.UNIQUE_ITEMS_REMOVED,
                peer=("unique-items-set",),
                message="added the requirement that the items of {element} are unique",
                explain="Before the change, an array with two equal items was valid.",
            ),
            Row(
                fact=facts.UNIQUE_ITEMS_REMOVED,
                effect=W,
                mirror=facts.UNIQUE_ITEMS_ADDED,
                peer=("unique-items-unset",),
                message="removed the requirement that the items of {element} are unique",
                explain="After the change, an array with two equal items is valid.",
            ),
            *bounds.rows(),
            Row(
                fact=facts.DEFAULT_ADDED,
                effect=NEUTRAL,
                mirror=facts.DEFAULT_REMOVED,
                peer=("default-value-added",),
                message="added the default value {after} to {element}",
                explain=(
                    "A default value does not change which values are valid. If a request does not contain "
                    "the value, the server uses the default value."
                ),
            ),
            Row(
                fact=facts.DEFAULT_REMOVED,
                effect=NEUTRAL,
                mirror=facts.DEFAULT_ADDED,
                peer=("default-value-removed",),
                message="removed the default value {before} from {element}",
                explain=(
                    "A default value does not change which values are valid. If a request does not contain "
                    "the value, the server uses the default value. After the removal of the default value, "
                    "such a request may have another effect."
                ),
            ),
            Row(
                fact=facts.DEFAULT_CHANGED,
                effect=NEUTRAL,
                mirror=facts.DEFAULT_CHANGED,
                peer=("default-value-changed",),
                message="changed the default value of {element} from {before} to {after}",
                explain=(
                    "A default value does not change which values are valid. If a request does not contain "
                    "the value, the server uses the default value. After the change of the default value, "
                    "such a request has another effect."
                ),
            ),
        ],
    ),
]
