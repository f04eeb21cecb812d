"""Rules for parameters and bodies, with their media types and the parts of forms."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_IGNORED = (
    "nothing says that a server refuses a parameter that it does not know, and nothing says that it takes it"
)
_ASKED = "the client chooses among the offered ones and relies on its choice, as in a request"
_DEFAULTED = (
    "the default tells what the server takes for what is missing, so a request without it may well pass"
)
_ANNOUNCED = "it was announced, and the day that was named has passed"
_PROMISED = "it was promised to work until that day"
_READ = "a server may ignore a body that it does not read; but what the body said can no longer be said"

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
                message="there is a new optional {subject}",
                explain="Nobody has to send it.",
                deviations={
                    RESPONSE: (
                        Level.INFO,
                        "a receiver is not bound to look at parameters that it does not know",
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
                message="there is a new required {subject}",
                explain="A client that does not know the parameter does not send it.",
            ),
            Row(
                fact=facts.PARAMETER_ADDED_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.PARAMETER_REMOVED,
                message="there is a new required {subject}, which has a default",
                explain=(
                    "Strictly a request without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PARAMETER_REMOVED,
                effect=N,
                mirror=facts.PARAMETER_ADDED,
                peer=("request-parameter-removed", "request-parameter-removed-with-deprecation"),
                message="the {subject} is gone",
                explain="A request that still carries it may be refused; and what it used to do is not done.",
                deviations={
                    REQUEST: (Level.WARNING, _IGNORED),
                    RESPONSE: (Level.WARNING, "it was optional, but it may have carried something of use"),
                },
            ),
            Row(
                fact=facts.PARAMETER_REMOVED_BEFORE_SUNSET,
                effect=N,
                mirror=facts.PARAMETER_ADDED,
                peer=("request-parameter-removed-before-sunset", "request-parameter-sunset-parse"),
                message="the {subject} is gone before its sunset {before}",
                explain="It was promised to work until that day.",
                deviations={RESPONSE: (Level.BREAKING, _PROMISED)},
            ),
            Row(
                fact=facts.PARAMETER_REMOVED_AFTER_SUNSET,
                effect=N,
                mirror=facts.PARAMETER_ADDED,
                peer=("request-parameter-removed-with-deprecation",),
                message="the {subject} is gone, as announced for {before}",
                explain="It was deprecated, and its sunset has passed.",
                deviations={REQUEST: (Level.INFO, _ANNOUNCED)},
            ),
            Row(
                fact=facts.PARAMETER_BECAME_REQUIRED,
                effect=N,
                mirror=facts.PARAMETER_BECAME_OPTIONAL,
                peer=("request-parameter-became-required",),
                message="the {subject} must be sent now",
                explain="It could be left out before.",
            ),
            Row(
                fact=facts.PARAMETER_BECAME_REQUIRED_WITH_DEFAULT,
                effect=N,
                mirror=facts.PARAMETER_BECAME_OPTIONAL,
                message="the {subject} must be sent now, although it has a default",
                explain=(
                    "Strictly a request without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                fact=facts.PARAMETER_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.PARAMETER_BECAME_REQUIRED,
                peer=("request-parameter-became-optional",),
                message="the {subject} may be left out now",
                explain="It had to be sent before.",
            ),
            Row(
                fact=facts.PARAMETER_SERIALIZATION_CHANGED,
                effect=C,
                mirror=facts.PARAMETER_SERIALIZATION_CHANGED,
                peer=("request-parameter-style-changed", "request-parameter-explode-changed"),
                message="the {subject} is written in another way: {before} became {after}",
                explain=(
                    "`style` and `explode`, with their defaults for the place, and `content` say how a "
                    "value becomes "
                    "text. `explode` counts for arrays and objects alone."
                ),
            ),
            Row(
                fact=facts.PARAMETER_RESERVED_FORBIDDEN,
                effect=N,
                mirror=facts.PARAMETER_RESERVED_ALLOWED,
                peer=("request-parameter-became-not-allow-reserved",),
                message="the {subject} may not hold reserved characters unescaped any more (`allowReserved`)",
                explain="They were allowed before.",
            ),
            Row(
                fact=facts.PARAMETER_RESERVED_ALLOWED,
                effect=W,
                mirror=facts.PARAMETER_RESERVED_FORBIDDEN,
                peer=("request-parameter-became-allow-reserved",),
                message="the {subject} may hold reserved characters unescaped (`allowReserved`)",
                explain="They had to be escaped before.",
            ),
            Row(
                fact=facts.PARAMETER_EMPTY_FORBIDDEN,
                effect=N,
                mirror=facts.PARAMETER_EMPTY_ALLOWED,
                message="the {subject} may not be empty any more (`allowEmptyValue`)",
                explain="It was allowed before.",
            ),
            Row(
                fact=facts.PARAMETER_EMPTY_ALLOWED,
                effect=W,
                mirror=facts.PARAMETER_EMPTY_FORBIDDEN,
                message="the {subject} may be empty (`allowEmptyValue`)",
                explain="It was not allowed before.",
            ),
            Row(
                fact=facts.PARAMETER_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.PARAMETER_REACTIVATED,
                peer=("request-parameter-deprecated",),
                message="the {subject} is deprecated",
                explain="It still works; look for what replaces it.",
            ),
            Row(
                fact=facts.PARAMETER_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.PARAMETER_DEPRECATED,
                peer=("request-parameter-reactivated",),
                message="the {subject} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                fact=facts.PARAMETER_SUNSET_REMOVED,
                effect=C,
                waiver="a sunset that is added takes nothing from anybody",
                peer=("request-parameter-sunset-deleted",),
                message="the {subject} has lost its sunset {before}",
                explain="It was promised to work until that day.",
            ),
            Row(
                fact=facts.PARAMETER_SUNSET_EARLIER,
                effect=C,
                waiver="a sunset that is put off takes nothing from anybody",
                peer=("request-parameter-sunset-date-changed-too-small",),
                message="the sunset of the {subject} moved from {before} to {after}, which is earlier",
                explain="It was promised to work until the later day.",
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
                message="there is an optional body",
                explain="Nobody has to send it.",
                deviations={
                    RESPONSE: (Level.INFO, "a receiver is not bound to read a body that it does not know")
                },
            ),
            Row(
                fact=facts.BODY_ADDED_REQUIRED,
                effect=N,
                mirror=facts.BODY_REMOVED,
                peer=("request-body-added-required",),
                message="there is a required body",
                explain="A client that does not know it does not send it.",
            ),
            Row(
                fact=facts.BODY_REMOVED,
                effect=N,
                mirror=facts.BODY_ADDED,
                peer=("request-body-removed",),
                message="there is no body any more",
                explain="The operation has lost an input: " + _READ + ".",
                deviations={RESPONSE: (Level.BREAKING, "whoever is called could count on what it carried")},
            ),
            Row(
                fact=facts.BODY_BECAME_REQUIRED,
                effect=N,
                mirror=facts.BODY_BECAME_OPTIONAL,
                peer=("request-body-became-required",),
                message="the body must be sent now",
                explain="It could be left out before.",
            ),
            Row(
                fact=facts.BODY_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.BODY_BECAME_REQUIRED,
                peer=("request-body-became-optional",),
                message="the body may be left out now",
                explain="It had to be sent before.",
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
                message="{subject} is gone",
                explain="No other media type, and no range, includes it.",
                deviations={RESPONSE: (Level.BREAKING, _ASKED)},
            ),
            Row(
                fact=facts.MEDIA_TYPE_ADDED,
                effect=W,
                mirror=facts.MEDIA_TYPE_REMOVED,
                peer=("request-body-media-type-added", "response-media-type-added"),
                message="{subject} is new",
                explain="Whoever wants it may have it.",
                deviations={RESPONSE: (Level.INFO, _ASKED)},
            ),
            Row(
                fact=facts.XML_CHANGED,
                effect=C,
                mirror=facts.XML_CHANGED,
                message="{place} was written as {before} in XML, and is written as {after}",
                explain=(
                    "`xml` says what a value becomes in XML: an element or an attribute, its name and its"
                    " namespace. In JSON it means nothing, and there it is not compared."
                ),
            ),
            Row(
                fact=facts.PART_MEDIA_TYPE_REMOVED,
                effect=N,
                mirror=facts.PART_MEDIA_TYPE_ADDED,
                message="the part {subject} of the form cannot be {before} any more",
                explain=(
                    "`encoding` names the media types of a part of a form; where it names none, the type in "
                    "the schema does."
                ),
            ),
            Row(
                fact=facts.PART_MEDIA_TYPE_ADDED,
                effect=W,
                mirror=facts.PART_MEDIA_TYPE_REMOVED,
                message="the part {subject} of the form can be {after} as well",
                explain=(
                    "`encoding` names the media types of a part of a form; where it names none, the type in "
                    "the schema does."
                ),
            ),
            Row(
                fact=facts.ENCODING_CHANGED,
                effect=C,
                mirror=facts.ENCODING_CHANGED,
                message="the part {subject} of the form is written in another way: {before} became {after}",
                explain=(
                    "`encoding` says how a property becomes a part of a form: style and explode, with their "
                    "defaults."
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
                message="the {subject} is gone, which always came",
                explain="Whoever is called could count on what it carried.",
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
                message="{subject} does not come any more",
                explain="Whoever understands the others loses nothing.",
            ),
            Row(
                fact=facts.DELIVERED_MEDIA_TYPE_ADDED,
                effect=W,
                mirror=facts.DELIVERED_MEDIA_TYPE_REMOVED,
                message="{subject} may come as well",
                explain="Whoever is called by a callback or a webhook cannot choose what it gets.",
            ),
        ],
    ),
]
