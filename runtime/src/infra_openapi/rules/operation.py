"""Rules for what can be called: operations and their life, servers, security, names for generated code."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, undirected

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
NONE = Direction.NONE
_ANNOUNCED = "it was announced, and the day that was named has passed"
_DRAFT = "`draft` and `alpha` promise nothing"
_NAMES = "it never travels; code that is generated from the document takes its names from it"

RULES = [
    *undirected(
        "operations",
        [
            Row(
                fact=facts.OPERATION_REMOVED,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-without-deprecation", "api-path-removed-without-deprecation"),
                message="{subject} is gone",
                explain="Whoever calls it is refused.",
            ),
            Row(
                fact=facts.OPERATION_REMOVED_BEFORE_SUNSET,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-before-sunset", "api-path-removed-before-sunset"),
                message="{subject} is gone before its sunset {before}",
                explain="It was promised to work until that day.",
            ),
            Row(
                fact=facts.OPERATION_REMOVED_AFTER_SUNSET,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-with-deprecation", "api-path-removed-with-deprecation"),
                message="{subject} is gone, as announced for {before}",
                explain="It was deprecated, and its sunset has passed.",
                deviations={NONE: (Level.INFO, _ANNOUNCED)},
            ),
            Row(
                fact=facts.OPERATION_REMOVED_DEPRECATED,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                peer=("api-removed-with-deprecation", "api-path-removed-with-deprecation"),
                message="{subject} is gone; it was deprecated, without a day",
                explain="Clients were told to move on, but not until when.",
                deviations={
                    NONE: (Level.WARNING, "a deprecation without a day neither promises nor ends anything")
                },
            ),
            Row(
                fact=facts.OPERATION_REMOVED_UNSTABLE,
                effect=N,
                mirror=facts.OPERATION_ADDED,
                message="{subject} is gone; its stability level was {before}",
                explain="Nothing was promised for it.",
                deviations={NONE: (Level.INFO, _DRAFT)},
            ),
            Row(
                fact=facts.OPERATION_ADDED,
                effect=W,
                mirror=facts.OPERATION_REMOVED,
                peer=("endpoint-added",),
                message="{subject} is new",
                explain="Nobody calls it yet.",
            ),
            Row(
                fact=facts.OPERATION_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_REACTIVATED,
                peer=("endpoint-deprecated", "endpoint-deprecated-with-sunset"),
                message="{subject} is deprecated (sunset: {after})",
                explain="It still works; look for what replaces it.",
            ),
            Row(
                fact=facts.OPERATION_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_DEPRECATED,
                peer=("endpoint-reactivated",),
                message="{subject} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                fact=facts.OPERATION_SUNSET_REMOVED,
                effect=N,
                waiver="a sunset that is added takes nothing from anybody",
                peer=("sunset-deleted",),
                message="{subject} is deprecated and has lost its sunset {before}",
                explain="It was promised to work until that day.",
            ),
            Row(
                fact=facts.OPERATION_SUNSET_EARLIER,
                effect=N,
                waiver="a sunset that is put off takes nothing from anybody",
                peer=("api-sunset-date-changed-too-small",),
                message="the sunset of {subject} moved from {before} to {after}, which is earlier",
                explain="It was promised to work until the later day.",
            ),
            Row(
                fact=facts.OPERATION_SUNSET_INVALID,
                effect=U,
                waiver="a date that was made readable takes nothing from anybody",
                peer=("api-deprecated-sunset-parse", "api-path-sunset-parse"),
                message="the sunset of {subject} is no date: {after}",
                explain=(
                    "Nobody can tell until when it works. A full date, a date-time and the date of HTTP "
                    "are understood."
                ),
            ),
            Row(
                fact=facts.OPERATION_STABILITY_INVALID,
                effect=U,
                mirror=facts.OPERATION_STABILITY_INCREASED,
                peer=("api-invalid-stability-level",),
                message="the stability level of {subject} is none: {after}",
                explain="Nobody can tell what is promised. draft, alpha, beta and stable are understood.",
            ),
            Row(
                fact=facts.OPERATION_STABILITY_DECREASED,
                effect=N,
                mirror=facts.OPERATION_STABILITY_INCREASED,
                peer=("api-stability-decreased",),
                message="the stability level of {subject} fell from {before} to {after}",
                explain="Less is promised than before.",
            ),
            Row(
                fact=facts.OPERATION_STABILITY_INCREASED,
                effect=W,
                mirror=facts.OPERATION_STABILITY_DECREASED,
                peer=("api-stability-increased",),
                message="the stability level of {subject} rose from {before} to {after}",
                explain="More is promised.",
            ),
            Row(
                fact=facts.OPERATION_ID_CHANGED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_ID_CHANGED,
                peer=(
                    "api-operation-id-removed",
                    "api-operation-id-added",
                ),
                message="the operation id of {subject} changed from {before} to {after}",
                explain="The id: " + _NAMES + ".",
            ),
            Row(
                fact=facts.OPERATION_ID_REMOVED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_ID_ADDED,
                peer=("api-operation-id-removed",),
                message="{subject} has lost its operation id {before}",
                explain="The id: " + _NAMES + ".",
            ),
            Row(
                fact=facts.OPERATION_ID_ADDED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_ID_REMOVED,
                peer=("api-operation-id-added",),
                message="{subject} has the operation id {after}",
                explain="The id: " + _NAMES + ".",
            ),
            Row(
                fact=facts.OPERATION_TAG_REMOVED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_TAG_ADDED,
                peer=("api-tag-removed",),
                message="{subject} has lost the tag {before}",
                explain="The tag: " + _NAMES + ".",
            ),
            Row(
                fact=facts.OPERATION_TAG_ADDED,
                effect=NEUTRAL,
                mirror=facts.OPERATION_TAG_REMOVED,
                peer=("api-tag-added",),
                message="{subject} has the tag {after}",
                explain="The tag: " + _NAMES + ".",
            ),
            Row(
                fact=facts.CALLBACK_REMOVED,
                effect=N,
                mirror=facts.CALLBACK_ADDED,
                peer=("webhook-removed",),
                message="{subject} is not called any more",
                explain="A client that waits for the call never gets it.",
            ),
            Row(
                fact=facts.CALLBACK_ADDED,
                effect=W,
                mirror=facts.CALLBACK_REMOVED,
                peer=("webhook-added",),
                message="{subject} is called",
                explain="Who does not ask for it does not get it.",
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
                message="{subject} is not served at {before} any more",
                explain=(
                    "A server's address and the path make one address together; this one is not among "
                    "them any more."
                ),
            ),
            Row(
                fact=facts.SERVER_ADDED,
                effect=W,
                mirror=facts.SERVER_REMOVED,
                message="{subject} is served at {after} as well",
                explain="Nobody calls it there yet.",
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
                message="{subject} asks for {after}; it used to ask for nothing",
                explain="A request without credentials was enough before.",
            ),
            Row(
                fact=facts.SECURITY_REMOVED,
                effect=W,
                mirror=facts.SECURITY_ADDED,
                message="{subject} asks for nothing any more (before: {before})",
                explain="A request without credentials is enough now.",
            ),
            Row(
                fact=facts.SECURITY_ALTERNATIVE_REMOVED,
                effect=N,
                mirror=facts.SECURITY_ALTERNATIVE_ADDED,
                peer=("api-security-removed", "api-global-security-removed"),
                message="{subject} does not take {before} any more",
                explain="Requirements are alternatives: who presents this one, and no other, is refused.",
            ),
            Row(
                fact=facts.SECURITY_ALTERNATIVE_ADDED,
                effect=W,
                mirror=facts.SECURITY_ALTERNATIVE_REMOVED,
                peer=("api-security-added", "api-global-security-added"),
                message="{subject} takes {after} as well",
                explain="Requirements are alternatives: one more will do.",
            ),
            Row(
                fact=facts.SECURITY_OPTION_REMOVED,
                effect=U,
                mirror=facts.SECURITY_ALTERNATIVE_ADDED,
                peer=("api-security-removed", "api-global-security-removed"),
                message="{subject} does not take {before} any more, but asks for nothing as well",
                explain=(
                    "The request passes without credentials; whether it yields the same without them is not "
                    "in the document."
                ),
            ),
            Row(
                fact=facts.SECURITY_SCOPE_ADDED,
                effect=N,
                mirror=facts.SECURITY_SCOPE_REMOVED,
                peer=("api-security-scope-added", "api-global-security-scope-added"),
                message="{subject} asks for the scope {after} as well",
                explain="A token that was enough before may lack it.",
            ),
            Row(
                fact=facts.SECURITY_SCOPE_REMOVED,
                effect=W,
                mirror=facts.SECURITY_SCOPE_ADDED,
                peer=("api-security-scope-removed", "api-global-security-scope-removed"),
                message="{subject} does not ask for the scope {before} any more",
                explain="Less will do.",
            ),
            Row(
                fact=facts.SECURITY_SCHEME_CHANGED,
                effect=C,
                mirror=facts.SECURITY_SCHEME_CHANGED,
                peer=("api-security-component-type-changed",),
                message="the security scheme {subject} was {before}, and is {after}",
                explain="Credentials are presented in another way, or in another place.",
            ),
            Row(
                fact=facts.SECURITY_FLOW_REMOVED,
                effect=N,
                mirror=facts.SECURITY_FLOW_ADDED,
                message="the security scheme {subject} has lost the flow {before}",
                explain="A client that gets its tokens by this flow gets none.",
            ),
            Row(
                fact=facts.SECURITY_FLOW_ADDED,
                effect=W,
                mirror=facts.SECURITY_FLOW_REMOVED,
                message="the security scheme {subject} has the flow {after}",
                explain="One more way to get a token.",
            ),
            Row(
                fact=facts.SECURITY_FLOW_SCOPE_REMOVED,
                effect=N,
                mirror=facts.SECURITY_FLOW_SCOPE_ADDED,
                peer=("api-security-component-oauth-scope-removed",),
                message="the security scheme {subject} does not offer the scope {before} any more",
                explain="A client that asks for it may get no token, or one without it.",
                deviations={
                    NONE: (
                        Level.WARNING,
                        "a server may also ignore a scope that it does not know (RFC 6749, 3.3)",
                    )
                },
            ),
            Row(
                fact=facts.SECURITY_FLOW_SCOPE_ADDED,
                effect=W,
                mirror=facts.SECURITY_FLOW_SCOPE_REMOVED,
                peer=("api-security-component-oauth-scope-added",),
                message="the security scheme {subject} offers the scope {after}",
                explain="Nobody has to ask for it.",
            ),
            Row(
                fact=facts.SECURITY_URL_CHANGED,
                effect=C,
                mirror=facts.SECURITY_URL_CHANGED,
                peer=(
                    "api-security-component-oauth-url-changed",
                    "api-security-component-oauth-token-url-changed",
                ),
                message="an address of the security scheme {subject} changed from {before} to {after}",
                explain="Who asks at the old address asks where nothing is promised any more,"
                " as with a server.",
            ),
        ],
    ),
]
