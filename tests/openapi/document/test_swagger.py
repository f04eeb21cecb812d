"""Documents of version 2, compared with each other and with equivalent documents of version 3."""

from __future__ import annotations

from typing import Any

from fakes.api import document, operation, report
from fakes.samples import every

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
LIST = {"type": "array", "items": TEXT}
GRID = {"type": "array", "items": LIST}
PIPED = {"type": "array", "items": {**LIST, "collectionFormat": "pipes"}}
FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data"
JSON, XML = "application/json", "application/xml"


def obj(*required: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def old(operation: dict[str, Any] | None = None, path: str = "/a", **more: Any) -> dict[str, Any]:
    """A document of version 2 with one operation."""
    posted = {"responses": {"200": {"description": ""}}, **(operation or {})}
    return {
        "swagger": "2.0",
        "info": {"title": "T", "version": "1"},
        "paths": {path: {"post": posted}},
        **more,
    }


def new(path: str = "/a", **more: Any) -> dict[str, Any]:
    """Return the same document in version 3."""
    responses = more.pop("responses", {"200": {"description": ""}})
    return {**document({path: {"post": operation(responses, **more)}}), "openapi": "3.0.3"}


def takes(*parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return old({"parameters": list(parameters)}, **more)


def query(**more: Any) -> dict[str, Any]:
    return {"in": "query", "name": "q", "type": "string", **more}


def field(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"in": "formData", "name": name, "type": "string", **more}


def body(schema: Any, **more: Any) -> dict[str, Any]:
    return {"in": "body", "name": "b", "schema": schema, **more}


def answers(schema: Any, **more: Any) -> dict[str, Any]:
    return old({"responses": {"200": {"description": "", "schema": schema}}}, **more)


def headed(**header: Any) -> dict[str, Any]:
    return old({"responses": {"200": {"description": "", "headers": {"X": {"type": "array", **header}}}}})


def shared(kind: str, **more: Any) -> dict[str, Any]:
    """A document whose one response is a reference, and whose operation has its own media type."""
    response = {"description": "", "schema": obj(a=TEXT)}
    refers = {"produces": [kind], "responses": {"200": {"$ref": "#/responses/R"}}}
    return old(refers, responses={"R": response}, **more)


def pets(**subtypes: Any) -> dict[str, Any]:
    base = {**obj("kind", kind=TEXT), "discriminator": "kind"}
    definitions = {
        name: {"allOf": [{"$ref": "#/definitions/Pet"}, schema]} for name, schema in subtypes.items()
    }
    return answers({"$ref": "#/definitions/Pet"}, definitions={"Pet": base, **definitions})


def guarded(**scheme: Any) -> dict[str, Any]:
    return old({"security": [{"s": ["r"]}]}, securityDefinitions={"s": scheme})


SCOPES = {"scopes": {"r": ""}}
CODE = {"authorizationUrl": "https://a/a", "tokenUrl": "https://a/t", **SCOPES}
#: Description, base, revision, verdict, and the verdict of the opposite change. `same` means no findings;
#: a breaking change gives exactly one breaking finding.
CASES: list[tuple[str, Any, Any, str, str]] = [
    ("a field that must", takes(field()), takes(field(), field("g", required=True)), "breaking", "warning"),
    ("a first field that must", takes(field()), takes(field(required=True)), "breaking", "compatible"),
    ("a field that may", takes(field()), takes(field(), field("g")), "compatible", "warning"),
    ("a field is text", takes(field()), takes(field(type="integer")), "breaking", "compatible"),
    ("no list has no format", takes(query()), takes(query(collectionFormat="multi")), "same", "same"),
    ("csv unless told", takes(query(**LIST)), takes(query(**LIST, collectionFormat="csv")), "same", "same"),
    (
        "csv or multi",
        takes(query(**LIST)),
        takes(query(**LIST, collectionFormat="multi")),
        "breaking",
        "breaking",
    ),
    ("a list in a list", takes(query(**GRID)), takes(query(**PIPED)), "breaking", "breaking"),
    (
        "a list in a header",
        headed(items=TEXT),
        headed(items=TEXT, collectionFormat="pipes"),
        "breaking",
        "breaking",
    ),
    (
        "a media type that is taken",
        takes(body(obj(a=TEXT)), consumes=[JSON, XML]),
        takes(body(obj(a=TEXT)), consumes=[JSON]),
        "breaking",
        "compatible",
    ),
    (
        "a media type that is given",
        answers(obj(a=TEXT), produces=[JSON, XML]),
        answers(obj(a=TEXT), produces=[JSON]),
        "breaking",
        "compatible",
    ),
    ("its own word counts", shared(XML), shared(XML, produces=[JSON]), "same", "same"),
    ("a shared response", shared(XML), shared("text/csv"), "breaking", "breaking"),
    (
        "a shared response, written out",
        shared(XML),
        answers(obj(a=TEXT), produces=[XML]),
        "same",
        "same",
    ),
    ("a body's name", takes(body(TEXT)), takes({**body(TEXT), "name": "c"}), "same", "same"),
    ("a file", answers({"type": "file"}), answers(TEXT), "breaking", "breaking"),
    ("null", answers(obj(a=TEXT)), answers(obj(a={**TEXT, "x-nullable": True})), "breaking", "compatible"),
    ("a subtype", pets(Cat=obj(a=TEXT)), pets(Cat=obj(a=WHOLE)), "breaking", "breaking"),
    (
        "a base path in the paths",
        old(host="a.example", basePath="/v1"),
        old(host="a.example", path="/v1/a"),
        "same",
        "same",
    ),
    ("a base path", old(basePath="/v1"), old(basePath="/v2"), "breaking", "breaking"),
    (
        "a flow",
        guarded(type="oauth2", flow="accessCode", **CODE),
        guarded(type="oauth2", flow="application", tokenUrl="https://a/t", **SCOPES),
        "breaking",
        "breaking",
    ),
    # --- the same in version 3
    (
        "a body",
        takes(body(obj(a=TEXT), required=True)),
        new(requestBody={"required": True, "content": {JSON: {"schema": obj(a=TEXT)}}}),
        "same",
        "same",
    ),
    (
        "a form with a file",
        takes(field(required=True), field("up", type="file")),
        new(
            requestBody={
                "required": True,
                "content": {PARTS: {"schema": obj("f", f=TEXT, up={**TEXT, "format": "binary"})}},
            }
        ),
        "same",
        "same",
    ),
    (
        "a list that comes more than once",
        takes(query(**LIST, collectionFormat="multi")),
        new(parameters=[{"in": "query", "name": "q", "schema": LIST}]),
        "same",
        "same",
    ),
    (
        "a file that is given",
        answers({"type": "file"}, produces=["application/pdf"]),
        new(
            responses={
                "200": {
                    "description": "",
                    "content": {"application/pdf": {"schema": {**TEXT, "format": "binary"}}},
                }
            }
        ),
        "same",
        "same",
    ),
]


def verdict_of(before: dict[str, Any], after: dict[str, Any]) -> str:
    comparison = report(before, after)
    once = sum(finding.level.value == "breaking" for finding in comparison.findings) < 2
    return "same" if not comparison.findings else comparison.verdict if once else "breaking more than once"


@every([case[1:4] for case in CASES])
def test_the_verdict_of_a_change_in_version_2(before: Any, after: Any, verdict: str) -> None:
    assert verdict_of(before, after) == verdict


@every([(before, after, verdict) for _, after, before, _, verdict in CASES])
def test_the_verdict_of_the_opposite_change_in_version_2(before: Any, after: Any, verdict: str) -> None:
    assert verdict_of(before, after) == verdict


def test_a_change_of_a_shared_response_has_the_location_of_its_definition() -> None:
    changed = shared(XML)
    changed["responses"]["R"]["schema"] = obj(a=WHOLE)

    [finding] = report(shared(XML), changed).findings

    assert finding.revision is not None
    assert finding.revision.pointer == "/responses/R/schema/properties/a"
