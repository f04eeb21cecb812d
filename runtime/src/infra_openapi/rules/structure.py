"""Rules for what a schema is made of: items, unions, conditions, discriminators."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
_HINT = "what is valid does not depend on it, but generated readers do"

RULES = [
    *directed(
        "schema",
        [
            Row(
                fact=facts.DEPENDENT_REQUIRED_ADDED,
                effect=N,
                mirror=facts.DEPENDENT_REQUIRED_REMOVED,
                peer=(
                    "dependent-required-added",
                    "dependent-required-changed",
                ),
                message="{place} must have the property {after} where it has another ({subject})",
                explain="The one could come without the other before.",
            ),
            Row(
                fact=facts.DEPENDENT_REQUIRED_REMOVED,
                effect=W,
                mirror=facts.DEPENDENT_REQUIRED_ADDED,
                peer=(
                    "dependent-required-removed",
                    "dependent-required-changed",
                ),
                message="{place} need not have the property {before} where it has another ({subject})",
                explain="Whoever receives the one could count on the other.",
            ),
            Row(
                fact=facts.DEPENDENT_SCHEMA_ADDED,
                effect=N,
                mirror=facts.DEPENDENT_SCHEMA_REMOVED,
                peer=("dependent-schema-added",),
                message="{place} is restrained further where it has the property {subject}",
                explain="The property alone changed nothing before.",
            ),
            Row(
                fact=facts.DEPENDENT_SCHEMA_REMOVED,
                effect=W,
                mirror=facts.DEPENDENT_SCHEMA_ADDED,
                peer=("dependent-schema-removed",),
                message="{place} is not restrained further any more where it has the property {subject}",
                explain="Values are possible that were not.",
            ),
            Row(
                fact=facts.CONTAINS_ADDED,
                effect=N,
                mirror=facts.CONTAINS_REMOVED,
                peer=("contains-added",),
                message="{place} must contain certain items now",
                explain="Any items would do before.",
            ),
            Row(
                fact=facts.CONTAINS_REMOVED,
                effect=W,
                mirror=facts.CONTAINS_ADDED,
                peer=("contains-removed",),
                message="{place} need not contain certain items any more",
                explain="Any items will do now.",
            ),
            Row(
                fact=facts.UNION_BRANCH_REMOVED,
                effect=N,
                mirror=facts.UNION_BRANCH_ADDED,
                peer=("one-of-removed", "any-of-removed"),
                message="{place} may not be {subject} any more",
                explain=(
                    "The alternative is gone from `oneOf` or `anyOf`, and no other one allows all that it"
                    " did."
                ),
            ),
            Row(
                fact=facts.UNION_BRANCH_ADDED,
                effect=W,
                mirror=facts.UNION_BRANCH_REMOVED,
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
                fact=facts.UNION_BECAME_EXCLUSIVE,
                effect=U,
                mirror=facts.UNION_NO_LONGER_EXCLUSIVE,
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
                fact=facts.UNION_NO_LONGER_EXCLUSIVE,
                effect=U,
                mirror=facts.UNION_BECAME_EXCLUSIVE,
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
                fact=facts.UNION_BECAME_EXCLUSIVE_FOR_SOME,
                effect=N,
                mirror=facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME,
                message=(
                    "{place} must match exactly one alternative now (`anyOf` became `oneOf`), and some "
                    "values match two"
                ),
                explain="A value that two alternatives allow was taken, and is refused.",
            ),
            Row(
                fact=facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME,
                effect=W,
                mirror=facts.UNION_BECAME_EXCLUSIVE_FOR_SOME,
                message=(
                    "{place} may match more than one alternative (`oneOf` became `anyOf`), and some values do"
                ),
                explain="A value that two alternatives allow was refused, and is possible.",
            ),
            Row(
                fact=facts.UNION_OVERLAP_ADDED,
                effect=U,
                mirror=facts.UNION_OVERLAP_REMOVED,
                message="{place} may match two alternatives of its `oneOf` now, which refuses it then",
                explain=(
                    "An alternative allows what another one does, or more of it than it did; whether such a"
                    " value was sent is not decided here. `anyOf`, or a property that tells the alternatives"
                    " apart, settles it."
                ),
                deviations={RESPONSE: (Level.INFO, "what is refused more often is not newly received")},
            ),
            Row(
                fact=facts.UNION_OVERLAP_REMOVED,
                effect=U,
                mirror=facts.UNION_OVERLAP_ADDED,
                message="{place} may be what matched two alternatives of its `oneOf`, which refused it",
                explain=(
                    "An alternative that allowed what another one does is gone, or allows less; whether such"
                    " a value will come is not decided here."
                ),
                deviations={REQUEST: (Level.INFO, "what is refused less often can still be sent")},
            ),
            Row(
                fact=facts.NOT_ADDED,
                effect=N,
                mirror=facts.NOT_REMOVED,
                message="{place} must not be something that it could be",
                explain="`not` has come.",
            ),
            Row(
                fact=facts.NOT_REMOVED,
                effect=W,
                mirror=facts.NOT_ADDED,
                message="{place} may be something that it could not be",
                explain="`not` is gone.",
            ),
            Row(
                fact=facts.NOT_NARROWED,
                effect=N,
                mirror=facts.NOT_WIDENED,
                message="more is excluded from {place} by `not`",
                explain="The new `not` excludes all that the old one did, and more.",
            ),
            Row(
                fact=facts.NOT_WIDENED,
                effect=W,
                mirror=facts.NOT_NARROWED,
                message="less is excluded from {place} by `not`",
                explain="The old `not` excludes all that the new one does, and more.",
            ),
            Row(
                fact=facts.NOT_CHANGED,
                effect=U,
                mirror=facts.NOT_CHANGED,
                message="what `not` excludes from {place} changed",
                explain="Neither exclusion is proved to include the other: look at both.",
            ),
            Row(
                fact=facts.CONDITION_ADDED,
                effect=N,
                mirror=facts.CONDITION_REMOVED,
                peer=("if-added", "then-added", "else-added"),
                message="{place} has a condition that it had not",
                explain="`if` with `then` or `else` can only restrain.",
            ),
            Row(
                fact=facts.CONDITION_REMOVED,
                effect=W,
                mirror=facts.CONDITION_ADDED,
                peer=("if-removed", "then-removed", "else-removed"),
                message="{place} has lost a condition",
                explain="`if` with `then` or `else` could only restrain.",
            ),
            Row(
                fact=facts.CONDITION_NARROWED,
                effect=N,
                mirror=facts.CONDITION_WIDENED,
                message="a condition of {place} restrains in more cases than it did",
                explain="What follows is the same; `if` is met, or for a lone `else` is not met, more often.",
            ),
            Row(
                fact=facts.CONDITION_WIDENED,
                effect=W,
                mirror=facts.CONDITION_NARROWED,
                message="a condition of {place} restrains in fewer cases than it did",
                explain="What follows is the same; `if` is met, or for a lone `else` is not met, less often.",
            ),
            Row(
                fact=facts.CONDITION_CHANGED,
                effect=U,
                mirror=facts.CONDITION_CHANGED,
                message="a condition of {place} changed",
                explain="The `if` is another one; what that means for `then` and `else` is not decided here.",
            ),
            Row(
                fact=facts.KEYWORD_UNDECIDED,
                effect=U,
                mirror=facts.KEYWORD_UNDECIDED,
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
                fact=facts.DISCRIMINATOR_ADDED,
                effect=NEUTRAL,
                mirror=facts.DISCRIMINATOR_REMOVED,
                peer=("discriminator-added",),
                message="{place} is told apart by {after} now",
                explain="A discriminator is a hint to whoever reads; what is valid does not depend on it.",
            ),
            Row(
                fact=facts.DISCRIMINATOR_REMOVED,
                effect=U,
                mirror=facts.DISCRIMINATOR_ADDED,
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
                fact=facts.DISCRIMINATOR_MAPPING_ADDED,
                effect=NEUTRAL,
                mirror=facts.DISCRIMINATOR_MAPPING_REMOVED,
                peer=("discriminator-mapping-added",),
                message="the discriminator of {place} knows {after}",
                explain="If it brings a new alternative, that is a finding of its own.",
            ),
            Row(
                fact=facts.DISCRIMINATOR_MAPPING_REMOVED,
                effect=U,
                mirror=facts.DISCRIMINATOR_MAPPING_ADDED,
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
                fact=facts.DISCRIMINATOR_MAPPING_CHANGED,
                effect=U,
                mirror=facts.DISCRIMINATOR_MAPPING_CHANGED,
                peer=("discriminator-mapping-changed",),
                message="{subject} in the discriminator of {place} led to {before}, and leads to {after}",
                explain="The same value now announces another schema: " + _HINT + ".",
            ),
            Row(
                fact=facts.SCHEMA_DEPRECATED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_REACTIVATED,
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
                fact=facts.SCHEMA_REACTIVATED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_DEPRECATED,
                peer=("request-property-reactivated", "response-property-reactivated"),
                message="{place} is not deprecated any more",
                explain="It was marked as deprecated before.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_DECREASED,
                effect=C,
                mirror=facts.SCHEMA_STABILITY_INCREASED,
                peer=("request-property-stability-decreased", "response-property-stability-decreased"),
                message="the stability level of {place} fell from {before} to {after}",
                explain="Less is promised than before.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_INCREASED,
                effect=NEUTRAL,
                mirror=facts.SCHEMA_STABILITY_DECREASED,
                peer=("request-property-stability-increased", "response-property-stability-increased"),
                message="the stability level of {place} rose from {before} to {after}",
                explain="More is promised.",
            ),
            Row(
                fact=facts.SCHEMA_STABILITY_INVALID,
                effect=U,
                mirror=facts.SCHEMA_STABILITY_INCREASED,
                message="the stability level of {place} is none: {after}",
                explain="Nobody can tell what is promised. draft, alpha, beta and stable are understood.",
            ),
        ],
    ),
    *directed(
        "schema",
        [
            Row(
                fact=facts.UNION_OVERLAP_ADDED_FOR_SOME,
                effect=N,
                mirror=facts.UNION_OVERLAP_REMOVED,
                message="some values of {place} match two alternatives of its `oneOf` now, and are refused",
                explain="Exactly one alternative must match; the value that is shown matched one before.",
            ),
        ],
    ),
    *directed(
        "schema",
        [
            Row(
                fact=facts.UNION_OVERLAP_REMOVED_FOR_SOME,
                effect=W,
                mirror=facts.UNION_OVERLAP_ADDED,
                message="some values of {place} matched two alternatives of its `oneOf`, and now match one",
                explain="Exactly one alternative must match: such a value was refused, and is possible.",
            ),
        ],
    ),
]
