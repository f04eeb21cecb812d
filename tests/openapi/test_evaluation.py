"""The text of values in messages."""

from __future__ import annotations

from typing import Any

from fakes.api import document, operation, receives, report
from fakes.samples import every
from infra_openapi.evaluation import as_text


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
    assert as_text(value) == text


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
            "added the maximum number of items 1 to the response with status 200",
        ),
        (
            ARRAY,
            {**ARRAY, "unevaluatedItems": False},
            "added the maximum number of items 1 to the response with ",
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


def oauth(**flow: Any) -> dict[str, Any]:
    scheme = {"type": "oauth2", "flows": {"authorizationCode": {"scopes": {}, **flow}}}
    return {
        **receives({"type": "string"}),
        "security": [{"login": []}],
        "components": {"securitySchemes": {"login": scheme}},
    }


@every(
    [
        ({"tokenUrl": "https://b"}, ["the `tokenUrl`"]),
        ({"authorizationUrl": "https://b"}, ["the `authorizationUrl`"]),
        (
            {"authorizationUrl": "https://b", "tokenUrl": "https://b"},
            ["the `authorizationUrl` and `tokenUrl`"],
        ),
        (
            {"authorizationUrl": "https://c", "tokenUrl": "https://b"},
            ["the `tokenUrl`", "the `authorizationUrl`"],
        ),
    ]
)
def test_a_message_names_the_changed_url_of_an_oauth_flow(flow: dict[str, str], names: list[str]) -> None:
    urls = {"authorizationUrl": "https://a", "tokenUrl": "https://a"}

    findings = report(oauth(**urls), oauth(**urls | flow)).findings

    assert [finding.message.partition(" from ")[0] for finding in findings] == [
        f"changed {name} of the flow 'authorizationCode' in the security scheme 'login'" for name in names
    ]


def test_a_long_value_is_cut() -> None:
    text = as_text(["x" * 10_000])

    assert text.endswith("…")
    assert len(text) < 1_000


def test_a_narrower_media_type_is_named_without_other_media_types() -> None:
    before, after = (
        document(
            {"/a": {"get": operation({"200": {"description": "", "content": {name: {} for name in names}}})}}
        )
        for names in (["application/*"], ["application/json", "text/plain"])
    )

    [finding] = [finding for finding in report(before, after).findings if "specialized" in finding.rule]

    assert finding.after == ["application/json"]
