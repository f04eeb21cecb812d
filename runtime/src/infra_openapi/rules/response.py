"""Rules for what an answer bears: statuses, ranges of media types, headers, links."""

from __future__ import annotations

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
                    REQUEST: (Level.WARNING, _IGNORED),
                    RESPONSE: (Level.WARNING, "limits, pages and versions travel in optional headers"),
                },
            ),
            Row(
                name="required-header-removed",
                effect=W,
                mirror="header-added",
                peer=("required-response-header-removed",),
                message="the required header {subject} is gone",
                explain="Whoever receives it could count on it.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
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
    *directed(
        "responses",
        [
            Row(
                name="media-type-generalized",
                effect=W,
                mirror="media-type-specialized",
                peer=("response-media-type-name-generalized", "response-media-type-parameter-removed"),
                message="{subject} became {after}, which may be more than that",
                explain="Anything that the range includes may come now.",
            ),
            Row(
                name="media-type-specialized",
                effect=N,
                mirror="media-type-generalized",
                peer=("response-media-type-name-specialized", "response-media-type-parameter-added"),
                message="{subject} became {after}, which it includes",
                explain="Whoever was ready for all of the range is ready for a part of it.",
            ),
        ],
        [RESPONSE],
    ),
]
