"""Implicit subtypes: schemas whose `allOf` refers to a base with a discriminator."""

from __future__ import annotations

import copy
from typing import Any

from fakes.api import document, operation, receives, report
from infra_openapi.document.discriminator import with_subtypes

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def family(mapping: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """Return Pet, its subtypes Cat and Dog, and Puppy, a subtype of Dog."""
    told = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
    return {
        "Pet": {**obj(kind=TEXT), "required": ["kind"], "discriminator": told},
        "Cat": {"allOf": [ref("Pet"), obj(purr=fields.get("purr", TEXT))]},
        "Dog": {"allOf": [ref("Pet"), obj(bark=fields.get("bark", TEXT))]},
        "Puppy": {"allOf": [ref("Dog"), obj(toy=fields.get("toy", TEXT))]},
    }


def given(name: str, **fields: Any) -> dict[str, Any]:
    return receives(ref(name), components={"schemas": family(**fields)})


def test_a_response_with_a_base_schema_includes_its_direct_and_indirect_subtypes() -> None:
    findings = report(given("Pet"), given("Pet", purr=WHOLE, toy=WHOLE)).findings

    assert [finding.message for finding in findings] == [
        f"changed the type of {place} in responses from 'string' to 'integer'"
        for place in ("the property 'purr' of the schema 'Cat'", "the property 'toy' of the schema 'Puppy'")
    ]


def test_a_response_with_a_subtype_does_not_include_its_siblings() -> None:
    assert not report(given("Cat"), given("Cat", bark=WHOLE)).findings


def test_a_change_of_a_subtype_is_one_finding_with_all_operations_of_its_base() -> None:
    def shop(**fields: Any) -> dict[str, Any]:
        answer = receives(ref("Pet"))["paths"]["/things"]["get"]["responses"]
        paths = {"/a": {"get": operation(answer)}, "/b": {"get": operation(copy.deepcopy(answer))}}
        return document(paths, components={"schemas": family(**fields)})

    [finding] = report(shop(), shop(bark=WHOLE)).findings

    assert [str(one) for one in finding.operations] == ["GET /a", "GET /b"]


def test_an_explicit_mapping_keeps_its_value() -> None:
    mapping = with_subtypes({"components": {"schemas": family({"dog": ref("Dog")["$ref"], "Cat": "Cat"})}})[
        "components"
    ]["schemas"]["Pet"]["discriminator"]["mapping"]

    assert mapping == {"dog": ref("Dog")["$ref"], "Cat": "Cat", "Puppy": ref("Puppy")["$ref"]}


def test_the_original_document_is_not_changed() -> None:
    data = {"components": {"schemas": family()}}
    before = copy.deepcopy(data)

    assert with_subtypes(data) != data
    assert data == before


def test_circular_subtypes_and_invalid_parts_are_ignored() -> None:
    schemas = {
        **family(),
        "A": {"allOf": [ref("B"), ref("Pet"), 1]},
        "B": {"allOf": [ref("A")]},
        "C": {"allOf": 1},
    }

    subtypes = with_subtypes({"components": {"schemas": schemas}})["components"]["schemas"]["Pet"][
        "discriminator"
    ]

    assert sorted(subtypes["mapping"]) == ["A", "B", "Cat", "Dog", "Puppy"]
