"""Rules for what travels: parameters, bodies, media types, statuses, headers, links."""

from __future__ import annotations

from infra_runtime.openapi.finding import Direction, Level
from infra_runtime.openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_IGNORED = (
    "nothing says that a server refuses a parameter that it does not know, and nothing says that it takes it"
)
_CLASSES = "a client must treat a status that it does not know as the x00 of its class (RFC 9110, 15)"
_ASKED = "the client chooses among the offered ones and relies on its choice, as in a request"
_CLEANUP = "who handles an error that does not come any more loses nothing"
_DEFAULTED = (
    "the default tells what the server takes for what is missing, so a request without it may well pass"
)
_READ = "a server may ignore a body that it does not read; but what the body said can no longer be said"

RULES = [
    *directed(
        "parameters",
        [
            Row(
                name="parameter-added",
                effect=W,
                mirror="parameter-removed",
                peer=("new-optional-request-parameter",),
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
                name="parameter-added-required",
                effect=N,
                mirror="parameter-removed",
                peer=("new-required-request-parameter", "new-request-path-parameter"),
                message="there is a new required {subject}",
                explain="A client that does not know the parameter does not send it.",
            ),
            Row(
                name="parameter-added-required-with-default",
                effect=N,
                mirror="parameter-removed",
                message="there is a new required {subject}, which has a default",
                explain=(
                    "Strictly a request without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                name="parameter-removed",
                effect=N,
                mirror="parameter-added",
                peer=("request-parameter-removed", "request-parameter-removed-with-deprecation"),
                message="the {subject} is gone",
                explain="A request that still carries it may be refused; and what it used to do is not done.",
                deviations={
                    REQUEST: (Level.WARNING, _IGNORED),
                    RESPONSE: (Level.BREAKING, "whoever is called could count on what it carried"),
                },
            ),
            Row(
                name="parameter-became-required",
                effect=N,
                mirror="parameter-became-optional",
                peer=("request-parameter-became-required",),
                message="the {subject} must be sent now",
                explain="It could be left out before.",
            ),
            Row(
                name="parameter-became-required-with-default",
                effect=N,
                mirror="parameter-became-optional",
                message="the {subject} must be sent now, although it has a default",
                explain=(
                    "Strictly a request without it is invalid; the default suggests that the server fills"
                    " it in."
                ),
                deviations={REQUEST: (Level.WARNING, _DEFAULTED)},
            ),
            Row(
                name="parameter-became-optional",
                effect=W,
                mirror="parameter-became-required",
                peer=("request-parameter-became-optional",),
                message="the {subject} may be left out now",
                explain="It had to be sent before.",
            ),
            Row(
                name="parameter-serialization-changed",
                effect=C,
                mirror="parameter-serialization-changed",
                peer=("request-parameter-style-changed", "request-parameter-explode-changed"),
                message="the {subject} is written in another way: {before} became {after}",
                explain=(
                    "`style` and `explode`, with their defaults for the place, and `content` say how a "
                    "value becomes "
                    "text. `explode` counts for arrays and objects alone."
                ),
            ),
            Row(
                name="parameter-reserved-forbidden",
                effect=N,
                mirror="parameter-reserved-allowed",
                message="the {subject} may not hold reserved characters unescaped any more (`allowReserved`)",
                explain="They were allowed before.",
            ),
            Row(
                name="parameter-reserved-allowed",
                effect=W,
                mirror="parameter-reserved-forbidden",
                message="the {subject} may hold reserved characters unescaped (`allowReserved`)",
                explain="They had to be escaped before.",
            ),
            Row(
                name="parameter-empty-forbidden",
                effect=N,
                mirror="parameter-empty-allowed",
                message="the {subject} may not be empty any more (`allowEmptyValue`)",
                explain="It was allowed before.",
            ),
            Row(
                name="parameter-empty-allowed",
                effect=W,
                mirror="parameter-empty-forbidden",
                message="the {subject} may be empty (`allowEmptyValue`)",
                explain="It was not allowed before.",
            ),
            Row(
                name="parameter-deprecated",
                effect=NEUTRAL,
                mirror="parameter-reactivated",
                peer=("request-parameter-deprecated",),
                message="the {subject} is deprecated",
                explain="It still works; look for what replaces it.",
            ),
            Row(
                name="parameter-reactivated",
                effect=NEUTRAL,
                mirror="parameter-deprecated",
                peer=("request-parameter-reactivated",),
                message="the {subject} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                name="parameter-sunset-removed",
                effect=C,
                waiver="a sunset that is added takes nothing from anybody",
                peer=("request-parameter-sunset-deleted",),
                message="the {subject} has lost its sunset {before}",
                explain="It was promised to work until that day.",
            ),
            Row(
                name="parameter-sunset-earlier",
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
                name="body-added",
                effect=W,
                mirror="body-removed",
                peer=("request-body-added-optional",),
                message="there is an optional body",
                explain="Nobody has to send it.",
                deviations={
                    RESPONSE: (Level.INFO, "a receiver is not bound to read a body that it does not know")
                },
            ),
            Row(
                name="body-added-required",
                effect=N,
                mirror="body-removed",
                peer=("request-body-added-required",),
                message="there is a required body",
                explain="A client that does not know it does not send it.",
            ),
            Row(
                name="body-removed",
                effect=N,
                mirror="body-added",
                peer=("request-body-removed",),
                message="there is no body any more",
                explain="The operation has lost an input: " + _READ + ".",
                deviations={RESPONSE: (Level.BREAKING, "whoever is called could count on what it carried")},
            ),
            Row(
                name="body-became-required",
                effect=N,
                mirror="body-became-optional",
                peer=("request-body-became-required",),
                message="the body must be sent now",
                explain="It could be left out before.",
            ),
            Row(
                name="body-became-optional",
                effect=W,
                mirror="body-became-required",
                peer=("request-body-became-optional",),
                message="the body may be left out now",
                explain="It had to be sent before.",
            ),
            Row(
                name="media-type-removed",
                effect=N,
                mirror="media-type-added",
                peer=("request-body-media-type-removed", "response-media-type-removed"),
                message="{subject} is gone",
                explain="No other media type, and no range, includes it.",
                deviations={RESPONSE: (Level.BREAKING, _ASKED)},
            ),
            Row(
                name="media-type-added",
                effect=W,
                mirror="media-type-removed",
                peer=("request-body-media-type-added", "response-media-type-added"),
                message="{subject} is new",
                explain="Whoever wants it may have it.",
                deviations={RESPONSE: (Level.INFO, _ASKED)},
            ),
            Row(
                name="encoding-changed",
                effect=C,
                mirror="encoding-changed",
                message="the part {subject} of the form is written in another way: {before} became {after}",
                explain=(
                    "`encoding` says how a property becomes a part of a form: content type, style and "
                    "explode, with "
                    "their defaults."
                ),
            ),
        ],
    ),
    *directed(
        "responses",
        [
            Row(
                name="success-status-removed",
                effect=N,
                mirror="success-status-added",
                peer=("response-success-status-removed",),
                message="the status {subject} is gone",
                explain="A client that waits for this success never sees it.",
                deviations={
                    RESPONSE: (Level.BREAKING, "success is what a client waits for, not one case among many")
                },
            ),
            Row(
                name="success-status-added",
                effect=W,
                mirror="success-status-removed",
                peer=("response-success-status-added",),
                message="the status {subject} is new",
                explain="Success may bear another number.",
                deviations={RESPONSE: (Level.INFO, _CLASSES)},
            ),
            Row(
                name="status-removed",
                effect=N,
                mirror="status-added",
                peer=("response-non-success-status-removed",),
                message="the status {subject} is gone",
                explain="It does not come any more: " + _CLEANUP + ".",
            ),
            Row(
                name="status-added",
                effect=W,
                mirror="status-removed",
                peer=("response-non-success-status-added",),
                message="the status {subject} is new",
                explain="Failure may bear another number.",
                deviations={RESPONSE: (Level.INFO, _CLASSES)},
            ),
            Row(
                name="header-removed",
                effect=N,
                mirror="header-added",
                peer=("optional-response-header-removed",),
                message="the header {subject} is gone",
                explain="It was optional, but it may have carried something of use.",
                deviations={
                    RESPONSE: (Level.WARNING, "limits, pages and versions travel in optional headers")
                },
            ),
            Row(
                name="required-header-removed",
                effect=W,
                mirror="header-added",
                peer=("required-response-header-removed",),
                message="the required header {subject} is gone",
                explain="Whoever receives it could count on it.",
            ),
            Row(
                name="header-added",
                effect=NEUTRAL,
                mirror="header-removed",
                peer=("response-header-added",),
                message="the header {subject} is new",
                explain="A header that nobody knows troubles nobody.",
            ),
            Row(
                name="header-added-required",
                effect=N,
                mirror="required-header-removed",
                peer=("response-header-added",),
                message="the required header {subject} is new",
                explain="It always comes from now on.",
            ),
            Row(
                name="header-became-optional",
                effect=W,
                mirror="header-became-required",
                peer=("response-header-became-optional",),
                message="the header {subject} may be missing now",
                explain="Whoever receives it could count on it.",
            ),
            Row(
                name="header-became-required",
                effect=N,
                mirror="header-became-optional",
                peer=("response-header-became-required",),
                message="the header {subject} always comes now",
                explain="It could be missing before.",
            ),
            Row(
                name="header-serialization-changed",
                effect=C,
                mirror="header-serialization-changed",
                message="the header {subject} is written in another way: {before} became {after}",
                explain="`explode` and `content` say how a value becomes text.",
            ),
            Row(
                name="header-deprecated",
                effect=NEUTRAL,
                mirror="header-reactivated",
                message="the header {subject} is deprecated",
                explain="It still comes.",
            ),
            Row(
                name="header-reactivated",
                effect=NEUTRAL,
                mirror="header-deprecated",
                message="the header {subject} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                name="link-removed",
                effect=N,
                mirror="link-added",
                message="the link {subject} is gone",
                explain="A client that finds its next request by links does not find this one.",
                deviations={
                    RESPONSE: (
                        Level.WARNING,
                        "a link describes what else can be called, and forbids nothing",
                    ),
                    REQUEST: (Level.WARNING, "a link describes what else can be called, and forbids nothing"),
                },
            ),
            Row(
                name="link-added",
                effect=NEUTRAL,
                mirror="link-removed",
                message="the link {subject} is new",
                explain="Nobody has to follow it.",
            ),
            Row(
                name="link-changed",
                effect=U,
                mirror="link-changed",
                message="the link {subject} leads elsewhere",
                explain=(
                    "Its operation, its parameters or its body are others; whether that still leads to "
                    "the same thing "
                    "is not decided here."
                ),
            ),
        ],
    ),
]
