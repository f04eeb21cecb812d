"""Rules for what can be called: operations and their life, servers, security, names for generated code."""

from __future__ import annotations

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
                name="operation-removed",
                effect=N,
                mirror="operation-added",
                peer=("api-removed-without-deprecation", "api-path-removed-without-deprecation"),
                message="{subject} is gone",
                explain="Whoever calls it is refused.",
            ),
            Row(
                name="operation-removed-before-sunset",
                effect=N,
                mirror="operation-added",
                peer=("api-removed-before-sunset", "api-path-removed-before-sunset"),
                message="{subject} is gone before its sunset {before}",
                explain="It was promised to work until that day.",
            ),
            Row(
                name="operation-removed-after-sunset",
                effect=N,
                mirror="operation-added",
                peer=("api-removed-with-deprecation", "api-path-removed-with-deprecation"),
                message="{subject} is gone, as announced for {before}",
                explain="It was deprecated, and its sunset has passed.",
                deviations={NONE: (Level.INFO, _ANNOUNCED)},
            ),
            Row(
                name="operation-removed-deprecated",
                effect=N,
                mirror="operation-added",
                peer=("api-removed-with-deprecation", "api-path-removed-with-deprecation"),
                message="{subject} is gone; it was deprecated, without a day",
                explain="Clients were told to move on, but not until when.",
                deviations={
                    NONE: (Level.WARNING, "a deprecation without a day neither promises nor ends anything")
                },
            ),
            Row(
                name="operation-removed-unstable",
                effect=N,
                mirror="operation-added",
                message="{subject} is gone; its stability level was {before}",
                explain="Nothing was promised for it.",
                deviations={NONE: (Level.INFO, _DRAFT)},
            ),
            Row(
                name="operation-added",
                effect=W,
                mirror="operation-removed",
                peer=("endpoint-added",),
                message="{subject} is new",
                explain="Nobody calls it yet.",
            ),
            Row(
                name="operation-deprecated",
                effect=NEUTRAL,
                mirror="operation-reactivated",
                peer=("endpoint-deprecated", "endpoint-deprecated-with-sunset"),
                message="{subject} is deprecated (sunset: {after})",
                explain="It still works; look for what replaces it.",
            ),
            Row(
                name="operation-reactivated",
                effect=NEUTRAL,
                mirror="operation-deprecated",
                peer=("endpoint-reactivated",),
                message="{subject} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                name="operation-sunset-removed",
                effect=N,
                waiver="a sunset that is added takes nothing from anybody",
                peer=("sunset-deleted",),
                message="{subject} is deprecated and has lost its sunset {before}",
                explain="It was promised to work until that day.",
            ),
            Row(
                name="operation-sunset-earlier",
                effect=N,
                waiver="a sunset that is put off takes nothing from anybody",
                peer=("api-sunset-date-changed-too-small",),
                message="the sunset of {subject} moved from {before} to {after}, which is earlier",
                explain="It was promised to work until the later day.",
            ),
            Row(
                name="operation-sunset-invalid",
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
                name="operation-stability-invalid",
                effect=U,
                mirror="operation-stability-increased",
                peer=("api-invalid-stability-level",),
                message="the stability level of {subject} is none: {after}",
                explain="Nobody can tell what is promised. draft, alpha, beta and stable are understood.",
            ),
            Row(
                name="operation-stability-decreased",
                effect=N,
                mirror="operation-stability-increased",
                peer=("api-stability-decreased",),
                message="the stability level of {subject} fell from {before} to {after}",
                explain="Less is promised than before.",
            ),
            Row(
                name="operation-stability-increased",
                effect=W,
                mirror="operation-stability-decreased",
                peer=("api-stability-increased",),
                message="the stability level of {subject} rose from {before} to {after}",
                explain="More is promised.",
            ),
            Row(
                name="operation-id-changed",
                effect=NEUTRAL,
                mirror="operation-id-changed",
                peer=(
                    "api-operation-id-removed",
                    "api-operation-id-added",
                ),
                message="the operation id of {subject} changed from {before} to {after}",
                explain="The id: " + _NAMES + ".",
            ),
            Row(
                name="operation-id-removed",
                effect=NEUTRAL,
                mirror="operation-id-added",
                peer=("api-operation-id-removed",),
                message="{subject} has lost its operation id {before}",
                explain="The id: " + _NAMES + ".",
            ),
            Row(
                name="operation-id-added",
                effect=NEUTRAL,
                mirror="operation-id-removed",
                peer=("api-operation-id-added",),
                message="{subject} has the operation id {after}",
                explain="The id: " + _NAMES + ".",
            ),
            Row(
                name="operation-tag-removed",
                effect=NEUTRAL,
                mirror="operation-tag-added",
                peer=("api-tag-removed",),
                message="{subject} has lost the tag {before}",
                explain="The tag: " + _NAMES + ".",
            ),
            Row(
                name="operation-tag-added",
                effect=NEUTRAL,
                mirror="operation-tag-removed",
                peer=("api-tag-added",),
                message="{subject} has the tag {after}",
                explain="The tag: " + _NAMES + ".",
            ),
            Row(
                name="callback-removed",
                effect=N,
                mirror="callback-added",
                peer=("webhook-removed",),
                message="{subject} is not called any more",
                explain="A client that waits for the call never gets it.",
            ),
            Row(
                name="callback-added",
                effect=W,
                mirror="callback-removed",
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
                name="server-removed",
                effect=N,
                mirror="server-added",
                message="{subject} is not served at {before} any more",
                explain=(
                    "A server's address and the path make one address together; this one is not among "
                    "them any more."
                ),
            ),
            Row(
                name="server-added",
                effect=W,
                mirror="server-removed",
                message="{subject} is served at {after} as well",
                explain="Nobody calls it there yet.",
            ),
        ],
    ),
    *undirected(
        "security",
        [
            Row(
                name="security-added",
                effect=N,
                mirror="security-removed",
                peer=("api-security-added", "api-global-security-added"),
                message="{subject} asks for {after}; it used to ask for nothing",
                explain="A request without credentials was enough before.",
            ),
            Row(
                name="security-removed",
                effect=W,
                mirror="security-added",
                message="{subject} asks for nothing any more (before: {before})",
                explain="A request without credentials is enough now.",
            ),
            Row(
                name="security-alternative-removed",
                effect=N,
                mirror="security-alternative-added",
                peer=("api-security-removed", "api-global-security-removed"),
                message="{subject} does not take {before} any more",
                explain="Requirements are alternatives: who presents this one, and no other, is refused.",
            ),
            Row(
                name="security-alternative-added",
                effect=W,
                mirror="security-alternative-removed",
                peer=("api-security-added", "api-global-security-added"),
                message="{subject} takes {after} as well",
                explain="Requirements are alternatives: one more will do.",
            ),
            Row(
                name="security-option-removed",
                effect=U,
                mirror="security-alternative-added",
                peer=("api-security-removed", "api-global-security-removed"),
                message="{subject} does not take {before} any more, but asks for nothing as well",
                explain=(
                    "The request passes without credentials; whether it yields the same without them is not "
                    "in the document."
                ),
            ),
            Row(
                name="security-scope-added",
                effect=N,
                mirror="security-scope-removed",
                peer=("api-security-scope-added", "api-global-security-scope-added"),
                message="{subject} asks for the scope {after} as well",
                explain="A token that was enough before may lack it.",
            ),
            Row(
                name="security-scope-removed",
                effect=W,
                mirror="security-scope-added",
                peer=("api-security-scope-removed", "api-global-security-scope-removed"),
                message="{subject} does not ask for the scope {before} any more",
                explain="Less will do.",
            ),
            Row(
                name="security-scheme-changed",
                effect=C,
                mirror="security-scheme-changed",
                peer=("api-security-component-type-changed",),
                message="the security scheme {subject} was {before}, and is {after}",
                explain="Credentials are presented in another way, or in another place.",
            ),
            Row(
                name="security-flow-removed",
                effect=N,
                mirror="security-flow-added",
                message="the security scheme {subject} has lost the flow {before}",
                explain="A client that gets its tokens by this flow gets none.",
            ),
            Row(
                name="security-flow-added",
                effect=W,
                mirror="security-flow-removed",
                message="the security scheme {subject} has the flow {after}",
                explain="One more way to get a token.",
            ),
            Row(
                name="security-flow-scope-removed",
                effect=N,
                mirror="security-flow-scope-added",
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
                name="security-flow-scope-added",
                effect=W,
                mirror="security-flow-scope-removed",
                peer=("api-security-component-oauth-scope-added",),
                message="the security scheme {subject} offers the scope {after}",
                explain="Nobody has to ask for it.",
            ),
            Row(
                name="security-url-changed",
                effect=C,
                mirror="security-url-changed",
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
