"""The rules for the structure of a schema: items, dependencies between properties, unions, conditions."""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Row, directed

N, W, C, U, NEUTRAL = Effect.NARROWED, Effect.WIDENED, Effect.CHANGED, Effect.UNDECIDED, Effect.NEUTRAL
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE

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
                message=(
                    "added the requirement that {element} contains the property {after} when the property "
                    "{other} is present"
                ),
                explain=(
                    "Before the change, an object could contain one of the two properties without the other "
                    "(`dependentRequired`)."
                ),
            ),
            Row(
                fact=facts.DEPENDENT_REQUIRED_REMOVED,
                effect=W,
                mirror=facts.DEPENDENT_REQUIRED_ADDED,
                peer=(
                    "dependent-required-removed",
                    "dependent-required-changed",
                ),
                message=(
                    "removed the requirement that {element} contains the property {before} when the property "
                    "{other} is present"
                ),
                explain=(
                    "Before the change, every object that contained the first property contained the second "
                    "property too (`dependentRequired`)."
                ),
            ),
            Row(
                fact=facts.DEPENDENT_SCHEMA_ADDED,
                effect=N,
                mirror=facts.DEPENDENT_SCHEMA_REMOVED,
                peer=("dependent-schema-added",),
                message="added a schema for {old_element} that applies if the property {subject} is present",
                explain=(
                    "Before the change, the presence of the property did not restrict the other properties "
                    "of the object (`dependentSchemas`)."
                ),
            ),
            Row(
                fact=facts.DEPENDENT_SCHEMA_REMOVED,
                effect=W,
                mirror=facts.DEPENDENT_SCHEMA_ADDED,
                peer=("dependent-schema-removed",),
                message="removed the schema for {element} that applied if the property {subject} was present",
                explain=(
                    "After the change, the presence of the property does not restrict the other properties "
                    "of the object (`dependentSchemas`)."
                ),
            ),
            Row(
                fact=facts.CONTAINS_ADDED,
                effect=N,
                mirror=facts.CONTAINS_REMOVED,
                peer=("contains-added",),
                message="added the requirement that {old_element} contains an item that matches `contains`",
                explain="Before the change, an array without an item that matches `contains` was valid.",
            ),
            Row(
                fact=facts.CONTAINS_REMOVED,
                effect=W,
                mirror=facts.CONTAINS_ADDED,
                peer=("contains-removed",),
                message="removed the requirement that {element} contains an item that matches `contains`",
                explain="After the change, an array without an item that matches `contains` is valid.",
            ),
            Row(
                fact=facts.UNION_BRANCH_REMOVED,
                effect=N,
                mirror=facts.UNION_BRANCH_ADDED,
                peer=("one-of-removed", "any-of-removed"),
                message="removed the alternative {subject} from {element}",
                explain=(
                    "The removed alternative is no longer in `oneOf` or `anyOf`, and no other alternative "
                    "allows all values of the removed alternative."
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
                message="added the alternative {subject} to {old_element}",
                explain=(
                    "The new alternative of `oneOf` or `anyOf` is an object that no alternative allowed "
                    "before. To treat a new alternative in a response as breaking, use the preset "
                    "`closed-unions`."
                ),
                deviations={
                    RESPONSE: (
                        Level.WARNING,
                        "most clients ignore alternatives that they do not know, such as a new type of event",
                    )
                },
            ),
            Row(
                fact=facts.UNION_BRANCH_REPLACED,
                effect=C,
                mirror=facts.UNION_BRANCH_REPLACED,
                message="replaced the alternative {before} of {old_element} by the alternative {after}",
                explain=(
                    "An alternative of the union was removed, and another alternative was added. The server "
                    "can now send values of the new alternative instead of values of the removed one."
                ),
            ),
            Row(
                fact=facts.NEW_ALTERNATIVE,
                effect=W,
                mirror=facts.UNION_BRANCH_REMOVED,
                message="added the alternative {subject} to {old_element}, which was not a union of objects",
                explain=(
                    "The old schema is not a union of objects, so clients do not expect further "
                    "alternatives. The new alternative of `oneOf` or `anyOf` allows values that the old "
                    "schema did not allow."
                ),
            ),
            Row(
                fact=facts.UNION_BECAME_EXCLUSIVE,
                effect=U,
                mirror=facts.UNION_NO_LONGER_EXCLUSIVE,
                message="changed `anyOf` of {element} to `oneOf`, so that exactly one alternative must match",
                explain=(
                    "A value that matches two alternatives is now invalid, but the comparison found no value "
                    "that matches two alternatives."
                ),
                deviations={
                    RESPONSE: (
                        Level.INFO,
                        "every value that is valid for the new schema is valid for the old schema too",
                    )
                },
            ),
            Row(
                fact=facts.UNION_NO_LONGER_EXCLUSIVE,
                effect=U,
                mirror=facts.UNION_BECAME_EXCLUSIVE,
                message="changed `oneOf` of {element} to `anyOf`, so that several alternatives can match",
                explain=(
                    "A value that matches two alternatives is now valid, but the comparison found no value "
                    "that matches two alternatives."
                ),
                deviations={
                    REQUEST: (
                        Level.INFO,
                        "every value that is valid for the old schema is valid for the new schema too",
                    )
                },
            ),
            Row(
                fact=facts.UNION_BECAME_EXCLUSIVE_FOR_SOME,
                effect=N,
                mirror=facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME,
                message=(
                    "changed `anyOf` of {element} to `oneOf`, so that values that match two alternatives are "
                    "invalid"
                ),
                explain="Before the change, a value that matches two alternatives was valid.",
            ),
            Row(
                fact=facts.UNION_NO_LONGER_EXCLUSIVE_FOR_SOME,
                effect=W,
                mirror=facts.UNION_BECAME_EXCLUSIVE_FOR_SOME,
                message=(
                    "changed `oneOf` of {element} to `anyOf`, so that values that match two alternatives are "
                    "valid"
                ),
                explain="Before the change, a value that matches two alternatives was invalid.",
            ),
            Row(
                fact=facts.UNION_OVERLAP_ADDED,
                effect=U,
                mirror=facts.UNION_OVERLAP_REMOVED,
                message=(
                    "changed `oneOf` of {element}, so that a value can match two alternatives, which makes "
                    "the value invalid"
                ),
                explain=(
                    "A value that matches two alternatives of `oneOf` is invalid. A new or widened "
                    "alternative can allow the same value as another alternative. To avoid this, use "
                    "`anyOf`, or add a property that distinguishes the alternatives."
                ),
                deviations={
                    RESPONSE: (
                        Level.INFO,
                        ("the new schema allows fewer values, so clients receive no new values"),
                    )
                },
            ),
            Row(
                fact=facts.UNION_OVERLAP_REMOVED,
                effect=U,
                mirror=facts.UNION_OVERLAP_ADDED,
                message=(
                    "changed `oneOf` of {element}, so that a value that matched two alternatives, and was "
                    "invalid, can be valid"
                ),
                explain=(
                    "A value that matches two alternatives of `oneOf` is invalid. An alternative that "
                    "allowed the same value as another alternative was removed, or allows fewer values after"
                    " the change."
                ),
                deviations={
                    REQUEST: (
                        Level.INFO,
                        "the new schema allows more values, so the server still accepts every old value",
                    )
                },
            ),
            Row(
                fact=facts.NOT_ADDED,
                effect=N,
                mirror=facts.NOT_REMOVED,
                message="added a `not` schema to {old_element}, which excludes additional values",
                explain="Before the change, values that match the schema in `not` were valid.",
            ),
            Row(
                fact=facts.NOT_REMOVED,
                effect=W,
                mirror=facts.NOT_ADDED,
                message="removed the exclusion from {element} (`not`)",
                explain="Before the change, values that match the schema in `not` were invalid.",
            ),
            Row(
                fact=facts.NOT_NARROWED,
                effect=N,
                mirror=facts.NOT_WIDENED,
                message="widened {element}, which excludes more values after the change",
                explain=(
                    "The new `not` excludes every value that the old `not` excludes, and additional values."
                ),
            ),
            Row(
                fact=facts.NOT_WIDENED,
                effect=W,
                mirror=facts.NOT_NARROWED,
                message="narrowed {element}, which excludes fewer values after the change",
                explain=(
                    "The old `not` excludes every value that the new `not` excludes, and additional values."
                ),
            ),
            Row(
                fact=facts.NOT_CHANGED,
                effect=U,
                mirror=facts.NOT_CHANGED,
                message="changed {element}, which excludes other values after the change",
                explain=(
                    "The comparison could not prove that the old `not` excludes all values that the new "
                    "`not` excludes, and could not prove the opposite."
                ),
            ),
            Row(
                fact=facts.CONDITION_ADDED,
                effect=N,
                mirror=facts.CONDITION_REMOVED,
                peer=("if-added", "then-added", "else-added"),
                message="added a condition (`if`) to {element}",
                explain=(
                    "The keyword `if` with `then` or `else` can exclude values that were valid before the "
                    "change."
                ),
            ),
            Row(
                fact=facts.CONDITION_REMOVED,
                effect=W,
                mirror=facts.CONDITION_ADDED,
                peer=("if-removed", "then-removed", "else-removed"),
                message="removed a condition (`if`) from {element}",
                explain="The removed keyword `if` with `then` or `else` could only exclude values, "
                "so the new schema allows at least the same values.",
            ),
            Row(
                fact=facts.CONDITION_NARROWED,
                effect=N,
                mirror=facts.CONDITION_WIDENED,
                message="changed the `if` of {element}, so that its condition applies to more values",
                explain=(
                    "The keywords `then` and `else` did not change. The changed `if` matches more values (or"
                    " fewer values, if the schema has only an `else`), so the condition restricts more "
                    "values."
                ),
            ),
            Row(
                fact=facts.CONDITION_WIDENED,
                effect=W,
                mirror=facts.CONDITION_NARROWED,
                message="changed the `if` of {element}, so that its condition applies to fewer values",
                explain=(
                    "The keywords `then` and `else` did not change. The changed `if` matches fewer values "
                    "(or more values, if the schema has only an `else`), so the condition restricts fewer "
                    "values."
                ),
            ),
            Row(
                fact=facts.CONDITION_CHANGED,
                effect=U,
                mirror=facts.CONDITION_CHANGED,
                message="changed the `if` of {element}",
                explain=(
                    "The comparison does not evaluate how the new `if` changes the effect of `then` and "
                    "`else`."
                ),
            ),
            Row(
                fact=facts.LIMIT_REACHED,
                effect=U,
                mirror=facts.LIMIT_REACHED,
                message="the comparison of {element} reached a limit and is not complete: {name}",
                explain=(
                    "The comparison of composed schemas can take very long, so the comparison stops at a "
                    "limit. It is undecided whether the change breaks clients; the other findings for this "
                    "schema describe changes of single keywords. Add a discriminator, or a required property "
                    "with a different value in each alternative: the comparison then needs fewer steps."
                ),
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
                message="changed `{name}` of {element}{transition}",
                explain="The comparison does not evaluate which values the changed keyword allows.",
            ),
            Row(
                fact=facts.UNION_OVERLAP_ADDED_FOR_SOME,
                effect=N,
                mirror=facts.UNION_OVERLAP_REMOVED,
                message=(
                    "changed `oneOf` of {element}, so that some values match two alternatives, which makes "
                    "the values invalid"
                ),
                explain=(
                    "A value is valid if it matches exactly one alternative of `oneOf`. The example value of"
                    " the finding matches one alternative of the old document and two alternatives of the "
                    "new document."
                ),
            ),
            Row(
                fact=facts.UNION_OVERLAP_REMOVED_FOR_SOME,
                effect=W,
                mirror=facts.UNION_OVERLAP_ADDED,
                message=(
                    "changed `oneOf` of {element}, so that some values that matched two alternatives, and "
                    "were invalid, are valid"
                ),
                explain=(
                    "A value is valid if it matches exactly one alternative of `oneOf`. The example value of"
                    " the finding matches two alternatives of the old document and one alternative of the "
                    "new document."
                ),
            ),
        ],
    ),
]
