"""The rules for parameters, request bodies, media types and the parts of forms."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_IGNORED = "OpenAPI does not define whether a server rejects or ignores an undeclared parameter"
_ASKED = "the client selects one of the media types that the server offers in the old and the new document"
_DEFAULTED = (
    "the server uses the default value for a missing parameter, so the server probably accepts the request"
)
_ANNOUNCED = (
    "the old document announces the removal with a sunset date (`x-sunset`), and this date has passed"
)
_STILL_VALID = "the old document announces that the parameter works until its sunset date"

RULES = [
    *directed(
        "parameters",
        [
            Row(
                fact=facts.PARAMETER_ADDED,
                effect=W,
                mirror=facts.PARAMETER_REMOVED,
                peer=(
                    "new-optional-request-parameter",
                    "new-optional-request-default-parameter-to-existing-path",
                ),
                message="added the optional {parameter}",
                explain="A request without the new parameter is still valid.",
                deviations={
                    RESPONSE: (
                        Level.INFO,
                        "the client that receives a callback or webhook can ignore an unexpected parameter",
                    )
                },
            ),
            Row(
                fact=facts.PARAMETER_ADDED_REQUIRED,
                effect=N,
                mirror=facts.PARAMETER_REMOVED,
                peer=(
                    "new-required-request-parameter",
                    "new-request-path-parameter",
                    "new-required-request-default-parameter-to-existing-path",
                ),
                message="added the required {parameter}",
                explain=(
                    "Existing clients do not send the new parameter, and a request without the new parameter"
                    " is invalid."
                ),
            ),
            Row(
                fact=facts.PARAMETER_ADDED_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.PARAMETER_REMOVED,
                message="added the required {parameter}, which has a default value",
                explain=(
                    "According to OpenAPI, a request without the parameter is invalid, but the default value "
                    "suggests that the server inserts the missing value."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PARAMETER_REMOVED,
                effect=N,
                mirror=facts.PARAMETER_ADDED,
                peer=("request-parameter-removed", "request-parameter-removed-with-deprecation"),
                message="removed the {parameter}",
                explain=(
                    "The server may reject a request that contains the parameter, or may ignore the "
                    "parameter."
                ),
                deviations={
                    REQUEST: (Level.WARNING, _IGNORED),
                    RESPONSE: (
                        Level.WARNING,
                        "the removed parameter was optional, but clients may have read its value",
                    ),
                },
            ),
            Row(
                fact=facts.PARAMETER_REMOVED_BEFORE_SUNSET,
                effect=N,
                mirror=facts.PARAMETER_ADDED,
                peer=("request-parameter-removed-before-sunset", "request-parameter-sunset-parse"),
                message="removed the {parameter} before its sunset date {before}",
                explain=(
                    "The old document announces that the parameter works until its sunset date (`x-sunset`)."
                ),
                deviations={RESPONSE: (Level.BREAKING, _STILL_VALID)},
            ),
            Row(
                fact=facts.PARAMETER_REMOVED_AFTER_SUNSET,
                effect=N,
                mirror=facts.PARAMETER_ADDED,
                peer=("request-parameter-removed-with-deprecation",),
                message="removed the deprecated {parameter} after its sunset date {before}",
                explain="The parameter was deprecated, and its sunset date (`x-sunset`) has passed.",
                deviations={REQUEST: (Level.INFO, _ANNOUNCED)},
            ),
            Row(
                fact=facts.PARAMETER_BECAME_REQUIRED,
                effect=N,
                mirror=facts.PARAMETER_BECAME_OPTIONAL,
                peer=("request-parameter-became-required",),
                message="made the {parameter} required",
                explain="Before the change, a request without the parameter was valid.",
            ),
            Row(
                fact=facts.PARAMETER_BECAME_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.PARAMETER_BECAME_OPTIONAL,
                message="made the {parameter} required; the parameter has a default value",
                explain=(
                    "According to OpenAPI, a request without the parameter is invalid, but the default value "
                    "suggests that the server inserts the missing value."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PARAMETER_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.PARAMETER_BECAME_REQUIRED,
                peer=("request-parameter-became-optional",),
                message="made the {parameter} optional",
                explain="Before the change, a request without the parameter was invalid.",
            ),
            Row(
                fact=facts.PARAMETER_SERIALIZATION_CHANGED,
                effect=C,
                mirror=facts.PARAMETER_SERIALIZATION_CHANGED,
                peer=("request-parameter-style-changed", "request-parameter-explode-changed"),
                message="changed the serialization of the {parameter} from {before} to {after}",
                explain=(
                    "The keywords `style`, `explode` and `content` define how the value of a parameter is "
                    "written as text. The keyword `explode` affects only arrays and objects."
                ),
            ),
            Row(
                fact=facts.PARAMETER_RESERVED_FORBIDDEN,
                effect=N,
                mirror=facts.PARAMETER_RESERVED_ALLOWED,
                peer=("request-parameter-became-not-allow-reserved",),
                message="forbade unescaped reserved characters in the {parameter} (`allowReserved`)",
                explain=(
                    "After the change, characters such as `/` and `?` in the value must be percent-encoded."
                ),
            ),
            Row(
                fact=facts.PARAMETER_RESERVED_ALLOWED,
                effect=W,
                mirror=facts.PARAMETER_RESERVED_FORBIDDEN,
                peer=("request-parameter-became-allow-reserved",),
                message="allowed unescaped reserved characters in the {parameter} (`allowReserved`)",
                explain=(
                    "Before the change, characters such as `/` and `?` in the value had to be "
                    "percent-encoded."
                ),
            ),
            Row(
                fact=facts.PARAMETER_EMPTY_FORBIDDEN,
                effect=N,
                mirror=facts.PARAMETER_EMPTY_ALLOWED,
                message="forbade an empty value of the {parameter} (`allowEmptyValue`)",
                explain="Before the change, an empty value of the parameter was valid.",
            ),
            Row(
                fact=facts.PARAMETER_EMPTY_ALLOWED,
                effect=W,
                mirror=facts.PARAMETER_EMPTY_FORBIDDEN,
                message="allowed an empty value of the {parameter} (`allowEmptyValue`)",
                explain="Before the change, an empty value of the parameter was invalid.",
            ),
            Row(
                fact=facts.PARAMETER_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.PARAMETER_REACTIVATED,
                peer=("request-parameter-deprecated",),
                message="deprecated the {parameter} {sunset}",
                explain=(
                    "The deprecated parameter still works. Clients should stop using the parameter before "
                    "the API removes it."
                ),
            ),
            Row(
                fact=facts.PARAMETER_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.PARAMETER_DEPRECATED,
                peer=("request-parameter-reactivated",),
                message="removed the deprecation of the {parameter}",
                explain="Before the change, the parameter was deprecated.",
            ),
            Row(
                fact=facts.PARAMETER_SUNSET_REMOVED,
                effect=C,
                waiver="adding a sunset date to a deprecated parameter affects no client",
                peer=("request-parameter-sunset-deleted",),
                message="removed the sunset date {before} of the deprecated {parameter}",
                explain=(
                    "The old document announces that the parameter works until its sunset date (`x-sunset`)."
                    " The new document does not contain a sunset date for the parameter."
                ),
                consequence="The parameter can be removed earlier than announced.",
            ),
            Row(
                fact=facts.PARAMETER_SUNSET_EARLIER,
                effect=C,
                waiver="moving a sunset date to a later day affects no client",
                peer=("request-parameter-sunset-date-changed-too-small",),
                message="moved the sunset date of the {parameter} from {before} to the earlier date {after}",
                explain="The old document announces that the parameter works until the later date.",
                consequence="Clients have less time than announced to stop using the parameter.",
            ),
        ],
    ),
    *directed(
        "bodies",
        [
            Row(
                fact=facts.BODY_ADDED,
                effect=W,
                mirror=facts.BODY_REMOVED,
                peer=("request-body-added-optional",),
                message="added an optional request body",
                explain="A request without a body is still valid.",
                deviations={
                    RESPONSE: (
                        Level.INFO,
                        "the client that receives a callback or webhook can ignore an unexpected body",
                    )
                },
            ),
            Row(
                fact=facts.BODY_ADDED_REQUIRED,
                effect=N,
                mirror=facts.BODY_REMOVED,
                peer=("request-body-added-required",),
                message="added a required request body",
                explain="Existing clients do not send a body, and a request without a body is invalid.",
            ),
            Row(
                fact=facts.BODY_REMOVED,
                effect=N,
                mirror=facts.BODY_ADDED,
                peer=("request-body-removed",),
                message="removed the request body",
                explain=(
                    "After the change, the server may ignore the body of a request, so clients can no longer"
                    " send the data that was in the body."
                ),
                deviations={
                    RESPONSE: (
                        Level.BREAKING,
                        ("before the change, clients could rely on the data in the body"),
                    )
                },
            ),
            Row(
                fact=facts.BODY_BECAME_REQUIRED,
                effect=N,
                mirror=facts.BODY_BECAME_OPTIONAL,
                peer=("request-body-became-required",),
                message="made the request body required",
                explain="Before the change, a request without a body was valid.",
            ),
            Row(
                fact=facts.BODY_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.BODY_BECAME_REQUIRED,
                peer=("request-body-became-optional",),
                message="made the request body optional",
                explain="Before the change, a request without a body was invalid.",
            ),
            Row(
                fact=facts.MEDIA_TYPE_REMOVED,
                effect=N,
                mirror=facts.MEDIA_TYPE_ADDED,
                peer=(
                    "request-body-media-type-removed",
                    "response-media-type-removed",
                    "response-media-type-name-changed",
                    "response-media-type-parameter-changed",
                ),
                message="removed the media type {before} from {container}",
                explain=(
                    "No other media type or media range of the new document includes the removed media type."
                ),
                deviations={RESPONSE: (Level.BREAKING, _ASKED)},
            ),
            Row(
                fact=facts.MEDIA_TYPE_ADDED,
                effect=W,
                mirror=facts.MEDIA_TYPE_REMOVED,
                peer=("request-body-media-type-added", "response-media-type-added"),
                message="added the media type {after} to {container}",
                explain="Clients that use another media type are not affected.",
                deviations={RESPONSE: (Level.INFO, _ASKED)},
            ),
            Row(
                fact=facts.XML_CHANGED,
                effect=C,
                mirror=facts.XML_CHANGED,
                message="changed the XML representation of {element} from {before} to {after}",
                explain=(
                    "The keyword `xml` defines whether a value is written as an XML element or attribute, "
                    "and the name and namespace of this element or attribute. The keyword has no effect on "
                    "JSON."
                ),
            ),
            Row(
                fact=facts.PART_MEDIA_TYPE_REMOVED,
                effect=N,
                mirror=facts.PART_MEDIA_TYPE_ADDED,
                message="removed the media type {before} from the form part {subject} in {container}",
                explain=(
                    "The keyword `encoding` defines the media types of a part of a form. Without `encoding`,"
                    " the type in the schema of the part defines the media type."
                ),
            ),
            Row(
                fact=facts.PART_MEDIA_TYPE_ADDED,
                effect=W,
                mirror=facts.PART_MEDIA_TYPE_REMOVED,
                message="added the media type {after} to the form part {subject} in {container}",
                explain=(
                    "The keyword `encoding` defines the media types of a part of a form. Without `encoding`,"
                    " the type in the schema of the part defines the media type."
                ),
            ),
            Row(
                fact=facts.ENCODING_CHANGED,
                effect=C,
                mirror=facts.ENCODING_CHANGED,
                message=(
                    "changed the serialization of the form part {subject} in {container} from {before} to "
                    "{after}"
                ),
                explain=(
                    "The keyword `encoding` defines with `style` and `explode` how a property is written as "
                    "a part of a form."
                ),
            ),
        ],
    ),
    *directed(
        "parameters",
        [
            Row(
                fact=facts.REQUIRED_PARAMETER_REMOVED,
                effect=W,
                mirror=facts.PARAMETER_ADDED_REQUIRED,
                message="removed the required {parameter}",
                explain=(
                    "Before the change, every request of the callback or webhook contained the parameter."
                ),
            ),
        ],
    ),
    *directed(
        "bodies",
        [
            Row(
                fact=facts.DELIVERED_MEDIA_TYPE_REMOVED,
                effect=N,
                mirror=facts.DELIVERED_MEDIA_TYPE_ADDED,
                message="removed the media type {before} from {container}",
                explain=(
                    "The API no longer sends the removed media type in the callback or webhook. The client "
                    "already handles the remaining media types."
                ),
            ),
            Row(
                fact=facts.DELIVERED_MEDIA_TYPE_ADDED,
                effect=W,
                mirror=facts.DELIVERED_MEDIA_TYPE_REMOVED,
                message="added the media type {after} to {container}",
                explain=(
                    "The client that receives a callback or webhook cannot select the media type, so the "
                    "client may receive the new media type."
                ),
            ),
        ],
    ),
]
