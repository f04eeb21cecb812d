"""Rules for what a schema is made of: items, unions, conditions, discriminators."""

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
_HINT = "what is valid does not depend on it, but generated readers do"

RULES = [
    *directed(
        "schema",
        [
            Row(
                name="dependent-required-added",
                effect=N,
                mirror="dependent-required-removed",
                peer=(
                    "dependent-required-added",
                    "dependent-required-changed",
                ),
                message="{place} must have the property {after} where it has another ({subject})",
                explain="The one could come without the other before.",
            ),
            Row(
                name="dependent-required-removed",
                effect=W,
                mirror="dependent-required-added",
                peer=(
                    "dependent-required-removed",
                    "dependent-required-changed",
                ),
                message="{place} need not have the property {before} where it has another ({subject})",
                explain="Whoever receives the one could count on the other.",
            ),
            Row(
                name="dependent-schema-added",
                effect=N,
                mirror="dependent-schema-removed",
                peer=("dependent-schema-added",),
                message="{place} is restrained further where it has the property {subject}",
                explain="The property alone changed nothing before.",
            ),
            Row(
                name="dependent-schema-removed",
                effect=W,
                mirror="dependent-schema-added",
                peer=("dependent-schema-removed",),
                message="{place} is not restrained further any more where it has the property {subject}",
                explain="Values are possible that were not.",
            ),
            Row(
                name="contains-added",
                effect=N,
                mirror="contains-removed",
                peer=("contains-added",),
                message="{place} must contain certain items now",
                explain="Any items would do before.",
            ),
            Row(
                name="contains-removed",
                effect=W,
                mirror="contains-added",
                peer=("contains-removed",),
                message="{place} need not contain certain items any more",
                explain="Any items will do now.",
            ),
            Row(
                name="union-branch-removed",
                effect=N,
                mirror="union-branch-added",
                peer=("one-of-removed", "any-of-removed"),
                message="{place} may not be {subject} any more",
                explain=(
                    "The alternative is gone from `oneOf` or `anyOf`, and no other one allows all that it"
                    " did."
                ),
            ),
            Row(
                name="union-branch-added",
                effect=W,
                mirror="union-branch-removed",
                peer=(
                    "one-of-added",
                    "any-of-added",
                    "wrapped-in-one-of",
                    "wrapped-in-one-of-original-preserved",
                ),
                message="{place} may be {subject}, which is new",
                explain="`oneOf` or `anyOf` has an alternative that allows what none did before.",
            ),
            Row(
                name="union-became-exclusive",
                effect=U,
                mirror="union-no-longer-exclusive",
                message="{place} must match exactly one alternative now (`anyOf` became `oneOf`)",
                explain=(
                    "A value that two alternatives allow is refused; whether there is one is not decided "
                    "here."
                ),
                deviations={
                    RESPONSE: (
                        Level.INFO,
                        "what exactly one alternative allows was possible before, so nothing is new",
                    )
                },
            ),
            Row(
                name="union-no-longer-exclusive",
                effect=U,
                mirror="union-became-exclusive",
                message="{place} may match more than one alternative (`oneOf` became `anyOf`)",
                explain=(
                    "A value that two alternatives allow is possible; whether there is one is not decided"
                    " here."
                ),
                deviations={
                    REQUEST: (
                        Level.INFO,
                        "what one alternative allowed is still allowed, so no request is refused",
                    )
                },
            ),
            Row(
                name="union-became-exclusive-for-some",
                effect=N,
                mirror="union-no-longer-exclusive-for-some",
                message=(
                    "{place} must match exactly one alternative now (`anyOf` became `oneOf`), and some "
                    "values match two"
                ),
                explain="A value that two alternatives allow was taken, and is refused.",
            ),
            Row(
                name="union-no-longer-exclusive-for-some",
                effect=W,
                mirror="union-became-exclusive-for-some",
                message=(
                    "{place} may match more than one alternative (`oneOf` became `anyOf`), and some values do"
                ),
                explain="A value that two alternatives allow was refused, and is possible.",
            ),
            Row(
                name="union-overlap-added",
                effect=U,
                mirror="union-overlap-removed",
                message="{place} may match two alternatives of its `oneOf` now, which refuses it then",
                explain=(
                    "An alternative allows what another one does, or more of it than it did; whether such a"
                    " value was sent is not decided here. `anyOf`, or a property that tells the alternatives"
                    " apart, settles it."
                ),
                deviations={RESPONSE: (Level.INFO, "what is refused more often is not newly received")},
            ),
            Row(
                name="union-overlap-removed",
                effect=U,
                mirror="union-overlap-added",
                message="{place} may be what matched two alternatives of its `oneOf`, which refused it",
                explain=(
                    "An alternative that allowed what another one does is gone, or allows less; whether such"
                    " a value will come is not decided here."
                ),
                deviations={REQUEST: (Level.INFO, "what is refused less often can still be sent")},
            ),
            Row(
                name="not-added",
                effect=N,
                mirror="not-removed",
                message="{place} must not be something that it could be",
                explain="`not` has come.",
            ),
            Row(
                name="not-removed",
                effect=W,
                mirror="not-added",
                message="{place} may be something that it could not be",
                explain="`not` is gone.",
            ),
            Row(
                name="not-narrowed",
                effect=N,
                mirror="not-widened",
                message="more is excluded from {place} by `not`",
                explain="The new `not` excludes all that the old one did, and more.",
            ),
            Row(
                name="not-widened",
                effect=W,
                mirror="not-narrowed",
                message="less is excluded from {place} by `not`",
                explain="The old `not` excludes all that the new one does, and more.",
            ),
            Row(
                name="not-changed",
                effect=U,
                mirror="not-changed",
                message="what `not` excludes from {place} changed",
                explain="Neither exclusion is proved to include the other: look at both.",
            ),
            Row(
                name="condition-added",
                effect=N,
                mirror="condition-removed",
                peer=("if-added", "then-added", "else-added"),
                message="{place} has a condition that it had not",
                explain="`if` with `then` or `else` can only restrain.",
            ),
            Row(
                name="condition-removed",
                effect=W,
                mirror="condition-added",
                peer=("if-removed", "then-removed", "else-removed"),
                message="{place} has lost a condition",
                explain="`if` with `then` or `else` could only restrain.",
            ),
            Row(
                name="condition-narrowed",
                effect=N,
                mirror="condition-widened",
                message="a condition of {place} restrains in more cases than it did",
                explain="What follows is the same; `if` is met, or for a lone `else` is not met, more often.",
            ),
            Row(
                name="condition-widened",
                effect=W,
                mirror="condition-narrowed",
                message="a condition of {place} restrains in fewer cases than it did",
                explain="What follows is the same; `if` is met, or for a lone `else` is not met, less often.",
            ),
            Row(
                name="condition-changed",
                effect=U,
                mirror="condition-changed",
                message="a condition of {place} changed",
                explain="The `if` is another one; what that means for `then` and `else` is not decided here.",
            ),
            Row(
                name="keyword-undecided",
                effect=U,
                mirror="keyword-undecided",
                peer=(
                    "content-encoding-changed",
                    "content-media-type-changed",
                    "content-schema-added",
                    "content-schema-removed",
                    "unevaluated-items-added",
                    "unevaluated-items-removed",
                ),
                message="{subject} of {place} changed from {before} to {after}",
                explain="What this keyword allows is not decided here: look at both.",
            ),
            Row(
                name="discriminator-added",
                effect=NEUTRAL,
                mirror="discriminator-removed",
                peer=("discriminator-added",),
                message="{place} is told apart by {after} now",
                explain="A discriminator is a hint to whoever reads; what is valid does not depend on it.",
            ),
            Row(
                name="discriminator-removed",
                effect=U,
                mirror="discriminator-added",
                peer=("discriminator-removed",),
                message="{place} is not told apart by {before} any more",
                explain="What is valid does not depend on it, but generated readers do.",
                deviations={
                    REQUEST: (
                        Level.INFO,
                        "the server reads it, and knows how it tells its alternatives apart",
                    )
                },
            ),
            Row(
                name="discriminator-mapping-added",
                effect=NEUTRAL,
                mirror="discriminator-mapping-removed",
                peer=("discriminator-mapping-added",),
                message="the discriminator of {place} knows {after}",
                explain="If it brings a new alternative, that is a finding of its own.",
            ),
            Row(
                name="discriminator-mapping-removed",
                effect=U,
                mirror="discriminator-mapping-added",
                peer=("discriminator-mapping-deleted",),
                message="the discriminator of {place} does not know {before} any more",
                explain=(
                    "What is valid does not depend on it, but a message that bears the value may not be "
                    "understood."
                ),
                deviations={
                    RESPONSE: (Level.INFO, "a value that is not sent any more troubles nobody who receives")
                },
            ),
            Row(
                name="discriminator-mapping-changed",
                effect=U,
                mirror="discriminator-mapping-changed",
                peer=("discriminator-mapping-changed",),
                message="{subject} in the discriminator of {place} led to {before}, and leads to {after}",
                explain="The same value now announces another schema: " + _HINT + ".",
            ),
            Row(
                name="schema-deprecated",
                effect=NEUTRAL,
                mirror="schema-reactivated",
                peer=(
                    "request-property-deprecated",
                    "response-property-deprecated",
                    "request-property-deprecated-with-sunset",
                    "response-property-deprecated-with-sunset",
                ),
                message="{place} is deprecated",
                explain="It still works; look for what replaces it.",
            ),
            Row(
                name="schema-reactivated",
                effect=NEUTRAL,
                mirror="schema-deprecated",
                peer=("request-property-reactivated", "response-property-reactivated"),
                message="{place} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                name="schema-stability-decreased",
                effect=C,
                mirror="schema-stability-increased",
                peer=("request-property-stability-decreased", "response-property-stability-decreased"),
                message="the stability level of {place} fell from {before} to {after}",
                explain="Less is promised than before.",
            ),
            Row(
                name="schema-stability-increased",
                effect=NEUTRAL,
                mirror="schema-stability-decreased",
                peer=("request-property-stability-increased", "response-property-stability-increased"),
                message="the stability level of {place} rose from {before} to {after}",
                explain="More is promised.",
            ),
            Row(
                name="schema-stability-invalid",
                effect=U,
                mirror="schema-stability-increased",
                message="the stability level of {place} is none: {after}",
                explain="Nobody can tell what is promised. draft, alpha, beta and stable are understood.",
            ),
        ],
    ),
    *directed(
        "schema",
        [
            Row(
                name="union-overlap-added-for-some",
                effect=N,
                mirror="union-overlap-removed",
                message="some values of {place} match two alternatives of its `oneOf` now, and are refused",
                explain="Exactly one alternative must match; the value that is shown matched one before.",
            ),
        ],
        [REQUEST],
    ),
    *directed(
        "schema",
        [
            Row(
                name="union-overlap-removed-for-some",
                effect=W,
                mirror="union-overlap-added",
                message="some values of {place} matched two alternatives of its `oneOf`, and now match one",
                explain="Exactly one alternative must match: such a value was refused, and is possible.",
            ),
        ],
        [RESPONSE],
    ),
]
