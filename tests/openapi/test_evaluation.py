"""The text of values in messages."""

from __future__ import annotations

from typing import Any

from fakes.api import receives, report
from fakes.samples import every
from infra_openapi.evaluation import shown


@every(
    [
        ("red", "'red'"),
        (["a"], "'a'"),
        (["a", "b", "c"], "'a', 'b' or 'c'"),
        ([], "[]"),
        ({"größe": None}, '{"größe": null}'),
        ([1, True], "[1, true]"),
        ("exclusive 3.5", "3.5 (exclusive)"),
    ]
)
def test_a_value_is_shown_without_the_syntax_of_json_if_possible(value: object, text: str) -> None:
    assert shown(value) == text


ARRAY: dict[str, Any] = {"type": "array", "prefixItems": [{}]}
ANY: dict[str, Any] = {"type": "object", "properties": {"a": {}}}


@every(
    [
        (ANY, {**ANY, "additionalProperties": False}, "forbade undeclared properties in the response with"),
        ({**ANY, "unevaluatedProperties": False}, ANY, "allowed undeclared properties in the response with"),
        (
            ANY,
            {**ANY, "propertyNames": {"maxLength": 3}},
            "added a restriction on the property names of the re",
        ),
        (
            {"type": "string"},
            {"type": "string", "contentMediaType": "text/csv"},
            "changed `contentMediaType` of the response with status 200 from no value to 'text/csv'",
        ),
        (
            ARRAY,
            {**ARRAY, "items": False},
            "set the maximum number of items of the response with status 200 to",
        ),
        (
            ARRAY,
            {**ARRAY, "unevaluatedItems": False},
            "set the maximum number of items of the response with ",
        ),
        (
            {"enum": ["a"]},
            {"type": "string"},
            "removed the restriction of the response with status 200 to the ",
        ),
    ]
)
def test_a_message_names_the_changed_object_once(
    before: dict[str, Any], after: dict[str, Any], text: str
) -> None:
    (finding,) = report(receives(before), receives(after)).findings

    assert finding.message.startswith(text)


def test_a_long_value_is_cut() -> None:
    text = shown(["x" * 10_000])

    assert text.endswith("…")
    assert len(text) < 1_000
