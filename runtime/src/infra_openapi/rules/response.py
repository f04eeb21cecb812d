"""The rules for the status codes, media types, headers and links of responses."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_CLASSES = (
    "a client must treat an unknown status as the status x00 of the same class (429 as 400; RFC 9110, "
    "section 15)"
)
_IGNORED = "OpenAPI does not define whether a server rejects or ignores an undeclared header"

RULES = [
    *directed(
        "responses",
        [
            Row(
                fact=facts.SUCCESS_STATUS_REMOVED,
                effect=N,
                mirror=facts.SUCCESS_STATUS_ADDED,
                peer=("response-success-status-removed",),
                message="removed the success response with status {name}",
                explain="The new document does not contain the removed success response.",
                deviations={
                    RESPONSE: (
                        Level.BREAKING,
                        "clients expect the success response, and can fail if they receive another response",
                    )
                },
            ),
            Row(
                fact=facts.SUCCESS_STATUS_ADDED,
                effect=W,
                mirror=facts.SUCCESS_STATUS_REMOVED,
                peer=("response-success-status-added",),
                message="added the success response with status {name}",
                explain="The new document contains an additional success response.",
                deviations={RESPONSE: (Level.INFO, _CLASSES)},
            ),
            Row(
                fact=facts.STATUS_REMOVED,
                effect=N,
                mirror=facts.STATUS_ADDED,
                peer=("response-non-success-status-removed",),
                message="removed the response with status {name}",
                explain=(
                    "The new document does not contain the removed response. Clients can keep the code that "
                    "handles this response."
                ),
            ),
            Row(
                fact=facts.STATUS_ADDED,
                effect=W,
                mirror=facts.STATUS_REMOVED,
                peer=("response-non-success-status-added",),
                message="added the response with status {name}",
                explain="The new document contains an additional response, which is not a success response.",
                deviations={RESPONSE: (Level.INFO, _CLASSES)},
            ),
            Row(
                fact=facts.HEADER_REMOVED,
                effect=N,
                mirror=facts.HEADER_ADDED,
                peer=("optional-response-header-removed",),
                message="removed the optional header {subject} from {element}",
                explain=(
                    "The header was optional, so a client could not rely on the header, but may have used "
                    "the value of the header when a response contained it."
                ),
                deviations={
                    REQUEST: (Level.WARNING, _IGNORED),
                    RESPONSE: (
                        Level.WARNING,
                        "optional headers often contain rate limits, page links or versions that clients use",
                    ),
                },
            ),
            Row(
                fact=facts.REQUIRED_HEADER_REMOVED,
                effect=W,
                mirror=facts.HEADER_ADDED,
                peer=("required-response-header-removed",),
                message="removed the required header {subject} from {element}",
                explain="Before the change, every message contained the header.",
                deviations={REQUEST: (Level.WARNING, _IGNORED)},
            ),
            Row(
                fact=facts.HEADER_ADDED,
                effect=NEUTRAL,
                mirror=facts.HEADER_REMOVED,
                peer=("response-header-added",),
                message="added the optional header {subject} to {old_element}",
                explain="A client or server that receives an unexpected header ignores this header.",
            ),
            Row(
                fact=facts.HEADER_ADDED_REQUIRED,
                effect=N,
                mirror=facts.REQUIRED_HEADER_REMOVED,
                peer=("response-header-added",),
                message="added the required header {subject} to {old_element}",
                explain="After the change, every message must contain the new header.",
            ),
            Row(
                fact=facts.HEADER_BECAME_OPTIONAL,
                effect=W,
                mirror=facts.HEADER_BECAME_REQUIRED,
                peer=("response-header-became-optional",),
                message="made the header {subject}{in_container} optional",
                explain="Before the change, every message contained the header.",
            ),
            Row(
                fact=facts.HEADER_BECAME_REQUIRED,
                effect=N,
                mirror=facts.HEADER_BECAME_OPTIONAL,
                message="made the header {subject}{in_container} required",
                explain="Before the change, a message without the header was valid.",
            ),
            Row(
                fact=facts.HEADER_SERIALIZATION_CHANGED,
                effect=C,
                mirror=facts.HEADER_SERIALIZATION_CHANGED,
                message=(
                    "changed the serialization of the header {subject}{in_container} from {before} to {after}"
                ),
                explain=(
                    "The keywords `explode` and `content` define how the value of a header is written as "
                    "text."
                ),
            ),
            Row(
                fact=facts.HEADER_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.HEADER_REACTIVATED,
                message="deprecated the header {subject}{in_container}",
                explain=(
                    "The server still sends the deprecated header. Clients should stop using the header "
                    "before the API removes it."
                ),
            ),
            Row(
                fact=facts.HEADER_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.HEADER_DEPRECATED,
                message="removed the deprecation of the header {subject}{in_container}",
                explain="Before the change, the header was deprecated.",
            ),
            Row(
                fact=facts.LINK_REMOVED,
                effect=N,
                mirror=facts.LINK_ADDED,
                message="removed the link {subject} from {element}",
                explain=(
                    "A client that uses links to select its next request no longer finds the removed link."
                ),
                deviations={
                    RESPONSE: (
                        Level.WARNING,
                        "a link only describes another request, and this other request may still work",
                    ),
                    REQUEST: (
                        Level.WARNING,
                        "a link only describes another request, and this other request may still work",
                    ),
                },
            ),
            Row(
                fact=facts.LINK_ADDED,
                effect=NEUTRAL,
                mirror=facts.LINK_REMOVED,
                message="added the link {subject} to {old_element}",
                explain="Clients do not have to use the link that was added.",
            ),
            Row(
                fact=facts.LINK_CHANGED,
                effect=U,
                mirror=facts.LINK_CHANGED,
                message="changed the target of the link {subject}{in_container}",
                explain=(
                    "The changed link now refers to another operation, or sets other parameters or another "
                    "body."
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
                message="changed the media type {before} of {container} to the wider media range {after}",
                explain=(
                    "After the change, the server can return any media type that the wider media range "
                    "includes."
                ),
            ),
            Row(
                fact=facts.MEDIA_TYPE_SPECIALIZED,
                effect=N,
                mirror=facts.MEDIA_TYPE_GENERALIZED,
                peer=("response-media-type-name-specialized", "response-media-type-parameter-added"),
                message="changed the media type {before} of {container} to the narrower media type {after}",
                explain=(
                    "The old media range includes the new media type, so clients already accept the new "
                    "media type."
                ),
            ),
        ],
    ),
]
