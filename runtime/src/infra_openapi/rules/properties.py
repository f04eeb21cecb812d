"""Rules for the properties of an object: which there are, which must be, and which others may be."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_IGNORED = (
    "nothing says that a server refuses a property that it does not know, and nothing says that it takes it"
)
_DEFAULTED = (
    "the default tells what the server takes for what is missing, so a request without it may well pass"
)

RULES = [
    *directed(
        "schema",
        [
            Row(
                fact=facts.PROPERTY_ADDED,
                effect=NEUTRAL,
                mirror=facts.PROPERTY_REMOVED,
                peer=("new-optional-request-property", "response-optional-property-added"),
                message="{place} has a new optional property {subject}",
                explain=(
                    "Nobody has to send it, and whoever receives it did not forbid properties that it "
                    "does not know."
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
                message="{place} has a new required property {subject}",
                explain="A client that does not know the property does not send it.",
            ),
            Row(
                fact=facts.PROPERTY_ADDED_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.REQUIRED_PROPERTY_REMOVED,
                peer=("new-required-request-property-with-default",),
                message="{place} has a new required property {subject}, which has a default",
                explain=(
                    "Strictly a message without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PROPERTY_ADDED_TO_CLOSED,
                effect=W,
                mirror=facts.PROPERTY_REMOVED_FROM_CLOSED,
                message="{place} may have a property {subject}, although it used to allow none but its own",
                explain=(
                    "The old schema forbids other properties (`additionalProperties: false`), so whoever "
                    "checks by it refuses."
                ),
            ),
            Row(
                fact=facts.PROPERTY_REMOVED,
                effect=N,
                mirror=facts.PROPERTY_ADDED,
                peer=("request-property-removed", "response-optional-property-removed"),
                message="{place} has no property {subject} any more",
                explain=(
                    "In a response nobody could count on it, for it was optional. In a request it may be "
                    "ignored, or refused."
                ),
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_REMOVED,
                effect=W,
                mirror=facts.PROPERTY_ADDED_REQUIRED,
                peer=("request-property-removed", "response-required-property-removed"),
                message="{place} has no property {subject} any more, which used to be required",
                explain="Whoever receives it could count on it. In a request it may be ignored, or refused.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.PROPERTY_REMOVED_FROM_CLOSED,
                effect=N,
                mirror=facts.PROPERTY_ADDED_TO_CLOSED,
                peer=("request-property-removed",),
                message="{place} has no property {subject} any more, and forbids all but its own",
                explain=(
                    "The new schema has `additionalProperties: false`: a message with the property is "
                    "refused."
                ),
            ),
            Row(
                fact=facts.PROPERTY_FORBIDDEN,
                effect=N,
                mirror=facts.PROPERTY_NO_LONGER_FORBIDDEN,
                message="{place} may not have a property {subject}",
                explain="The property's schema is `false`.",
            ),
            Row(
                fact=facts.PROPERTY_NO_LONGER_FORBIDDEN,
                effect=W,
                mirror=facts.PROPERTY_FORBIDDEN,
                message="{place} may have a property {subject}, which was forbidden",
                explain="The property's schema was `false`.",
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
                message="{place} must have the property {subject} now",
                explain="It could be left out before.",
            ),
            Row(
                fact=facts.PROPERTY_BECAME_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.PROPERTY_BECAME_OPTIONAL,
                peer=("request-property-became-required-with-default",),
                message="{place} must have the property {subject} now, which has a default",
                explain=(
                    "Strictly a message without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PROPERTY_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.PROPERTY_BECAME_REQUIRED,
                peer=("request-property-became-optional", "response-property-became-optional"),
                message="{place} may come without the property {subject}",
                explain="Whoever receives it used to be able to count on it.",
            ),
            Row(
                fact=facts.ADDITIONAL_PROPERTIES_FORBIDDEN,
                effect=N,
                mirror=facts.ADDITIONAL_PROPERTIES_ALLOWED,
                peer=("unevaluated-properties-added",),
                message="{place} allows no properties but its own any more",
                explain="Any other property was allowed before.",
            ),
            Row(
                fact=facts.ADDITIONAL_PROPERTIES_ALLOWED,
                effect=W,
                mirror=facts.ADDITIONAL_PROPERTIES_FORBIDDEN,
                peer=("unevaluated-properties-removed",),
                message="{place} allows properties besides its own",
                explain="The old schema forbids them, so whoever checks by it refuses.",
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_ADDED,
                effect=N,
                mirror=facts.PATTERN_PROPERTY_REMOVED,
                peer=("pattern-property-added",),
                message="the properties of {place} that match {after} are restrained now",
                explain="They could be anything before.",
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_REMOVED,
                effect=W,
                mirror=facts.PATTERN_PROPERTY_ADDED,
                peer=("pattern-property-removed",),
                message="the properties of {place} that match {before} are not restrained any more",
                explain="They can be anything now.",
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_ALLOWED,
                effect=W,
                mirror=facts.PATTERN_PROPERTY_FORBIDDEN,
                message="{place} allows properties that match {after}",
                explain="The old schema forbids them, so whoever checks by it refuses.",
            ),
            Row(
                fact=facts.PATTERN_PROPERTY_FORBIDDEN,
                effect=N,
                mirror=facts.PATTERN_PROPERTY_ALLOWED,
                message="{place} does not allow properties that match {before} any more",
                explain="The new schema forbids all properties but its own.",
            ),
            Row(
                fact=facts.PROPERTY_NAMES_ADDED,
                effect=N,
                mirror=facts.PROPERTY_NAMES_REMOVED,
                peer=("property-names-added",),
                message="the names of the properties of {place} are restrained now",
                explain="Every name was allowed before.",
            ),
            Row(
                fact=facts.PROPERTY_NAMES_REMOVED,
                effect=W,
                mirror=facts.PROPERTY_NAMES_ADDED,
                peer=("property-names-removed",),
                message="the names of the properties of {place} are not restrained any more",
                explain="Every name is possible now.",
            ),
            Row(
                fact=facts.DISCRIMINATOR_PROPERTY_CHANGED,
                effect=U,
                mirror=facts.DISCRIMINATOR_PROPERTY_CHANGED,
                peer=("discriminator-property-name-changed",),
                message="{place} is told apart by {after} instead of {before}",
                explain="What is valid does not depend on it, but generated readers and writers do.",
            ),
        ],
    ),
    # A client does not send what is read-only, nor receive what is write-only: no other direction sees it.
    *directed(
        "schema",
        [
            Row(
                fact=facts.PROPERTY_BECAME_READ_ONLY,
                effect=N,
                mirror=facts.PROPERTY_BECAME_NOT_READ_ONLY,
                peer=("request-optional-property-became-read-only",),
                message="the property {subject} of {place} is not to be sent any more: it is read-only",
                explain="A server may ignore a read-only property that is sent, or refuse it.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_READ_ONLY,
                effect=N,
                mirror=facts.REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY,
                peer=("request-required-property-became-read-only",),
                message=(
                    "the required property {subject} of {place} is not to be sent any more: it is read-only"
                ),
                explain="A server may ignore a read-only property that is sent, or refuse it.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.PROPERTY_BECAME_NOT_READ_ONLY,
                effect=NEUTRAL,
                mirror=facts.PROPERTY_BECAME_READ_ONLY,
                peer=("request-optional-property-became-not-read-only",),
                message="the property {subject} of {place} may be sent now",
                explain="It was read-only; nobody has to send it.",
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY,
                effect=N,
                mirror=facts.REQUIRED_PROPERTY_BECAME_READ_ONLY,
                peer=("request-required-property-became-not-read-only",),
                message=(
                    "the property {subject} of {place} must be sent now: it is required, and no longer "
                    "read-only"
                ),
                explain=(
                    "`required` counts for responses alone while a property is read-only (OpenAPI 3.0.3, "
                    "Schema Object, "
                    "`readOnly`); from now on it counts for requests, and clients do not send it."
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
                message="the property {subject} of {place} does not come back any more: it is write-only",
                explain="It was optional, so nobody could count on it.",
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_WRITE_ONLY,
                effect=W,
                mirror=facts.REQUIRED_PROPERTY_BECAME_NOT_WRITE_ONLY,
                peer=("response-required-property-became-write-only",),
                message=(
                    "the required property {subject} of {place} does not come back any more: it is write-only"
                ),
                explain="Whoever receives it could count on it.",
            ),
            Row(
                fact=facts.PROPERTY_BECAME_NOT_WRITE_ONLY,
                effect=NEUTRAL,
                mirror=facts.PROPERTY_BECAME_WRITE_ONLY,
                peer=("response-optional-property-became-not-write-only",),
                message="the property {subject} of {place} may come back now",
                explain="It was write-only.",
            ),
            Row(
                fact=facts.REQUIRED_PROPERTY_BECAME_NOT_WRITE_ONLY,
                effect=NEUTRAL,
                mirror=facts.REQUIRED_PROPERTY_BECAME_WRITE_ONLY,
                peer=("response-required-property-became-not-write-only",),
                message="the property {subject} of {place} comes back now",
                explain="It was write-only.",
            ),
        ],
    ),
]
