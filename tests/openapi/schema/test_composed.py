"""Random rewritings give no harmful finding, and random harmful changes give one; pydantic models too.

`python -m benchmarks rewritings` runs more of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import settings

from fakes import composed, harmful, models
from fakes.api import receives, report, rules, sends
from fakes.samples import every, sample

#: under tox and in CI 200 and 100
REWRITINGS, CHANGES = 4 * settings().max_examples, 2 * settings().max_examples
SAFE = [(*pair, context) for pair in models.PAIRS for context in models.CONTEXTS]

DISCRIMINATORS: list[dict[str, Any]] = [{}, {"discriminator": {"propertyName": "kind"}}]


def object_of(number: int, *required: str, tag: str | int | None = None) -> dict[str, Any]:
    """Return the schema of an event; the tag is the name or the number of the event."""
    properties: dict[str, Any] = {"id": {"type": "string"}, "more": {"type": "integer"}}
    properties["kind"] = {"enum": [number if tag is None else tag]}
    return {"type": "object", "properties": properties, "required": ["kind", "id", *required]}


def events(count: int, *required: str, **more: Any) -> dict[str, Any]:
    """Return a union of events; the last event has further required properties."""
    alternatives = [object_of(number) for number in range(count - 1)]
    return {"oneOf": [*alternatives, object_of(count - 1, *required)], **more}


def test_rewriting_a_composed_schema_gives_no_harmful_finding() -> None:
    failed = []
    for seed in range(REWRITINGS):
        case = composed.rewriting(Random(seed))
        verdicts = report(case.before, case.after).verdict, report(case.after, case.before).verdict
        if "breaking" in verdicts:
            failed.append((seed, case.name))

    assert failed == []


def test_a_change_that_a_value_proves_gives_a_finding_in_both_directions() -> None:
    missed = []
    for seed in range(CHANGES):
        case = harmful.harmful(Random(seed))
        if case is None:
            continue
        sent = {
            finding.level
            for finding in report(case.before, case.after).findings
            if finding.direction == "request"
        }
        got = {
            finding.level
            for finding in report(case.after, case.before).findings
            if finding.direction == "response"
        }
        if sent <= {"info"} or got <= {"info"}:
            missed.append((seed, case.name))

    assert missed == []


@every(sample(SAFE))
def test_a_safe_change_of_a_model_gives_no_harmful_finding_and_the_opposite_change_does(
    name: str, narrow: Any, wide: Any, context: str
) -> None:
    def documents(make: Any, mode: Any) -> Iterator[dict[str, Any]]:
        for kind in (narrow, wide):
            made, shared = models.schema(models.CONTEXTS[context](kind), mode)
            yield make(made, components={"schemas": shared})

    sent, wide_sent = documents(sends, "validation")
    received, wide_received = documents(receives, "serialization")

    assert report(sent, wide_sent).verdict == "compatible"
    assert report(wide_received, received).verdict in {"compatible", "warning"}
    assert report(wide_sent, sent).verdict != "compatible"
    if name not in models.TOLERATED:
        assert report(received, wide_received).verdict != "compatible"


@every(sample([(count, discriminator) for count in (70, 260) for discriminator in DISCRIMINATORS]))
def test_an_alternative_of_a_large_union_is_compared(count: int, discriminator: dict[str, Any]) -> None:
    before, after = events(count, **discriminator), events(count, "more", **discriminator)

    assert rules(sends(before), sends(after)) == ["request-property-became-required"]
    assert rules(receives(after), receives(before)) == ["response-property-became-optional"]


def test_alternatives_with_number_tags_are_not_mixed_up() -> None:
    before, after = ({"oneOf": [object_of(0), object_of(0, tag=tag)]} for tag in (2, 6))

    assert rules(sends(before), sends(after)) == [
        "request-union-branch-added",
        "request-union-branch-removed",
    ]
    assert rules(receives(before), receives(after)) == ["response-union-branch-replaced"]


def test_an_added_optional_property_does_no_harm_inside_a_union() -> None:
    def labels(**more: Any) -> dict[str, Any]:
        named = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, **more}}
        return {"type": "array", "items": {"anyOf": [{"type": "string"}, named]}}

    apart = {
        "anyOf": [
            {"type": "object", "properties": {"labels": {"type": "array", "items": label}}}
            for label in labels()["items"]["anyOf"]
        ]
    }
    merged = {"type": "object", "properties": {"labels": labels(why={"type": "string"})}}

    assert report(sends(apart), sends(merged)).verdict == "compatible"


def test_a_property_that_is_impossible_through_references_makes_its_object_impossible() -> None:
    def required(schema: Any) -> dict[str, Any]:
        return {"type": "object", "required": ["a"], "properties": {"a": schema}}

    shared = {"components": {"schemas": {"Part": composed.ref("None"), "None": False}}}

    for make in (sends, receives):
        before, after = (make(required(part), **shared) for part in (False, composed.ref("Part")))
        assert report(before, after).findings == report(after, before).findings == ()


@every([1, 2, 3, 4])
def test_a_property_is_impossible_if_its_type_contradicts_nested_unions(depth: int) -> None:
    union: dict[str, Any] = {"type": "integer"}
    for kind in ("oneOf", "anyOf", "oneOf", "anyOf")[:depth]:
        union = {kind: [union, {"type": "boolean"}]}

    def required(schema: Any) -> dict[str, Any]:
        return {"type": "object", "required": ["a"], "properties": {"a": schema}}

    for make in (sends, receives):
        before, after = (make(required(schema)) for schema in (False, {"allOf": [{"type": "string"}, union]}))
        assert report(before, after).findings == report(after, before).findings == ()


def test_an_enumeration_without_a_possible_value_is_compared() -> None:
    case = composed.rewriting(Random(3294))

    assert report(case.before, case.after).verdict == "compatible"


def test_one_object_can_replace_a_union() -> None:
    union = {"oneOf": [object_of(0, "more"), object_of(1)]}
    wide = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": [0, 1]}, "id": {"type": "string"}, "more": {"type": "integer"}},
    }

    assert report(sends(union), sends(wide)).verdict == "compatible"
    assert report(sends(wide), sends(union)).verdict == "breaking"
    assert report(receives(wide), receives(union)).verdict == "compatible"


def test_an_alternative_that_allows_all_values_of_another_makes_them_invalid() -> None:
    first = {"type": "object", "properties": {"a": {"type": "boolean"}}}
    before, after = (
        {"oneOf": [first, {"type": "object", "anyOf": [{"type": "integer"}, schema]}]}
        for schema in ({"type": "string"}, {})
    )

    (finding, *_) = report(sends(before), sends(after)).findings

    assert (finding.rule, finding.level) == ("request-union-overlap-added-for-some", "breaking")
    assert finding.witness is not None
