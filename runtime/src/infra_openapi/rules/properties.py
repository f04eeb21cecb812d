"""The rules for the declared, required and undeclared properties of an object."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_IGNORED = "OpenAPI does not define whether a server rejects or ignores an undeclared property"
_DEFAULTED = (
    "the server uses the default value for a missing property, so the server probably accepts the request"
)
_READ = "clients that read the optional property when it is present no longer receive its value"

RULES = [
    *directed(
        "schema",
        [
            Row(
                fact=facts.PROPERTY_ADDED,
                effect=NEUTRAL,
                mirror=facts.PROPERTY_REMOVED,
                peer=("new-optional-request-property", "response-optional-property-added"),
                message="added the optional property {subject} to {container}",
                explain=(
                    "Messages do not have to contain the new property. The old schema allows undeclared "
                    "properties, so a message with the new property was valid before the change."
                ),
            ),
            Row(
                fact=facts.PROPERTY_ADDED_REQUIRED,
                effect=N,
                mirror=facts.REQUIRED_PROPERTY_REMOVED,
                peer=(
                    "new-required-request-property",
                    "new-required-request-header-property",
                    "response-required-property-added",
                ),
                message="added the required property {subject} to {container}",
                explain="After the change, a message without the new property is invalid.",
            ),
            Row(
                fact=facts.PROPERTY_ADDED_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.REQUIRED_PROPERTY_REMOVED,
                peer=("new-required-request-property-with-default",),
                message="added the required property {subject}, which has a default value, to {container}",
                explain=(
                    "According to OpenAPI, a message without the property is invalid, but the default value "
                    "suggests that the server inserts the missing value."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PROPERTY_ADDED_TO_CLOSED,
                effect=W,
                mirror=facts.PROPERTY_REMOVED_FROM_CLOSED,
                message=(
                    "added the property {subject} to {container}, which did not allow undeclared properties"
                ),
                explain=(
                    "The old schema forbids undeclared properties (`additionalProperties` or "
                    "`unevaluatedProperties`), so a client that validates messages with the old schema "
                    "rejects the property."
                ),
            ),
            Row(
                fact=facts.PROPERTY_REMOVED,
                effect=N,
                mirror=facts.PROPERTY_ADDED,
                peer=("request-property-removed", "response-optional-property-removed"),
                message="removed the optional property {subject} from {container}",
                explain="The property was optional, so a message without it was valid before.",
                deviations={REQUEST: (Level.WARNING, _IGNORED), RESPONSE: (Level.WARNING, _READ)},
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_REMOVED,
                effect=W,
                mirror=facts.PROPERTY_ADDED_REQUIRED,
                peer=("request-property-removed", "response-required-property-removed"),
                message="removed the required property {subject} from {container}",
                explain="Before the change, every message contained the property.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.PROPERTY_REMOVED_FROM_CLOSED,
                effect=N,
                mirror=facts.PROPERTY_ADDED_TO_CLOSED,
                peer=("request-property-removed",),
                message=(
                    "removed the property {subject} from {container}, which does not allow undeclared "
                    "properties"
                ),
                explain=(
                    "The new schema forbids undeclared properties (`additionalProperties` or "
                    "`unevaluatedProperties`), so a message that contains the property is invalid."
                ),
            ),
            Row(
                fact=facts.PROPERTY_FORBIDDEN,
                effect=N,
                mirror=facts.PROPERTY_NO_LONGER_FORBIDDEN,
                message="forbade the property {subject} in {container}",
                explain=(
                    "The schema of the property is `false`, or its keywords contradict one another, so every "
                    "value of the property is invalid."
                ),
            ),
            Row(
                fact=facts.PROPERTY_NO_LONGER_FORBIDDEN,
                effect=W,
                mirror=facts.PROPERTY_FORBIDDEN,
                message="allowed the property {subject}, which was forbidden before, in {container}",
                explain=(
                    "The schema of the property was `false`, or its keywords contradicted one another, so "
                    "every value of the property was invalid."
                ),
            ),
            Row(
                fact=facts.PROPERTY_BECAME_REQUIRED,
                effect=N,
                mirror=facts.PROPERTY_BECAME_OPTIONAL,
                peer=(
                    "request-property-became-required",
                    "request-header-property-became-required",
                    "response-property-became-required",
                ),
                message="made the property {subject} of {container} required",
                explain="Before the change, a message without the property was valid.",
            ),
            Row(
                fact=facts.PROPERTY_BECAME_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.PROPERTY_BECAME_OPTIONAL,
                peer=("request-property-became-required-with-default",),
                message=(
                    "made the property {subject} of {container} required; the property has a default value"
                ),
                explain=(
                    "According to OpenAPI, a message without the property is invalid, but the default value "
                    "suggests that the server inserts the missing value."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PROPERTY_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.PROPERTY_BECAME_REQUIRED,
                peer=("request-property-became-optional", "response-property-became-optional"),
                message="made the property {subject} of {container} optional",
                explain="Before the change, every message contained the property.",
            ),
            Row(
                fact=facts.ADDITIONAL_PROPERTIES_FORBIDDEN,
                effect=N,
                mirror=facts.ADDITIONAL_PROPERTIES_ALLOWED,
                peer=("unevaluated-properties-added",),
                message="forbade undeclared properties in {object}",
                explain=(
                    "The new schema forbids undeclared properties (`additionalProperties` or "
                    "`unevaluatedProperties`)."
                ),
            ),
            Row(
                fact=facts.ADDITIONAL_PROPERTIES_ALLOWED,
                effect=W,
                mirror=facts.ADDITIONAL_PROPERTIES_FORBIDDEN,
                peer=("unevaluated-properties-removed",),
                message="allowed undeclared properties in {object}",
                explain=(
                    "The old schema forbids undeclared properties, so a client that validates messages with "
                    "the old schema rejects such properties."
                ),
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_ADDED,
                effect=N,
                mirror=facts.PATTERN_PROPERTY_REMOVED,
                peer=("pattern-property-added",),
                message="added a schema for the properties of {old_element} whose names match {after}",
                explain=(
                    "Before the change, the pattern did not restrict the properties whose names match it."
                ),
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_REMOVED,
                effect=W,
                mirror=facts.PATTERN_PROPERTY_ADDED,
                peer=("pattern-property-removed",),
                message="removed the schema for the properties of {element} whose names match {before}",
                explain="After the change, the pattern does not restrict properties whose names match it.",
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_ALLOWED,
                effect=W,
                mirror=facts.PATTERN_PROPERTY_FORBIDDEN,
                message="allowed properties whose names match {after} in {old_element}",
                explain=(
                    "The old schema forbids properties whose names match the pattern, so a client that "
                    "validates messages with the old schema rejects such properties."
                ),
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_FORBIDDEN,
                effect=N,
                mirror=facts.PATTERN_PROPERTY_ALLOWED,
                message="forbade properties whose names match {before} in {element}",
                explain=(
                    "The new schema forbids undeclared properties, which include the properties whose names "
                    "match the removed pattern."
                ),
            ),
            Row(
                fact=facts.PROPERTY_NAMES_ADDED,
                effect=N,
                mirror=facts.PROPERTY_NAMES_REMOVED,
                peer=("property-names-added",),
                message="added a restriction on the property names of {object} (`propertyNames`)",
                explain="Before the change, every property name was valid.",
            ),
            Row(
                fact=facts.PROPERTY_NAMES_REMOVED,
                effect=W,
                mirror=facts.PROPERTY_NAMES_ADDED,
                peer=("property-names-removed",),
                message="removed the restriction on the property names of {object} (`propertyNames`)",
                explain="After the change, every property name is valid.",
            ),
            Row(
                fact=facts.DISCRIMINATOR_PROPERTY_CHANGED,
                effect=C,
                mirror=facts.DISCRIMINATOR_PROPERTY_CHANGED,
                peer=("discriminator-property-name-changed",),
                message="changed the discriminator property of {element} from {before} to {after}",
                explain=(
                    "The discriminator property selects the schema of a message. Existing clients write or "
                    "read another property."
                ),
            ),
        ],
    ),
    # Requests contain no read-only properties, and responses contain no write-only properties, so each of
    # these rules has only one direction.
    *directed(
        "schema",
        [
            Row(
                fact=facts.PROPERTY_BECAME_READ_ONLY,
                effect=N,
                mirror=facts.PROPERTY_BECAME_NOT_READ_ONLY,
                peer=("request-optional-property-became-read-only",),
                message="made the property {subject} of {container} read-only",
                explain=(
                    "Clients should no longer send the property. A server may ignore or reject a read-only "
                    "property."
                ),
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_READ_ONLY,
                effect=N,
                mirror=facts.REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY,
                peer=("request-required-property-became-read-only",),
                message="made the required property {subject} of {container} read-only",
                explain=(
                    "Clients should no longer send the property. A server may ignore or reject a read-only "
                    "property."
                ),
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.PROPERTY_BECAME_NOT_READ_ONLY,
                effect=NEUTRAL,
                mirror=facts.PROPERTY_BECAME_READ_ONLY,
                peer=("request-optional-property-became-not-read-only",),
                message="removed `readOnly` from the property {subject} of {container}",
                explain=(
                    "After the change, clients may send the property, but do not have to send the property."
                ),
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY,
                effect=N,
                mirror=facts.REQUIRED_PROPERTY_BECAME_READ_ONLY,
                peer=("request-required-property-became-not-read-only",),
                message=(
                    "removed `readOnly` from the required property {subject} of {container}, so requests "
                    "must contain this property"
                ),
                explain=(
                    "While a property is read-only, `required` applies to responses only (OpenAPI 3.0.3, "
                    "Schema Object, `readOnly`). Now `required` applies to requests too, and existing "
                    "clients do not send the property."
                ),
            ),
        ],
    ),
    *directed(
        "schema",
        [
            Row(
                fact=facts.PROPERTY_BECAME_WRITE_ONLY,
                effect=N,
                mirror=facts.PROPERTY_BECAME_NOT_WRITE_ONLY,
                peer=("response-optional-property-became-write-only",),
                message="made the property {subject} of {container} write-only",
                explain=(
                    "The server no longer returns the property. The property was optional, so a response "
                    "without it was valid before."
                ),
                deviations={RESPONSE: (Level.WARNING, _READ)},
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_WRITE_ONLY,
                effect=W,
                mirror=facts.REQUIRED_PROPERTY_BECAME_NOT_WRITE_ONLY,
                peer=("response-required-property-became-write-only",),
                message="made the required property {subject} of {container} write-only",
                explain="The server no longer returns the property, which every response contained before.",
                consequence="A client can receive a response without the property.",
            ),
            Row(
                fact=facts.PROPERTY_BECAME_NOT_WRITE_ONLY,
                effect=NEUTRAL,
                mirror=facts.PROPERTY_BECAME_WRITE_ONLY,
                peer=("response-optional-property-became-not-write-only",),
                message="removed `writeOnly` from the property {subject} of {container}",
                explain="After the change, responses may contain the property.",
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_NOT_WRITE_ONLY,
                effect=NEUTRAL,
                mirror=facts.REQUIRED_PROPERTY_BECAME_WRITE_ONLY,
                peer=("response-required-property-became-not-write-only",),
                message="removed `writeOnly` from the required property {subject} of {container}",
                explain="After the change, every response contains the property.",
            ),
        ],
    ),
]
