"""The keyword `xml` is compared for XML media types only."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.api import document, operation, report
from fakes.samples import every

TEXT: dict[str, Any] = {"type": "string"}
LIST: dict[str, Any] = {"type": "array", "items": TEXT}


def sent(*media: str, version: str = "3.1.0", schemas: Any = None, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    body = {"content": {name: {"schema": schema} for name in media or ("application/xml",)}}
    whole = document(
        {path: {"post": operation(requestBody=body)} for path in ("/a", "/b")},
        components={"schemas": schemas or {}},
    )
    return {**whole, "openapi": version}


def xml_messages(before: Any, after: Any) -> list[str]:
    return [finding.message for finding in report(before, after).findings if "xml" in finding.rule]


def named(schema: dict[str, Any], **xml: Any) -> dict[str, Any]:
    return {**schema, "xml": xml}


CHANGED: list[tuple[Any, Any]] = [
    (TEXT, named(TEXT, name="b")),
    (TEXT, named(TEXT, attribute=True)),
    (TEXT, named(TEXT, nodeType="text")),
    (TEXT, named(TEXT, namespace="urn:a")),
    (TEXT, named(TEXT, prefix="p")),
    (named(TEXT, namespace="urn:a"), named(TEXT, namespace="urn:b")),
    (LIST, named(LIST, wrapped=True)),
    (LIST, {**LIST, "items": named(TEXT, name="b")}),
    (
        {**LIST, "items": {"properties": {"x": TEXT}}},
        {**LIST, "items": {"properties": {"x": named(TEXT, name="y")}}},
    ),
    (
        {"oneOf": [TEXT, {"properties": {"x": TEXT}}]},
        {"oneOf": [TEXT, {"properties": {"x": named(TEXT, name="y")}}]},
    ),
]
SAME: list[tuple[Any, Any]] = [
    (TEXT, named(TEXT, name="a")),
    (TEXT, named(TEXT, attribute=False, wrapped=False)),
    (named(TEXT, attribute=True), named(TEXT, nodeType="attribute")),
    (named(TEXT, namespace="urn:a", prefix="p"), named(TEXT, namespace="urn:a", prefix="q")),
    (LIST, named(LIST, name="b")),
    (named(LIST, wrapped=True), named(LIST, wrapped=True, name="a")),
    (named(LIST, wrapped=True), named(LIST, nodeType="element")),
    (TEXT, {"allOf": [TEXT]}),
    (named(TEXT, name="b"), {"allOf": [named(TEXT, name="b")]}),
]


@every(CHANGED)
def test_another_xml_form_is_breaking(before: Any, after: Any) -> None:
    comparison = report(sent(a=before), sent(a=after))

    assert comparison.verdict == "breaking"
    assert [finding.rule for finding in comparison.findings] == ["request-xml-changed"]
    assert len(comparison.findings[0].operations) == 2


@every(SAME)
def test_an_equivalent_xml_form_gives_no_finding(before: Any, after: Any) -> None:
    assert not report(sent(a=before), sent(a=after)).findings


@pytest.mark.parametrize("media", ["text/xml", "application/soap+xml; charset=utf-8"])
def test_every_xml_media_type_is_compared(media: str) -> None:
    assert xml_messages(sent(media, a=TEXT), sent(media, a=named(TEXT, name="b"))) == [
        (
            "changed the XML representation of the property 'a' of the request body from 'element a' to "
            "'element b'"
        )
    ]


def test_xml_has_no_effect_on_json() -> None:
    assert not xml_messages(
        sent("application/json", a=TEXT), sent("application/json", a=named(TEXT, name="b"))
    )


def test_a_change_in_a_recursive_schema_is_one_finding() -> None:
    def tree(**xml: Any) -> dict[str, Any]:
        node = {"$ref": "#/components/schemas/Node"}
        schemas = {"Node": {"properties": {"next": node, "value": named(TEXT, **xml)}}}
        return sent(
            "application/xml", "text/xml", schemas=schemas, a=node, b={"type": "array", "items": node}
        )

    assert xml_messages(tree(), tree(attribute=True)) == [
        (
            "changed the XML representation of the property 'value' of the schema 'Node' in requests from"
            " 'element value' to 'attribute value'"
        )
    ]
