"""Operations correspond by path, by path template, or by address (server and path together)."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.api import document, operation, report, rules

ID = {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}}
NUMBER = {"in": "path", "name": "number", "required": True, "schema": {"type": "string"}}


def at(path: str, *servers: str, **more: Any) -> dict[str, Any]:
    path_document = document({path: {"get": operation(**more)}})
    return {**path_document, "servers": [{"url": url} for url in servers]} if servers else path_document


def test_a_renamed_path_variable_gives_no_finding() -> None:
    assert rules(at("/pets/{id}", parameters=[ID]), at("/pets/{number}", parameters=[NUMBER])) == []


def test_the_finding_of_a_renamed_path_variable_has_its_new_name() -> None:
    (finding,) = report(
        at("/pets/{id}", parameters=[ID]),
        at("/pets/{number}", parameters=[{**NUMBER, "schema": {"type": "boolean"}}]),
    ).findings

    assert finding.rule == "request-type-narrowed"
    assert "the path parameter 'number'" in finding.message


def test_paths_that_differ_only_in_variable_names_stay_separate_operations() -> None:
    both = document({"/a/{x}": {"get": operation()}, "/a/{y}": {"get": operation(), "put": operation()}})

    assert rules(both, both | {"info": {}}) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (at("/v1/pets", "https://a"), at("/pets", "https://a/v1")),
        (at("/pets", "https://a/v1/"), at("/pets", "https://A:443/v1")),
        (at("/pets"), at("/pets", "/")),
        (at("/pets"), at("/pets", "https://a")),
        (at("/pets", "https://a/v1"), at("/v1/pets")),
    ],
)
def test_an_equivalent_server_address_gives_no_finding(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert rules(before, after) == []
    assert rules(after, before) == []


def test_another_host_or_prefix_gives_findings() -> None:
    assert rules(at("/pets", "https://a"), at("/pets", "https://b")) == ["server-added", "server-removed"]
    assert rules(at("/pets", "https://a/v1"), at("/pets", "https://a/v2")) == [
        "server-added",
        "server-removed",
    ]


def test_a_changed_server_of_the_document_is_one_finding_for_all_operations() -> None:
    paths = {f"/p{number}": {"get": operation()} for number in range(9)}

    comparison = report(
        {**document(paths), "servers": [{"url": "https://a"}]},
        {**document(paths), "servers": [{"url": "https://b"}]},
    )

    assert [len(finding.operations) for finding in comparison.findings] == [9, 9]


def test_a_server_variable_is_expanded_to_its_values() -> None:
    def made(*regions: str) -> dict[str, Any]:
        server = {"url": "https://{r}.a", "variables": {"r": {"default": regions[0], "enum": list(regions)}}}
        return {**at("/pets"), "servers": [server]}

    assert rules(made("eu", "us"), made("eu")) == ["server-removed"]


def test_many_combinations_of_server_variables_include_those_of_a_variable_with_any_value() -> None:
    numbers = {"default": "0", "enum": [str(number) for number in range(100)]}

    def made(**region: Any) -> dict[str, Any]:
        server = {"url": "https://{r}.a/{n}", "variables": {"n": numbers, "r": {"default": "eu", **region}}}
        return {**at("/pets"), "servers": [server]}

    assert "server-removed" not in rules(made(enum=["eu", "us"]), made())
    assert "server-removed" not in rules(made(enum=["eu"]), made())
    assert "server-removed" in rules(made(), made(enum=["eu", "us"]))


@pytest.mark.parametrize("value", [5, None, "get", ["get"]])
def test_a_value_that_is_not_a_path_item_is_noted_and_ignored(value: Any) -> None:
    valid = {"/pets": {"get": operation()}}

    result = report(document(valid), document({"/wrong": value, **valid}))

    assert result.findings == ()
    assert [(note.line, note.message) for note in result.notes] == [
        (1, "the value is not a path item, so the comparison ignores it")
    ]
