"""Rules for what an answer bears: statuses, ranges of media types, headers, links."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_CLASSES = "a client must treat a status that it does not know as the x00 of its class (RFC 9110, 15)"
_CLEANUP = "who handles an error that does not come any more loses nothing"
_IGNORED = (
    "nothing says that a server refuses a header that it does not know, and nothing says that it takes it"
)

RULES = [
    *directed(
        "responses",
        [
            Row(
                fact=facts.SUCCESS_STATUS_REMOVED,
                effect=N,
                mirror=facts.SUCCESS_STATUS_ADDED,
                peer=("response-success-status-removed",),
                message="the status {subject} is gone",
                explain="A client that waits for this success never sees it.",
                deviations={
                    RESPONSE: (Level.BREAKING, "success is what a client waits for, not one case among many")
                },
            ),
            Row(
                fact=facts.SUCCESS_STATUS_ADDED,
                effect=W,
                mirror=facts.SUCCESS_STATUS_REMOVED,
                peer=("response-success-status-added",),
                message="the status {subject} is new",
                explain="Success may bear another number.",
                deviations={RESPONSE: (Level.INFO, _CLASSES)},
            ),
            Row(
                fact=facts.STATUS_REMOVED,
                effect=N,
                mirror=facts.STATUS_ADDED,
                peer=("response-non-success-status-removed",),
                message="the status {subject} is gone",
                explain="It does not come any more: " + _CLEANUP + ".",
            ),
            Row(
                fact=facts.STATUS_ADDED,
                effect=W,
                mirror=facts.STATUS_REMOVED,
                peer=("response-non-success-status-added",),
                message="the status {subject} is new",
                explain="Failure may bear another number.",
                deviations={RESPONSE: (Level.INFO, _CLASSES)},
            ),
            Row(
                fact=facts.HEADER_REMOVED,
                effect=N,
                mirror=facts.HEADER_ADDED,
                peer=("optional-response-header-removed",),
                message="the header {subject} is gone",
                explain="It was optional, but it may have carried something of use.",
                deviations={
                    REQUEST: (Level.WARNING, _IGNORED),
                    RESPONSE: (Level.WARNING, "limits, pages and versions travel in optional headers"),
                },
            ),
            Row(
                fact=facts.REQUIRED_HEADER_REMOVED,
                effect=W,
                mirror=facts.HEADER_ADDED,
                peer=("required-response-header-removed",),
                message="the required header {subject} is gone",
                explain="Whoever receives it could count on it.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.HEADER_ADDED,
                effect=NEUTRAL,
                mirror=facts.HEADER_REMOVED,
                peer=("response-header-added",),
                message="the header {subject} is new",
                explain="A header that nobody knows troubles nobody.",
            ),
            Row(
                fact=facts.HEADER_ADDED_REQUIRED,
                effect=N,
                mirror=facts.REQUIRED_HEADER_REMOVED,
                peer=("response-header-added",),
                message="the required header {subject} is new",
                explain="It always comes from now on.",
            ),
            Row(
                fact=facts.HEADER_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.HEADER_BECAME_REQUIRED,
                peer=("response-header-became-optional",),
                message="the header {subject} may be missing now",
                explain="Whoever receives it could count on it.",
            ),
            Row(
                fact=facts.HEADER_BECAME_REQUIRED,
                effect=N,
                mirror=facts.HEADER_BECAME_OPTIONAL,
                message="the header {subject} always comes now",
                explain="It could be missing before.",
            ),
            Row(
                fact=facts.HEADER_SERIALIZATION_CHANGED,
                effect=C,
                mirror=facts.HEADER_SERIALIZATION_CHANGED,
                message="the header {subject} is written in another way: {before} became {after}",
                explain="`explode` and `content` say how a value becomes text.",
            ),
            Row(
                fact=facts.HEADER_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.HEADER_REACTIVATED,
                message="the header {subject} is deprecated",
                explain="It still comes.",
            ),
            Row(
                fact=facts.HEADER_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.HEADER_DEPRECATED,
                message="the header {subject} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                fact=facts.LINK_REMOVED,
                effect=N,
                mirror=facts.LINK_ADDED,
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
                fact=facts.LINK_ADDED,
                effect=NEUTRAL,
                mirror=facts.LINK_REMOVED,
                message="the link {subject} is new",
                explain="Nobody has to follow it.",
            ),
            Row(
                fact=facts.LINK_CHANGED,
                effect=U,
                mirror=facts.LINK_CHANGED,
                message="the link {subject} leads elsewhere",
                explain=(
                    "Its operation, its parameters or its body are others; whether that still leads to "
                    "the same thing "
                    "is not decided here."
                ),
            ),
        ],
    ),
    *directed(
        "responses",
        [
            Row(
                fact=facts.MEDIA_TYPE_GENERALIZED,
                effect=W,
                mirror=facts.MEDIA_TYPE_SPECIALIZED,
                peer=("response-media-type-name-generalized", "response-media-type-parameter-removed"),
                message="{subject} became {after}, which may be more than that",
                explain="Anything that the range includes may come now.",
            ),
            Row(
                fact=facts.MEDIA_TYPE_SPECIALIZED,
                effect=N,
                mirror=facts.MEDIA_TYPE_GENERALIZED,
                peer=("response-media-type-name-specialized", "response-media-type-parameter-added"),
                message="{subject} became {after}, which it includes",
                explain="Whoever was ready for all of the range is ready for a part of it.",
            ),
        ],
    ),
]
