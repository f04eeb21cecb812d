"""Examples of findings are valid: jsonschema checks them with the original schemas."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jsonschema", reason="needs the extra `openapi`")

from jsonschema import Draft202012Validator, FormatChecker

from fakes.api import receives, report, sends
from fakes.changes import PAIRS
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


@pytest.mark.parametrize(("direction", "fact", "before", "after"), CASES, ids=lambda value: str(value)[:40])
def test_a_breaking_finding_about_a_schema_has_a_valid_example(
    direction: str, fact: str, before: Any, after: Any
) -> None:
    make = sends if direction == "request" else receives
    findings = report(make(before, **OTHERS), make(after, **OTHERS)).findings
    witness = findings[0].witness
    if f"{direction}-{fact}" in WITHOUT:
        assert witness is None
        return

    assert witness is not None
    wide, narrow = (before, after) if direction == "request" else (after, before)
    assert valid(wide, witness.value)
    assert not valid(narrow, witness.value)


def test_with_two_changes_each_example_shows_its_own_change() -> None:
    before = {"type": "string", "minLength": 3, "maxLength": 9}
    after = {"type": "string", "minLength": 4, "maxLength": 8}

    shown = {
        finding.rule: finding.witness and finding.witness.value
        for finding in report(sends(before), sends(after)).findings
    }

    assert shown == {"request-max-length-decreased": "x" * 9, "request-min-length-increased": "x" * 3}


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
