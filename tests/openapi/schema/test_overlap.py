"""The alternatives of a `oneOf` overlap: a value that several of them allow is valid for none."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.api import receives, rules, sends

LARGE: dict[str, Any] = {"type": "integer", "minimum": 10}


def documents(most: int, *, first: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request and a response with two alternatives; the first one refers to integers up to `most`."""
    schemas = {"Small": {"type": "integer", "maximum": most}, "Large": LARGE}
    union = {"oneOf": [first, {"$ref": "#/components/schemas/Large"}]}
    return tuple(make(union, components={"schemas": schemas}) for make in (sends, receives))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param({"$ref": "#/components/schemas/Small"}, id="a reference"),
        pytest.param({"allOf": [{"$ref": "#/components/schemas/Small"}]}, id="a reference in allOf"),
        pytest.param(
            {"not": {"not": {"$ref": "#/components/schemas/Small"}}}, id="a doubly negated reference"
        ),
    ],
)
def test_an_overlap_begins_or_ends_with_a_change_of_a_schema_that_is_referred_to(first: Any) -> None:
    """The alternative itself has the same text in both documents."""
    apart, overlapping = documents(5, first=first), documents(20, first=first)

    assert [rules(*pair) for pair in zip(apart, overlapping, strict=True)] == [
        ["request-maximum-increased", "request-union-overlap-added-for-some"],
        ["response-maximum-increased", "response-union-overlap-added"],
    ]
    assert [rules(*pair) for pair in zip(overlapping, apart, strict=True)] == [
        ["request-maximum-decreased", "request-union-overlap-removed"],
        ["response-maximum-decreased", "response-union-overlap-removed-for-some"],
    ]


def test_alternatives_that_stay_apart_give_no_finding_about_an_overlap() -> None:
    first = {"$ref": "#/components/schemas/Small"}

    assert [
        rules(*pair) for pair in zip(documents(5, first=first), documents(6, first=first), strict=True)
    ] == [
        ["request-maximum-increased"],
        ["response-maximum-increased"],
    ]
