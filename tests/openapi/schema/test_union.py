"""A union that is its own alternative, directly or indirectly, allows what its other alternatives allow."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.api import receives, report, sends

LETTER: dict[str, Any] = {"enum": ["a", "b"]}
FEW: dict[str, Any] = {"type": "integer", "minimum": 5}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def rules_of(used: Any, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        finding.rule
        for make in (sends, receives)
        for finding in report(
            *(make(used, components={"schemas": schema}) for schema in (before, after))
        ).findings
    ]


@pytest.mark.parametrize("kind", ["oneOf", "anyOf"])
@pytest.mark.parametrize(
    "used",
    [
        pytest.param(ref("Toy"), id="by itself"),
        pytest.param({"type": "array", "items": ref("Toy")}, id="in an array"),
        pytest.param({"allOf": [ref("Toy"), FEW]}, id="beside what contradicts it"),
    ],
)
def test_expanding_a_recursive_union_once_gives_no_finding(used: Any, kind: str) -> None:
    toy = {kind: [LETTER, ref("Toy"), ref("Toy")]}

    assert rules_of(used, {"Toy": toy}, {"Toy": {kind: [LETTER, toy, ref("Toy")]}}) == []


def test_a_union_that_is_recursive_through_another_is_compared() -> None:
    def schemas(last: dict[str, Any]) -> dict[str, Any]:
        return {"Toy": {"anyOf": [LETTER, ref("Box")]}, "Box": {"anyOf": [ref("Toy"), last]}}

    assert rules_of(ref("Toy"), schemas(FEW), schemas(FEW)) == []
    assert rules_of(ref("Toy"), schemas(FEW), schemas({**FEW, "minimum": 4})) == [
        "request-minimum-decreased",
        "response-minimum-decreased",
    ]


def test_changed_alternatives_without_properties_are_compared_with_the_most_similar_ones() -> None:
    def texts(*names: str, most: int) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": f"^{name}$", "maxLength": most} for name in names]}

    before, after = texts("a.*", "b.*", "c.*", most=9), texts("c.*", "b.*", "a.*", most=8)

    assert rules_of(ref("Toy"), {"Toy": before}, {"Toy": after}) == [
        *["request-max-length-decreased"] * 3,
        *["response-max-length-decreased"] * 3,
    ]
