"""A change is one finding with its location and all affected operations; reports are deterministic."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pytest

from fakes.api import body, document, operation, query, receives, report, rules, sends, takes
from infra_openapi import CompareError, Level, Operation
from infra_openapi.formats.json_report import plain

PET = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 9}, "next": {"$ref": "#/components/schemas/Pet"}},
}


def shared(most: int, paths: int = 3) -> dict[str, Any]:
    pet = copy.deepcopy(PET)
    pet["properties"]["name"]["maxLength"] = most  # type: ignore[index]
    answer = operation({"200": {"description": "", **body({"$ref": "#/components/schemas/Pet"})}})
    return document(
        {f"/p{number}": {"get": answer} for number in range(paths)}, components={"schemas": {"Pet": pet}}
    )


def inlined(most: int) -> dict[str, Any]:
    pet = {"type": "object", "properties": {"name": {"type": "string", "maxLength": most}}}
    answer = operation({"200": {"description": "", **body(pet)}})
    return document({f"/p{number}": {"get": answer} for number in range(3)})


def test_a_change_of_a_shared_schema_is_one_finding_with_every_operation() -> None:
    (finding,) = report(shared(9), shared(10)).findings

    assert finding.rule == "response-max-length-increased"
    assert finding.revision is not None
    assert finding.revision.pointer == "/components/schemas/Pet/properties/name"
    assert finding.operations == tuple(Operation(method="GET", path=f"/p{number}") for number in range(3))
    assert finding.message == (
        "increased the maximum length of the property 'name' of the schema 'Pet' in responses from 9 to 10"
    )


def test_a_change_of_copies_of_a_schema_is_one_finding_with_its_copies() -> None:
    (finding,) = report(inlined(9), inlined(10)).findings

    assert len(finding.operations) == 3
    assert [copy.pointer.split("/")[2] for copy in finding.copies] == ["~1p1", "~1p2"]


def test_an_expanded_report_has_one_finding_for_each_operation() -> None:
    made = report(shared(9), shared(10))

    assert [finding.path for finding in made.expanded()] == ["/p0", "/p1", "/p2"]


def test_the_number_of_operations_does_not_change_the_number_of_findings() -> None:
    assert len(report(shared(9, paths=100), shared(10, paths=100)).findings) == 1


def test_a_fingerprint_depends_on_rule_pointer_and_values_and_not_on_lines() -> None:
    first, second = report(shared(9), shared(10)).findings[0], report(shared(9), shared(11)).findings[0]
    moved = report({"info": {}, **shared(9)}, {"x-new": {"a": 1}, **shared(10)}).findings[0]

    assert first.fingerprint == moved.fingerprint != second.fingerprint


@pytest.mark.process
def test_the_report_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "import json; from fakes.api import *; from fakes.changes import PAIRS\n"
        "from infra_openapi.formats.json_report import plain\n"
        "kept = [pair for pair in PAIRS if '#' not in str(pair)]\n"
        "one = lambda schema: {'post': operation(requestBody=body(schema))}\n"
        "mix = lambda at: document({f'/{n}': one(pair[at]) for n, pair in enumerate(kept)})\n"
        "print(json.dumps(plain({'': report(mix(1), mix(2))})))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    mine = {json.dumps(plain({"": report(shared(9), shared(10))})) for _ in range(20)}

    assert len(seen) == len(mine) == 1


def test_the_line_of_a_finding_is_that_of_the_key_in_yaml_and_in_json() -> None:
    from infra_openapi import compare, parse

    yaml = (
        "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      parameters:\n        - in: query\n"
        "          name: q\n          schema:\n            type: {}\n      responses: {{}}\n"
    )
    (finding,) = compare(
        parse(yaml.format("string"), name="a"), parse(yaml.format("integer"), name="b")
    ).findings
    as_json = json.dumps(takes(query()), indent=1)
    (other,) = compare(parse(as_json), parse(as_json.replace('"string"', '"integer"'))).findings

    assert str(finding.revision) == "b:8:11"
    assert other.revision is not None
    assert as_json.splitlines()[other.revision.line - 1].strip() == '"schema": {'


def test_changes_of_draft_and_alpha_operations_are_compatible() -> None:
    def made(schema: Any, level: str) -> dict[str, Any]:
        return document({"/a": {"post": operation(requestBody=body(schema), **{"x-stability-level": level})}})

    draft = report(made({"type": "string"}, "draft"), made({"type": "integer"}, "draft"))
    beta = report(made({"type": "string"}, "beta"), made({"type": "integer"}, "beta"))

    assert (draft.verdict, beta.verdict) == ("compatible", "breaking")


def test_presets_and_overrides_change_levels() -> None:
    grown = receives({"enum": ["a"]}), receives({"enum": ["a", "b"]})
    gone = sends({"type": "object", "properties": {"a": {}}}), sends({"type": "object"})

    assert report(*grown).verdict == "breaking"
    assert report(*grown, preset="lenient-enums").verdict == "warning"
    assert report(*grown, overrides={"response-enum-value-added": "ignore"}).findings == ()
    assert (
        report(*grown, overrides={"response-property-enum-value-added": Level.INFO}).verdict == "compatible"
    )
    assert report(*gone).verdict == "warning"
    assert report(*gone, preset="strict").verdict == "breaking"


def test_a_new_alternative_of_a_union_in_a_response_has_its_own_policy() -> None:
    events = [
        {"type": "object", "required": ["kind"], "properties": {"kind": {"const": name}}} for name in "abc"
    ]
    grown = receives({"anyOf": events[:2]}), receives({"anyOf": events})

    assert report(*grown).verdict == "warning"
    assert report(*grown, preset="closed-unions").verdict == "breaking"
    assert report(*grown, preset="strict").verdict == "breaking"
    assert report(*grown, overrides={"response-union-branch-added": "ignore"}).findings == ()


@pytest.mark.parametrize(
    "how",
    [{"preset": "none"}, {"overrides": {"no-rule": "info"}}, {"overrides": {"operation-removed": "bad"}}],
)
def test_an_unknown_preset_rule_or_level_is_an_error(how: dict[str, Any]) -> None:
    with pytest.raises(CompareError, match=r"unknown (preset|rule|level)"):
        report(document(), document(), **how)


def test_swagger_2_is_read_as_openapi_3_and_locations_are_those_of_the_file() -> None:
    swagger = {
        "swagger": "2.0",
        "info": {"title": "T", "version": "1"},
        "host": "a.example",
        "basePath": "/v1",
        "schemes": ["https"],
        "definitions": {
            "Pet": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "integer", "format": "int64"}},
            }
        },
        "paths": {
            "/pets": {
                "post": {
                    "consumes": ["application/json"],
                    "produces": ["application/json"],
                    "parameters": [
                        {
                            "in": "body",
                            "name": "pet",
                            "required": True,
                            "schema": {"$ref": "#/definitions/Pet"},
                        },
                        {
                            "in": "query",
                            "name": "tags",
                            "type": "array",
                            "items": {"type": "string"},
                            "collectionFormat": "multi",
                        },
                    ],
                    "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Pet"}}},
                }
            }
        },
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
    modern = {
        "openapi": "3.0.3",
        "info": swagger["info"],
        "servers": [{"url": "https://a.example/v1"}],
        "components": {"schemas": swagger["definitions"]},
        "paths": {
            "/pets": {
                "post": {
                    "parameters": [
                        {
                            "in": "query",
                            "name": "tags",
                            "schema": {"type": "array", "items": {"type": "string"}},
                        }
                    ],
                    "requestBody": {"required": True, "content": content},
                    "responses": {"200": {"description": "", "content": content}},
                }
            }
        },
    }
    changed = json.loads(json.dumps(swagger).replace("int64", "int32"))

    assert rules(swagger, modern) == []
    (narrowed, *_) = report(swagger, changed).findings
    assert narrowed.rule == "request-format-narrowed"
    assert narrowed.base is not None
    assert narrowed.base.pointer == "/definitions/Pet/properties/id"


def test_anchors_ids_and_dynamic_references_are_resolved() -> None:
    def made(most: int) -> dict[str, Any]:
        name = {"$anchor": "name", "type": "string", "maxLength": most}
        tree = {
            "$id": "https://example.com/tree",
            "$dynamicAnchor": "node",
            "type": "object",
            "properties": {"name": {"$ref": "#name"}, "next": {"$dynamicRef": "#node"}},
            "$defs": {"name": name},
        }
        return receives({"$ref": "https://example.com/tree"}, components={"schemas": {"Tree": tree}})

    assert rules(made(9), made(9)) == []
    assert rules(made(9), made(10)) == ["response-max-length-increased"]


def test_a_change_of_a_schema_that_others_include_by_all_of_is_one_finding() -> None:
    def made(**more: Any) -> dict[str, Any]:
        ref = {"$ref": "#/components/schemas/Trait"}
        both = {name: {"allOf": [ref, {"properties": {name: {}}}]} for name in ("Cat", "Dog")}
        trait = {"type": "object", "properties": {"age": {"type": "integer"}, **more}}
        either = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in both]}
        return receives(either, components={"schemas": {**both, "Trait": trait}})

    (finding,) = report(made(), made(legs={"type": "integer"})).findings

    assert finding.base is not None
    assert (finding.rule, finding.base.pointer) == ("response-property-added", "/components/schemas/Trait")
