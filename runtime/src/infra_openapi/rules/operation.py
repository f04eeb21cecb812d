"""The rules for operations: life cycle, servers, security, and the names that generated code uses."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, undirected

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
NONE = Direction.NONE
_ANNOUNCED = (
    "the old document announces the removal with a sunset date (`x-sunset`), and this date has passed"
)
_DRAFT = "the stability levels `draft` and `alpha` guarantee no compatibility"
_OPERATION_ID = (
    "Messages do not contain the operation ID, but generated code derives names from the operation ID."
)
_TAG = "Messages do not contain the tag, but generated code derives names from the tag."

RULES = [
    *undirected(
        "operations",
        [
            Row(
                fact=facts.OPERATION_REMOVED,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-without-deprecation", "api-path-removed-without-deprecation"),
                message="removed the operation {name}",
                explain=(
                    "The operation was not deprecated before its removal. The server rejects requests for "
                    "this operation."
                ),
            ),
            Row(
                fact=facts.OPERATION_REMOVED_BEFORE_SUNSET,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-before-sunset", "api-path-removed-before-sunset"),
                message="removed the operation {name} before its sunset date {before}",
                explain=(
                    "The old document announces that the operation works until its sunset date (`x-sunset`)."
                ),
            ),
            Row(
                fact=facts.OPERATION_REMOVED_AFTER_SUNSET,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-with-deprecation", "api-path-removed-with-deprecation"),
                message="removed the deprecated operation {name} after its sunset date {before}",
                explain="The operation was deprecated, and its sunset date (`x-sunset`) has passed.",
                deviations={NONE: (Level.INFO, _ANNOUNCED)},
            ),
            Row(
                fact=facts.OPERATION_REMOVED_DEPRECATED,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-with-deprecation", "api-path-removed-with-deprecation"),
                message="removed the deprecated operation {name}, which had no sunset date",
                explain=(
                    "The operation was deprecated, but the old document has no sunset date (`x-sunset`) "
                    "until which the operation works."
                ),
                deviations={
                    NONE: (
                        Level.WARNING,
                        "the deprecation announces the removal of the operation, but not the date",
                    )
                },
            ),
            Row(
                fact=facts.OPERATION_REMOVED_UNSTABLE,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                message="removed the operation {name}, whose stability level was {before}",
                explain="The stability levels `draft` and `alpha` guarantee no compatibility.",
                deviations={NONE: (Level.INFO, _DRAFT)},
            ),
            Row(
                fact=facts.OPERATION_ADDED,
                effect=W,
                mirror=facts.OPERATION_REMOVED,
                peer=("endpoint-added",),
                message="added the operation {name}",
                explain="No existing client calls the new operation.",
            ),
            Row(
                fact=facts.OPERATION_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_REACTIVATED,
                peer=("endpoint-deprecated", "endpoint-deprecated-with-sunset"),
                message="deprecated the operation {name} {sunset}",
                explain=(
                    "The deprecated operation still works. Clients should replace their calls before the API"
                    " removes the operation."
                ),
            ),
            Row(
                fact=facts.OPERATION_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_DEPRECATED,
                peer=("endpoint-reactivated",),
                message="removed the deprecation of the operation {name}",
                explain="Before the change, the operation was deprecated.",
            ),
            Row(
                fact=facts.OPERATION_SUNSET_REMOVED,
                effect=N,
                waiver="adding a sunset date to a deprecated operation affects no client",
                peer=("sunset-deleted",),
                message="removed the sunset date {before} of the deprecated operation {name}",
                explain=(
                    "The old document announces that the operation works until its sunset date (`x-sunset`)."
                    " The new document does not contain a sunset date for the operation."
                ),
                consequence="The operation can be removed earlier than announced.",
            ),
            Row(
                fact=facts.OPERATION_SUNSET_EARLIER,
                effect=N,
                waiver="moving a sunset date to a later day affects no client",
                peer=("api-sunset-date-changed-too-small",),
                message=(
                    "moved the sunset date of the operation {name} from {before} to the earlier date {after}"
                ),
                explain="The old document announces that the operation works until the later date.",
                consequence="Clients have less time than announced to replace their calls.",
            ),
            Row(
                fact=facts.OPERATION_SUNSET_INVALID,
                effect=U,
                waiver="correcting an invalid sunset date affects no client",
                peer=("api-deprecated-sunset-parse", "api-path-sunset-parse"),
                message="set the sunset date of the operation {name} to {after}, which is not a date",
                explain=(
                    "The text in `x-sunset` is not a date, so the document does not state how long the "
                    "operation works."
                ),
                consequence="Replace the text by a date (`2030-12-31`), a date-time or an HTTP date.",
            ),
            Row(
                fact=facts.OPERATION_STABILITY_INVALID,
                effect=U,
                mirror=facts.OPERATION_STABILITY_INCREASED,
                peer=("api-invalid-stability-level",),
                message=(
                    "set the stability level of the operation {name} to {after}, which is not a stability "
                    "level"
                ),
                explain=(
                    "The text in `x-stability-level` does not define which compatibility the API guarantees."
                ),
                consequence="Write one of the stability levels `draft`, `alpha`, `beta` and `stable`.",
            ),
            Row(
                fact=facts.OPERATION_STABILITY_DECREASED,
                effect=N,
                mirror=facts.OPERATION_STABILITY_INCREASED,
                peer=("api-stability-decreased",),
                message="decreased the stability level of the operation {name} from {before} to {after}",
                explain=(
                    "The extension `x-stability-level` states how stable a part of the API is. A lower level"
                    " guarantees less compatibility to clients."
                ),
                consequence="Later changes can break clients that relied on the higher stability level.",
            ),
            Row(
                fact=facts.OPERATION_STABILITY_INCREASED,
                effect=W,
                mirror=facts.OPERATION_STABILITY_DECREASED,
                peer=("api-stability-increased",),
                message="increased the stability level of the operation {name} from {before} to {after}",
                explain=(
                    "The extension `x-stability-level` states how stable a part of the API is. A higher "
                    "level guarantees more compatibility to clients."
                ),
            ),
            Row(
                fact=facts.OPERATION_ID_CHANGED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_ID_CHANGED,
                peer=(
                    "api-operation-id-removed",
                    "api-operation-id-added",
                ),
                message="changed the operation ID of the operation {name} from {before} to {after}",
                explain=_OPERATION_ID,
            ),
            Row(
                fact=facts.OPERATION_ID_REMOVED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_ID_ADDED,
                peer=("api-operation-id-removed",),
                message="removed the operation ID {before} from the operation {name}",
                explain=_OPERATION_ID,
            ),
            Row(
                fact=facts.OPERATION_ID_ADDED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_ID_REMOVED,
                peer=("api-operation-id-added",),
                message="added the operation ID {after} to the operation {name}",
                explain=_OPERATION_ID,
            ),
            Row(
                fact=facts.OPERATION_TAG_REMOVED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_TAG_ADDED,
                peer=("api-tag-removed",),
                message="removed the tag {before} from the operation {name}",
                explain=_TAG,
            ),
            Row(
                fact=facts.OPERATION_TAG_ADDED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_TAG_REMOVED,
                peer=("api-tag-added",),
                message="added the tag {after} to the operation {name}",
                explain=_TAG,
            ),
            Row(
                fact=facts.CALLBACK_REMOVED,
                effect=N,
                mirror=facts.CALLBACK_ADDED,
                peer=("webhook-removed",),
                message="removed the callback or webhook {name}",
                explain="The API no longer sends the request of the callback or webhook to its clients.",
                consequence="A client that waits for such a request no longer receives the request.",
            ),
            Row(
                fact=facts.CALLBACK_ADDED,
                effect=W,
                mirror=facts.CALLBACK_REMOVED,
                peer=("webhook-added",),
                message="added the callback or webhook {name}",
                explain=(
                    "The API sends a new kind of request to those clients that subscribe to the callback or "
                    "webhook."
                ),
                consequence="Existing clients keep working.",
            ),
        ],
    ),
    *undirected(
        "servers",
        [
            Row(
                fact=facts.SERVER_REMOVED,
                effect=N,
                mirror=facts.SERVER_ADDED,
                message="removed the server address {before}",
                explain=(
                    "Clients can no longer call the operation at the removed address (a server URL with a "
                    "path)."
                ),
            ),
            Row(
                fact=facts.SERVER_ADDED,
                effect=W,
                mirror=facts.SERVER_REMOVED,
                message="added the server address {after}",
                explain="Clients can call the operation at an additional address (a server URL with a path).",
            ),
        ],
    ),
    *undirected(
        "security",
        [
            Row(
                fact=facts.SECURITY_ADDED,
                effect=N,
                mirror=facts.SECURITY_REMOVED,
                peer=("api-security-added", "api-global-security-added"),
                message="added the security requirement {after}; credentials were not required before",
                explain="Before the change, the server accepted requests without credentials.",
            ),
            Row(
                fact=facts.SECURITY_REMOVED,
                effect=W,
                mirror=facts.SECURITY_ADDED,
                message="removed the security requirement {before}; credentials are no longer required",
                explain="After the change, the server accepts requests without credentials.",
            ),
            Row(
                fact=facts.SECURITY_ALTERNATIVE_REMOVED,
                effect=N,
                mirror=facts.SECURITY_ALTERNATIVE_ADDED,
                peer=("api-security-removed", "api-global-security-removed"),
                message="removed the accepted security requirement {before}",
                explain=(
                    "Security requirements are alternatives: a client must satisfy one of them. The server "
                    "rejects a client that has only the removed credentials."
                ),
            ),
            Row(
                fact=facts.SECURITY_ALTERNATIVE_ADDED,
                effect=W,
                mirror=facts.SECURITY_ALTERNATIVE_REMOVED,
                peer=("api-security-added", "api-global-security-added"),
                message="added the accepted security requirement {after}",
                explain=(
                    "Security requirements are alternatives: a client must satisfy one of them. Clients "
                    "can choose an additional alternative."
                ),
            ),
            Row(
                fact=facts.SECURITY_OPTION_REMOVED,
                effect=U,
                mirror=facts.SECURITY_ALTERNATIVE_ADDED,
                peer=("api-security-removed", "api-global-security-removed"),
                message="removed the optional security requirement {before}",
                explain=(
                    "Before and after the change, the server accepts requests without credentials. The "
                    "document does not define whether a client without credentials receives the same "
                    "response as a client with the removed credentials."
                ),
            ),
            Row(
                fact=facts.SECURITY_SCOPE_ADDED,
                effect=N,
                mirror=facts.SECURITY_SCOPE_REMOVED,
                peer=("api-security-scope-added", "api-global-security-scope-added"),
                message="added the required security scope {after}",
                explain="A token that was sufficient before the change can lack the added scope.",
            ),
            Row(
                fact=facts.SECURITY_SCOPE_REMOVED,
                effect=W,
                mirror=facts.SECURITY_SCOPE_ADDED,
                peer=("api-security-scope-removed", "api-global-security-scope-removed"),
                message="removed the required security scope {before}",
                explain="After the change, a token needs fewer scopes than before.",
            ),
            Row(
                fact=facts.SECURITY_SCHEME_CHANGED,
                effect=C,
                mirror=facts.SECURITY_SCHEME_CHANGED,
                peer=("api-security-component-type-changed",),
                message="changed the security scheme {subject} from {before} to {after}",
                explain="Clients must send other credentials, or send them in another part of the request.",
            ),
            Row(
                fact=facts.SECURITY_FLOW_REMOVED,
                effect=N,
                mirror=facts.SECURITY_FLOW_ADDED,
                message="removed the OAuth flow {before} from the security scheme {subject}",
                explain="A client that uses the removed OAuth flow can no longer get a token.",
            ),
            Row(
                fact=facts.SECURITY_FLOW_ADDED,
                effect=W,
                mirror=facts.SECURITY_FLOW_REMOVED,
                message="added the OAuth flow {after} to the security scheme {subject}",
                explain="Clients can get a token with an additional OAuth flow.",
            ),
            Row(
                fact=facts.SECURITY_FLOW_SCOPE_REMOVED,
                effect=N,
                mirror=facts.SECURITY_FLOW_SCOPE_ADDED,
                peer=("api-security-component-oauth-scope-removed",),
                message="removed the OAuth scope {before} from the security scheme {subject}",
                explain=(
                    "A client that requests the removed scope may get an error instead of a token, or a "
                    "token without the scope."
                ),
                deviations={
                    NONE: (
                        Level.WARNING,
                        "a server may also ignore an unknown scope (RFC 6749, section 3.3)",
                    )
                },
            ),
            Row(
                fact=facts.SECURITY_FLOW_SCOPE_ADDED,
                effect=W,
                mirror=facts.SECURITY_FLOW_SCOPE_REMOVED,
                peer=("api-security-component-oauth-scope-added",),
                message="added the OAuth scope {after} to the security scheme {subject}",
                explain="Clients do not have to request the new scope.",
            ),
            Row(
                fact=facts.SECURITY_URL_CHANGED,
                effect=C,
                mirror=facts.SECURITY_URL_CHANGED,
                peer=(
                    "api-security-component-oauth-url-changed",
                    "api-security-component-oauth-token-url-changed",
                ),
                message="changed {url} in the security scheme {subject} from {before} to {after}",
                explain=(
                    "A client that requests its token at the old URL may get no token, because the new "
                    "document does not contain the old URL."
                ),
            ),
        ],
    ),
]
