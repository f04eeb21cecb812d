"""A limit of the comparison that is reached gives a warning that names the limit."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.api import receives, report, sends
from infra_openapi.schema import limits

Schema = dict[str, Any]


def nested(leaf: Schema, depth: int) -> Schema:
    """Return an object in objects; the innermost object requires a property with the schema `leaf`."""
    for _ in range(depth):
        leaf = {"type": "object", "required": ["a"], "properties": {"a": leaf}}
    return leaf


def required(count: int) -> Schema:
    """Return a schema with two unions, which have `count` alternatives each."""
    unions = [[f"{letter}{number}" for number in range(count)] for letter in "ab"]
    return {
        "allOf": [{"anyOf": [{"type": "object", "required": [name]} for name in union]} for union in unions]
    }


def excluding(leaf: Schema, depth: int) -> Schema:
    return {"allOf": [{"not": nested(leaf, depth)}]}


def matching(pattern: str, **keywords: Any) -> Schema:
    return {"type": "string", "pattern": pattern, **keywords}


INTEGER, NUMBER = {"type": "integer"}, {"type": "number"}


@pytest.mark.parametrize(
    ("module", "name", "number", "before", "after"),
    [
        ("alternatives", "COMBINATIONS", 16, required(4), required(5)),
        ("question", "STEPS", 50, required(4), required(5)),
        ("question", "VALUE_DEPTH", 24, excluding(INTEGER, 30), excluding(NUMBER, 30)),
        ("inclusion", "PROOF_DEPTH", 60, excluding(INTEGER, 70), excluding(NUMBER, 70)),
        ("regex_automaton", "PATTERN", 300, matching("^a{200}$"), matching("^a{200,201}$")),
        ("regex_automaton", "PATTERNS", 400, matching("[ab]*a[ab]{9}"), matching("[ab]*b[ab]{9}c*")),
    ],
    ids=["combinations", "steps", "depth of a value", "depth of a proof", "pattern", "patterns"],
)
def test_a_reached_limit_is_a_warning_that_names_the_limit(
    module: str, name: str, number: int, before: Schema, after: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are lower than usual, so that the test takes less time."""
    limit = getattr(limits, name)._replace(number=number)
    for stem in {module, "union"} if name == "COMBINATIONS" else {module}:
        monkeypatch.setattr(f"infra_openapi.schema.{stem}.{name}", limit)
    findings = [
        *report(sends(before), sends(after)).findings,
        *report(receives(before), receives(after)).findings,
    ]

    named = {(finding.rule, finding.level) for finding in findings if str(limit) in finding.message}
    assert named
    assert named <= {("request-limit-reached", "warning"), ("response-limit-reached", "warning")}


def test_a_limit_of_overlapping_alternatives_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra_openapi.schema.overlap.OVERLAPS", limits.Limit(2, "questions"))

    def union(count: int) -> Schema:
        return {"oneOf": [{"type": "object", "required": [f"a{number}"]} for number in range(count)]}

    findings = report(sends(union(5)), sends(union(6))).findings

    assert any("reached a limit and is not complete: 2 questions" in finding.message for finding in findings)


def test_an_alternative_whose_inclusion_is_undecided_is_not_reported_as_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra_openapi.schema.question.STEPS", limits.Limit(1, "steps"))
    ends = {"type": "array", "items": {"anyOf": [INTEGER, {"type": "string"}]}}
    parts = [{"type": "array", "items": schema, "minItems": 1} for schema in (INTEGER, {"type": "string"})]

    findings = report(sends({"anyOf": [ends, NUMBER]}), sends({"anyOf": [*parts, NUMBER]})).findings

    assert "request-limit-reached" in {finding.rule for finding in findings}
    assert not [finding for finding in findings if finding.rule == "request-union-branch-removed"]


def test_a_limit_that_does_not_affect_the_result_gives_no_finding() -> None:
    def union(leaf: Schema) -> Schema:
        return {"anyOf": [nested(leaf, 30), {"type": "string"}]}

    findings = report(sends(union(INTEGER)), sends(union(NUMBER))).findings

    assert [finding.rule for finding in findings] == ["request-type-widened"]


@pytest.mark.parametrize("count", [80, 300])
def test_the_number_of_alternatives_without_a_partner_is_not_limited(count: int) -> None:
    def union(shift: int) -> Schema:
        alternatives = ({"type": "array", "maxItems": number + shift} for number in range(count))
        return {"anyOf": [*alternatives, {"type": "string"}]}

    findings = report(sends(union(0)), sends(union(1))).findings

    assert {finding.level for finding in findings} == {"info"}


def test_a_long_range_of_integers_is_compared_with_an_enumeration() -> None:
    steps = {"type": "integer", "minimum": 0, "maximum": 9_999, "multipleOf": 10}
    listed = {"enum": list(range(0, 10_000, 10))}

    assert report(receives(listed), receives(steps)).findings == ()
    assert report(receives(steps), receives(listed)).findings == ()


def test_a_length_beyond_the_length_of_a_pattern_has_no_effect() -> None:
    before, after = (matching("^a{3,9}$", maxLength=length) for length in (20_000, 30_000))
    assert report(sends(after), sends(before)).findings == ()

    before, after = (matching("^a{3,}$", maxLength=length) for length in (20_000, 30_000))
    assert [finding.rule for finding in report(sends(after), sends(before)).findings] == [
        "request-max-length-decreased"
    ]
