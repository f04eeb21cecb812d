"""Rules for the properties of an object: which there are, which must be, and which others may be."""

from __future__ import annotations

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
                name="property-added",
                effect=NEUTRAL,
                mirror="property-removed",
                peer=("new-optional-request-property", "response-optional-property-added"),
                message="{place} has a new optional property {subject}",
                explain=(
                    "Nobody has to send it, and whoever receives it did not forbid properties that it "
                    "does not know."
                ),
            ),
            Row(
                name="property-added-required",
                effect=N,
                mirror="required-property-removed",
                peer=(
                    "new-required-request-property",
                    "new-required-request-header-property",
                    "response-required-property-added",
                ),
                message="{place} has a new required property {subject}",
                explain="A client that does not know the property does not send it.",
            ),
            Row(
                name="property-added-required-with-default",
                effect=N,
                mirror="required-property-removed",
                peer=("new-required-request-property-with-default",),
                message="{place} has a new required property {subject}, which has a default",
                explain=(
                    "Strictly a message without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                name="property-added-to-closed",
                effect=W,
                mirror="property-removed-from-closed",
                message="{place} may have a property {subject}, although it used to allow none but its own",
                explain=(
                    "The old schema forbids other properties (`additionalProperties: false`), so whoever "
                    "checks by it refuses."
                ),
            ),
            Row(
                name="property-removed",
                effect=N,
                mirror="property-added",
                peer=("request-property-removed", "response-optional-property-removed"),
                message="{place} has no property {subject} any more",
                explain=(
                    "In a response nobody could count on it, for it was optional. In a request it may be "
                    "ignored, or refused."
                ),
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                name="required-property-removed",
                effect=W,
                mirror="property-added-required",
                peer=("request-property-removed", "response-required-property-removed"),
                message="{place} has no property {subject} any more, which used to be required",
                explain="Whoever receives it could count on it. In a request it may be ignored, or refused.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                name="property-removed-from-closed",
                effect=N,
                mirror="property-added-to-closed",
                peer=("request-property-removed",),
                message="{place} has no property {subject} any more, and forbids all but its own",
                explain=(
                    "The new schema has `additionalProperties: false`: a message with the property is "
                    "refused."
                ),
            ),
            Row(
                name="property-forbidden",
                effect=N,
                mirror="property-no-longer-forbidden",
                message="{place} may not have a property {subject}",
                explain="The property's schema is `false`.",
            ),
            Row(
                name="property-no-longer-forbidden",
                effect=W,
                mirror="property-forbidden",
                message="{place} may have a property {subject}, which was forbidden",
                explain="The property's schema was `false`.",
            ),
            Row(
                name="property-became-required",
                effect=N,
                mirror="property-became-optional",
                peer=(
                    "request-property-became-required",
                    "request-header-property-became-required",
                    "response-property-became-required",
                ),
                message="{place} must have the property {subject} now",
                explain="It could be left out before.",
            ),
            Row(
                name="property-became-required-with-default",
                effect=N,
                mirror="property-became-optional",
                peer=("request-property-became-required-with-default",),
                message="{place} must have the property {subject} now, which has a default",
                explain=(
                    "Strictly a message without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                name="property-became-optional",
                effect=W,
                mirror="property-became-required",
                peer=("request-property-became-optional", "response-property-became-optional"),
                message="{place} may come without the property {subject}",
                explain="Whoever receives it used to be able to count on it.",
            ),
            Row(
                name="additional-properties-forbidden",
                effect=N,
                mirror="additional-properties-allowed",
                peer=("unevaluated-properties-added",),
                message="{place} allows no properties but its own any more",
                explain="Any other property was allowed before.",
            ),
            Row(
                name="additional-properties-allowed",
                effect=W,
                mirror="additional-properties-forbidden",
                peer=("unevaluated-properties-removed",),
                message="{place} allows properties besides its own",
                explain="The old schema forbids them, so whoever checks by it refuses.",
            ),
            Row(
                name="pattern-property-added",
                effect=N,
                mirror="pattern-property-removed",
                peer=("pattern-property-added",),
                message="the properties of {place} that match {after} are restrained now",
                explain="They could be anything before.",
            ),
            Row(
                name="pattern-property-removed",
                effect=W,
                mirror="pattern-property-added",
                peer=("pattern-property-removed",),
                message="the properties of {place} that match {before} are not restrained any more",
                explain="They can be anything now.",
            ),
            Row(
                name="pattern-property-allowed",
                effect=W,
                mirror="pattern-property-forbidden",
                message="{place} allows properties that match {after}",
                explain="The old schema forbids them, so whoever checks by it refuses.",
            ),
            Row(
                name="pattern-property-forbidden",
                effect=N,
                mirror="pattern-property-allowed",
                message="{place} does not allow properties that match {before} any more",
                explain="The new schema forbids all properties but its own.",
            ),
            Row(
                name="property-names-added",
                effect=N,
                mirror="property-names-removed",
                peer=("property-names-added",),
                message="the names of the properties of {place} are restrained now",
                explain="Every name was allowed before.",
            ),
            Row(
                name="property-names-removed",
                effect=W,
                mirror="property-names-added",
                peer=("property-names-removed",),
                message="the names of the properties of {place} are not restrained any more",
                explain="Every name is possible now.",
            ),
            Row(
                name="discriminator-property-changed",
                effect=U,
                mirror="discriminator-property-changed",
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
                name="property-became-read-only",
                effect=N,
                mirror="property-became-not-read-only",
                peer=("request-optional-property-became-read-only",),
                message="the property {subject} of {place} is not to be sent any more: it is read-only",
                explain="A server may ignore a read-only property that is sent, or refuse it.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                name="required-property-became-read-only",
                effect=N,
                mirror="required-property-became-not-read-only",
                peer=("request-required-property-became-read-only",),
                message=(
                    "the required property {subject} of {place} is not to be sent any more: it is read-only"
                ),
                explain="A server may ignore a read-only property that is sent, or refuse it.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                name="property-became-not-read-only",
                effect=NEUTRAL,
                mirror="property-became-read-only",
                peer=("request-optional-property-became-not-read-only",),
                message="the property {subject} of {place} may be sent now",
                explain="It was read-only; nobody has to send it.",
            ),
            Row(
                name="required-property-became-not-read-only",
                effect=N,
                mirror="required-property-became-read-only",
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
        [REQUEST],
    ),
    *directed(
        "schema",
        [
            Row(
                name="property-became-write-only",
                effect=N,
                mirror="property-became-not-write-only",
                peer=("response-optional-property-became-write-only",),
                message="the property {subject} of {place} does not come back any more: it is write-only",
                explain="It was optional, so nobody could count on it.",
            ),
            Row(
                name="required-property-became-write-only",
                effect=W,
                mirror="required-property-became-not-write-only",
                peer=("response-required-property-became-write-only",),
                message=(
                    "the required property {subject} of {place} does not come back any more: it is write-only"
                ),
                explain="Whoever receives it could count on it.",
            ),
            Row(
                name="property-became-not-write-only",
                effect=NEUTRAL,
                mirror="property-became-write-only",
                peer=("response-optional-property-became-not-write-only",),
                message="the property {subject} of {place} may come back now",
                explain="It was write-only.",
            ),
            Row(
                name="required-property-became-not-write-only",
                effect=NEUTRAL,
                mirror="required-property-became-write-only",
                peer=("response-required-property-became-not-write-only",),
                message="the property {subject} of {place} comes back now",
                explain="It was write-only.",
            ),
        ],
        [RESPONSE],
    ),
]
