"""Small pairs of documents from public reports and from trials, each with its verdict.

Each entry of a table is a kind of change in several forms. The bodies are schemas that clients send (request)
or receive (response).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes.api import body, document, operation, query, receives, report, sends, takes
from infra_openapi import CompareError, compare, load, parse

TEXT, WHOLE, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
LABEL = "application/x-www-form-urlencoded"


def obj(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def tagged(tag: Any, **properties: Any) -> dict[str, Any]:
    kind = {"integer": 0, "boolean": True, "string": ""}
    name = next(name for name, sample in kind.items() if type(sample) is type(tag))
    return obj("kind", kind={"type": name, "enum": [tag]}, **properties)


CAR = {"$ref": "#/components/schemas/Car"}

#: name, schema in the old document, schema in the new document, verdict in a request, verdict in a response
SCHEMAS: list[tuple[str, Any, Any, str, str]] = [
    (
        "constant of an alternative changed",
        {"oneOf": [obj("code", code={"const": "lost"}), obj("code", code={"const": "sold"})]},
        {"oneOf": [obj("code", code={"const": "hidden"}), obj("code", code={"const": "sold"})]},
        "breaking",
        "breaking",
    ),
    (
        "null in an enum, as a type of a list",
        {"type": ["string", "null"], "enum": ["small", "large", None]},
        {"anyOf": [{"type": "string", "enum": ["small", "large"]}, {"type": "null"}]},
        "compatible",
        "compatible",
    ),
    (
        "requirement beside allOf",
        {"allOf": [obj(title=TEXT), obj(width=WHOLE)]},
        {"allOf": [obj(title=TEXT), obj(width=WHOLE)], "required": ["width"]},
        "breaking",
        "compatible",
    ),
    (
        "requirement in the only alternative",
        {"oneOf": [obj("title", title=TEXT, queue=TEXT)]},
        {"oneOf": [obj("title", "queue", title=TEXT, queue=TEXT)]},
        "breaking",
        "compatible",
    ),
    (
        "properties divided between two schemas",
        obj(foot=TEXT, bar=WHOLE),
        {"allOf": [obj(foot=TEXT), obj(bar=WHOLE)]},
        "compatible",
        "compatible",
    ),
    ("one type of a list removed", {"type": ["integer", "string"]}, TEXT, "breaking", "compatible"),
    ("type with null removed", obj(v={"type": ["string", "null"]}), obj(v={}), "compatible", "breaking"),
    # --- values without a type ---
    ("integers to listed integers", WHOLE, {"enum": [1, 2]}, "breaking", "compatible"),
    ("listed integers to integers", {"enum": [1, 2]}, WHOLE, "compatible", "breaking"),
    ("integers to one integer", WHOLE, {"const": 7}, "breaking", "compatible"),
    ("integers to listed 1.0", WHOLE, {"enum": [1.0, 2]}, "breaking", "compatible"),
    ("integers to a listed fraction", WHOLE, {"enum": [1, 2.5]}, "breaking", "breaking"),
    (
        "listed integers with and without a type",
        {"enum": [1, 2]},
        {**WHOLE, "enum": [1, 2]},
        *2 * ["compatible"],
    ),
    (
        "listed integers, declared as numbers",
        {"type": "number", "enum": [1, 2]},
        {**WHOLE, "enum": [1, 2]},
        *2 * ["compatible"],
    ),
    (
        "integers or text to listed values",
        {"type": ["integer", "string"]},
        {"enum": [1, "a"]},
        "breaking",
        "compatible",
    ),
    ("one of the mixed values removed", {"enum": ["a", 1]}, {"const": "a", **TEXT}, "breaking", "compatible"),
    ("mixed values, null removed", {"enum": ["a", 1, None]}, {"enum": ["a", 1]}, "breaking", "compatible"),
    ("value to two values", {"const": "a", **TEXT}, {"enum": ["a", "b"], **TEXT}, "compatible", "breaking"),
    ("boolean to one boolean", TRUTH, {"const": True}, "breaking", "compatible"),
    (
        "listed integers as alternatives",
        {"enum": [1, 2]},
        {"oneOf": [{"const": 1, "title": "one"}, {"const": 2, "title": "two"}]},
        *2 * ["compatible"],
    ),
    ("multiples of an integer", {"enum": [4, 8]}, {**WHOLE, "multipleOf": 4}, "compatible", "breaking"),
    # --- required properties that are not declared ---
    ("declaration removed", obj("x", x=WHOLE), obj("x"), "compatible", "breaking"),
    ("declaration added", obj("x"), obj("x", x=WHOLE), "breaking", "compatible"),
    ("declaration without a restriction", obj("x"), obj("x", x={}), "compatible", "compatible"),
    ("declared and optional", obj("x"), obj(x=WHOLE), "breaking", "breaking"),
    ("optional, then required without a declaration", obj(x=WHOLE), obj("x"), "breaking", "breaking"),
    (
        "declaration removed in a part of allOf",
        {"allOf": [obj("x"), obj(x=WHOLE)]},
        {"allOf": [obj("x"), obj()]},
        "compatible",
        "breaking",
    ),
    # --- impossible alternatives ---
    (
        "types of an alternative that contradict each other",
        {"anyOf": [TEXT, {**obj(), "anyOf": [WHOLE, TEXT]}]},
        {"anyOf": [TEXT, {**obj(), "anyOf": [WHOLE, {}]}]},
        "compatible",
        "breaking",
    ),
    ("false as an alternative", {"oneOf": [TEXT, False]}, {"oneOf": [TEXT, TRUTH]}, "compatible", "breaking"),
    (
        "bounds that contradict each other",
        {"anyOf": [TEXT, {**WHOLE, "minimum": 5, "maximum": 3}]},
        {"anyOf": [TEXT, {**WHOLE, "minimum": 3, "maximum": 5}]},
        "compatible",
        "breaking",
    ),
    (
        "an alternative that became impossible",
        {"anyOf": [TEXT, {**WHOLE, "minimum": 3, "maximum": 5}]},
        {"anyOf": [TEXT, {**WHOLE, "minimum": 5, "maximum": 3}]},
        "breaking",
        "compatible",
    ),
]


def verdict(make: Any, *schemas: Any) -> str:
    components = {"schemas": {"Car": obj("doors", doors=WHOLE)}}
    base, revision = (make(schema, components=components) for schema in schemas)
    return str(report(base, revision).verdict)


def test_a_change_of_a_schema_has_its_verdict() -> None:
    verdicts = [
        (name, verdict(sends, before, after), verdict(receives, before, after))
        for name, before, after, _, _ in SCHEMAS
    ]

    assert verdicts == [(name, sent, received) for name, _, _, sent, received in SCHEMAS]


@pytest.mark.parametrize("tags", [(1, 2, 6), ("a", "b", "f"), (True, False, "none")])
def test_alternatives_with_different_tags_are_not_matched(tags: tuple[Any, Any, Any]) -> None:
    first, second, third = tags
    findings = report(
        receives({"oneOf": [tagged(first, on=TRUTH), tagged(second, on=TRUTH)]}),
        receives({"oneOf": [tagged(first, on=TRUTH), tagged(third, on=TRUTH)]}),
    ).findings

    assert [(finding.rule, finding.before, finding.after) for finding in findings] == [
        ("response-union-branch-replaced", str(second).lower(), str(third).lower())
    ]


def test_all_objects_are_rejected_by_a_second_alternative_that_became_possible() -> None:
    """Before, objects matched the first alternative only; now, they match both alternatives of `oneOf`."""

    def union(*kinds: Any) -> dict[str, Any]:
        return {"oneOf": [obj(a=TRUTH), {"type": "object", "anyOf": list(kinds)}]}

    comparison = report(sends(union(WHOLE, TEXT)), sends(union(WHOLE, {})))

    assert comparison.verdict == "breaking"


DOCUMENTS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "value of a deepObject parameter removed",
        takes(query(obj(origin={**TEXT, "enum": ["sea", "air", "road"]}), style="deepObject")),
        takes(query(obj(origin={**TEXT, "enum": ["sea", "air"]}), style="deepObject")),
        "breaking",
    ),
    (
        "example by reference",
        document(
            {"/orders": {"post": operation(requestBody=body(obj(sku=TEXT)))}},
            components={"examples": {"Small": {"value": {"sku": "x"}}}},
        ),
        document(
            {
                "/orders": {
                    "post": operation(requestBody=body(obj(sku={**TEXT, "description": "the article"})))
                }
            },
            components={"examples": {"Small": {"value": {"sku": "y"}}}},
        ),
        "compatible",
    ),
    (
        "null in place of a schema",
        receives(obj(a=None, b=TEXT)),
        {**receives(obj(a=None, b=TEXT)), "info": {"title": "U", "version": "2"}},
        "compatible",
    ),
    (
        "parameter of the operation became a parameter of the path",
        document({"/stock": {"get": operation(parameters=[query(name="depot", required=True)])}}),
        document({"/stock": {"parameters": [query(name="depot", required=True)], "get": operation()}}),
        "compatible",
    ),
    (
        "one variable twice in a path",
        document({"/teams/{id}/roles/{id}": {"get": operation(description="one")}}),
        document({"/teams/{id}/roles/{id}": {"get": operation(description="two")}}),
        "compatible",
    ),
    (
        "schema that no operation uses",
        document({"/health": {"get": operation()}}, components={"schemas": {"Event": obj(tags=TEXT)}}),
        document({"/health": {"get": operation()}}, components={"schemas": {"Event": obj(tags=WHOLE)}}),
        "compatible",
    ),
    (
        "order of similar paths",
        document({"/a/{x}/b": {"get": operation()}, "/a/{x}/{y}": {"get": operation()}}),
        document({"/a/{x}/{y}": {"get": operation()}, "/a/{x}/b": {"get": operation()}}),
        "compatible",
    ),
    (
        "operationId removed in Swagger 2.0",
        {"swagger": "2.0", "info": {}, "paths": {"/a": {"get": {"operationId": "a", "responses": {}}}}},
        {"swagger": "2.0", "info": {}, "paths": {"/a": {"get": {"responses": {}}}}},
        "compatible",
    ),
]


def test_a_change_of_a_document_has_its_verdict() -> None:
    verdicts = [(name, report(before, after).verdict) for name, before, after, _ in DOCUMENTS]

    assert verdicts == [(name, verdict) for name, _, _, verdict in DOCUMENTS]


def test_a_null_in_openapi_3_0_is_the_same_as_a_type_in_3_1() -> None:
    old = sends(
        obj(size={**TEXT, "nullable": True, "enum": ["small", None]}, note={**TEXT, "nullable": True})
    )
    new = sends(
        obj(
            size={"type": ["string", "null"], "enum": ["small", None]},
            note={"anyOf": [TEXT, {"type": "null"}]},
        )
    )

    assert report({**old, "openapi": "3.0.3"}, new).findings == ()


def test_many_schemas_that_refer_to_each_other_in_unions_are_compared() -> None:
    count = 40

    def web(kind: Any) -> dict[str, Any]:
        schemas = {}
        for number in range(count):
            targets = [
                {"$ref": f"#/components/schemas/N{(number * step + 1) % count}"} for step in range(1, 6)
            ]
            parts = {f"p{step}": {"oneOf": [target, TEXT]} for step, target in enumerate(targets)}
            schemas[f"N{number}"] = obj(v=kind if number == count - 1 else TEXT, **parts)
        return receives({"$ref": "#/components/schemas/N0"}, components={"schemas": schemas})

    findings = report(web(TEXT), web(WHOLE)).findings

    assert [finding.rule for finding in findings] == ["response-type-changed"]


def test_a_change_in_a_file_that_refers_to_itself_is_found(tmp_path: Path) -> None:
    for side, kind in (("old", "string"), ("new", "integer")):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "tree.yaml").write_text(
            f"type: object\nproperties:\n  n: {{type: {kind}}}\n"
            "  kids: {type: array, items: {$ref: ./tree.yaml}}\n"
        )
        (folder / "api.yaml").write_text(
            "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /tree:\n    put:\n      requestBody:\n"
            "        content: {application/json: {schema: {$ref: ./tree.yaml}}}\n"
            "      responses: {'200': {description: done}}\n"
        )

    compared = compare(load(tmp_path / "old" / "api.yaml"), load(tmp_path / "new" / "api.yaml"))

    assert compared.verdict == "breaking"


def test_a_reference_to_a_missing_file_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "api.yaml"
    file.write_text(
        "openapi: 3.0.3\npaths:\n  /c:\n    get:\n      responses:\n"
        "        '200': {content: {application/json: {schema: {$ref: parts/gone.json}}}}\n"
    )

    with pytest.raises(CompareError, match=r"api\.yaml:6:.*parts/gone\.json") as caught:
        load(file)

    assert caught.value.line == 6


def test_a_schema_that_refers_only_to_itself_is_an_error() -> None:
    with pytest.raises(CompareError, match="circular"):
        parse(
            receives(
                {"$ref": "#/components/schemas/S"},
                components={"schemas": {"S": {"$ref": "#/components/schemas/S"}}},
            )
        )
