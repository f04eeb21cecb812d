"""Examples of findings are valid: jsonschema checks them with the original schemas."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jsonschema", reason="needs the extra `openapi`")

from jsonschema import Draft202012Validator, FormatChecker

from fakes.api import receives, report, sends
from fakes.changes import PAIRS
from fakes.samples import sample
from infra_openapi import Level
from infra_openapi.rules import RULES

OTHERS = {
    "x": {"type": "object", "properties": {"x": {"type": "string"}}},
    "y": {"type": "object", "properties": {"y": {"type": "string"}}},
}
#: Extensible enums and discriminators reject nothing; the others need values that the search does not try.
WITHOUT = {
    "request-extensible-enum-value-removed",
    "request-discriminator-mapping-removed",
    *(
        f"{side}-discriminator-{fact}"
        for side in ("request", "response")
        for fact in ("property-changed", "mapping-changed")
    ),
    "request-schema-stability-decreased",
    "response-schema-stability-decreased",
    "request-pattern-property-added",
    "response-format-widened",
    "response-pattern-property-removed",
}
FORMATS = FormatChecker(formats=("date", "email", "ipv4", "regex"))
FORMATS.checks("date-time")(lambda value: "T" in str(value))
FORMATS.checks("int32")(lambda value: abs(value) < 2**31)
CASES = [
    (direction, fact, before, after)
    for direction in ("request", "response")
    for fact, before, after in PAIRS
    if RULES[f"{direction}-{fact}"].level is Level.BREAKING
]


def valid(schema: Any, value: Any) -> bool:
    whole = {**schema, **OTHERS} if isinstance(schema, dict) else schema
    return Draft202012Validator(whole, format_checker=FORMATS).is_valid(value)


def test_a_breaking_finding_about_a_schema_has_a_valid_example() -> None:
    wrong = []
    for direction, fact, before, after in sample(CASES):
        make = sends if direction == "request" else receives
        witness = report(make(before, **OTHERS), make(after, **OTHERS)).findings[0].witness
        wide, narrow = (before, after) if direction == "request" else (after, before)
        is_example = witness is not None and valid(wide, witness.value) and not valid(narrow, witness.value)
        if (witness is None) != (f"{direction}-{fact}" in WITHOUT) or (witness and not is_example):
            wrong.append((direction, fact, before, after, witness))

    assert wrong == []


def test_with_two_changes_each_example_shows_its_own_change() -> None:
    before = {"type": "string", "minLength": 3, "maxLength": 9}
    after = {"type": "string", "minLength": 4, "maxLength": 8}

    examples = {
        finding.rule: finding.witness and finding.witness.value
        for finding in report(sends(before), sends(after)).findings
    }

    assert examples == {"request-max-length-decreased": "x" * 9, "request-min-length-increased": "x" * 3}


def test_examples_are_checked_with_the_keywords_of_openapi_3_0() -> None:
    before = {"type": "number", "minimum": 3, "nullable": True}
    after = {"type": "number", "minimum": 3, "exclusiveMinimum": True, "nullable": True}
    old = {**sends(before), "openapi": "3.0.3"}

    findings = report(old, {**sends(after), "openapi": "3.0.3"}).findings

    assert [(finding.rule, finding.witness and finding.witness.value) for finding in findings] == [
        ("request-minimum-increased", 3)
    ]


def test_a_recursive_schema_has_an_example() -> None:
    def tree(**more: Any) -> dict[str, Any]:
        node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}, **more}
        return sends({"$ref": "#/components/schemas/Node"}, components={"schemas": {"Node": node}})

    findings = report(tree(), tree(required=["next"])).findings

    assert [(finding.rule, finding.witness and finding.witness.value) for finding in findings] == [
        ("request-property-became-required", {})
    ]


def shown(before: Any, after: Any, *, make: Any = sends) -> dict[str, list[Any]]:
    """Return the examples of the breaking findings, by rule."""
    examples: dict[str, list[Any]] = {}
    for finding in report(make(before, **OTHERS), make(after, **OTHERS)).findings:
        if finding.level is Level.BREAKING:
            examples.setdefault(finding.rule, []).append(finding.witness and finding.witness.value)
    return examples


def thing(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


TEXT, WHOLE, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def test_an_example_contains_only_the_parts_that_show_the_finding() -> None:
    before = {**thing(a=TEXT, b=WHOLE, c={"type": "array", "items": TEXT}), "additionalProperties": True}
    after = {**before, "not": {"required": ["b"]}}

    (value,) = shown(before, after)["request-not-added"]

    assert value.keys() == {"b"}


def test_an_example_of_a_request_contains_no_read_only_properties() -> None:
    hidden = {**TEXT, "readOnly": True}
    before = thing("id", "name", id=hidden, name=TEXT, age=WHOLE)
    after = thing("id", "name", "age", id=hidden, name=TEXT, age=WHOLE)

    assert shown(before, after) == {"request-property-became-required": [{"name": "x"}]}


def test_an_example_of_a_request_contains_no_read_only_properties_of_a_referenced_schema() -> None:
    def made(*required: str) -> dict[str, Any]:
        schemas = {"Id": {**TEXT, "readOnly": True}}
        schema = thing("id", *required, id={"$ref": "#/components/schemas/Id"}, age=WHOLE)
        return sends(schema, components={"schemas": schemas})

    (finding,) = report(made(), made("age")).findings

    assert finding.witness is not None
    assert finding.witness.value == {}


def test_an_example_of_a_response_contains_no_write_only_properties() -> None:
    secret = {**TEXT, "writeOnly": True}
    before, after = (thing(*names, secret=secret, age=WHOLE) for names in (("secret", "age"), ("secret",)))

    assert shown(before, after, make=receives) == {"response-property-became-optional": [{}]}


@pytest.mark.parametrize(
    ("before", "after", "length"), [(1000, 2, 3), (10, 9, 10), (11, 10, None), (900, 20, None)]
)
def test_an_example_has_at_most_10_items(before: int, after: int, length: int | None) -> None:
    items = {"type": "array", "items": WHOLE}

    (value,) = shown({**items, "maxItems": before}, {**items, "maxItems": after})[
        "request-max-items-decreased"
    ]

    assert (value and len(value)) == length


def test_each_removed_alternative_has_an_example_of_this_alternative() -> None:
    cat, dog, cow = (
        {**thing(name, **{name: TRUTH}), "additionalProperties": False} for name in ("purrs", "barks", "moos")
    )

    examples = shown({"oneOf": [cat, dog, cow]}, {"oneOf": [cow]})["request-union-branch-removed"]

    assert sorted(list(value) for value in examples) == [["barks"], ["purrs"]]


def test_the_example_of_a_removed_alternative_does_not_show_a_change_of_another_one() -> None:
    cat, dog = ({**thing("kind", kind={"const": kind}, age=WHOLE)} for kind in ("cat", "dog"))
    strict_dog = thing("kind", "age", kind={"const": "dog"}, age=WHOLE)

    examples = shown({"oneOf": [dog, cat]}, {"oneOf": [strict_dog]})

    assert examples["request-union-branch-removed"] == [{"kind": "cat"}]
    assert examples["request-property-became-required"] == [{"kind": "dog"}]


def test_the_example_of_an_object_does_not_show_a_change_of_its_property() -> None:
    before = thing(a={"type": "string", "maxLength": 5}, b=TEXT)
    after = {
        **thing(a={"type": "string", "maxLength": 3}, b=TEXT),
        "dependentSchemas": {"b": {"minProperties": 2}},
    }

    examples = shown(before, after)

    assert examples["request-dependent-schema-added"] == [{"b": "x"}]
