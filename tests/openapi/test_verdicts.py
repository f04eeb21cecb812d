"""Verdicts of changes in requests, in responses, and in values that are sent as text."""

from __future__ import annotations

from typing import Any

from fakes.api import document, operation, receives, report, sends
from fakes.samples import sample

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


ANIMALS = {
    name: {**obj(kind=TEXT, **{verb: WHOLE}), "required": ["kind"]}
    for name, verb in (("Cat", "purr"), ("Dog", "bark"), ("Cow", "moo"))
}
#: Description, base, revision, verdict in a request, verdict in a response.
SCHEMAS: list[tuple[str, Any, Any, str, str]] = [
    (
        "oneOf add",
        {"oneOf": [ref("Cat"), ref("Dog")]},
        {"oneOf": [ref("Cat"), ref("Dog"), ref("Cow")]},
        "warning",
        "warning",
    ),
    ("anyOf remove", {"anyOf": [ref("Cat"), ref("Dog")]}, {"anyOf": [ref("Cat")]}, "breaking", "compatible"),
    ("wrap", ref("Cat"), {"oneOf": [ref("Cat"), ref("Dog")]}, "warning", "breaking"),
    (
        "property of an open alternative beside a closed one",
        {"oneOf": [{"type": "object", "additionalProperties": False}, {"type": "object"}]},
        {"oneOf": [{"type": "object", "additionalProperties": False}, obj(a=WHOLE)]},
        "compatible",
        "compatible",
    ),
    ("unwrap single", {"oneOf": [ref("Cat")]}, ref("Cat"), "compatible", "compatible"),
    (
        "allOf flatten",
        {"allOf": [ref("Cat"), obj(x=TEXT)]},
        {**obj(kind=TEXT, purr=WHOLE, x=TEXT), "required": ["kind"]},
        "compatible",
        "compatible",
    ),
    (
        "allOf removed",
        {"allOf": [ref("Cat"), {"required": ["purr"]}]},
        {"allOf": [ref("Cat")]},
        "compatible",
        "breaking",
    ),
    (
        "allOf added",
        {"allOf": [ref("Cat")]},
        {"allOf": [ref("Cat"), {"required": ["purr"]}]},
        "breaking",
        "compatible",
    ),
    (
        "null styles",
        {"type": ["string", "null"]},
        {"anyOf": [TEXT, {"type": "null"}]},
        "compatible",
        "compatible",
    ),
    (
        "type list vs oneOf",
        {"type": ["string", "integer"]},
        {"oneOf": [TEXT, WHOLE]},
        "compatible",
        "compatible",
    ),
    ("oneOf to one type", {"oneOf": [TEXT, WHOLE]}, TEXT, "breaking", "compatible"),
    (
        "enum vs const",
        {"enum": ["a", "b"]},
        {"oneOf": [{"const": "a"}, {"const": "b"}]},
        "compatible",
        "compatible",
    ),
    (
        "anyOf of enums vs enum",
        {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b"]}]},
        {"type": "string", "enum": ["a", "b"]},
        "compatible",
        "compatible",
    ),
    (
        "enum vs anyOf enums",
        {"type": "string", "enum": ["a", "b"]},
        {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b"]}]},
        "compatible",
        "compatible",
    ),
    (
        "absorbed branch",
        {"anyOf": [TEXT, {"type": "string", "enum": ["a"]}]},
        TEXT,
        "compatible",
        "compatible",
    ),
    (
        "open enum",
        {"type": "string", "enum": ["a"]},
        {"anyOf": [{"type": "string", "enum": ["a", "b"]}, TEXT]},
        "compatible",
        "breaking",
    ),
    ("items", {"type": "array", "items": TEXT}, {"type": "array", "items": WHOLE}, "breaking", "breaking"),
    (
        "prefix same",
        {"type": "array", "items": TEXT},
        {"type": "array", "prefixItems": [TEXT], "items": TEXT},
        "compatible",
        "compatible",
    ),
    ("items dropped", {"type": "array", "items": TEXT}, {"type": "array"}, "compatible", "breaking"),
    (
        "map values",
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": WHOLE},
        "breaking",
        "breaking",
    ),
    (
        "map named",
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": TEXT, "properties": {"a": TEXT}},
        "compatible",
        "compatible",
    ),
    (
        "map named required",
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": TEXT, "properties": {"a": TEXT}, "required": ["a"]},
        "breaking",
        "compatible",
    ),
    ("open to map", obj(a=TEXT), {**obj(a=TEXT), "additionalProperties": TEXT}, "breaking", "compatible"),
    (
        "int bounds",
        {"type": "integer", "minimum": 0},
        {"type": "integer", "exclusiveMinimum": -1},
        "compatible",
        "compatible",
    ),
    (
        "excl",
        {"type": "number", "minimum": 0},
        {"type": "number", "exclusiveMinimum": 0},
        "breaking",
        "compatible",
    ),
    ("fmt removed", {"type": "string", "format": "date-time"}, TEXT, "compatible", "breaking"),
    ("fmt hint", {"type": "string", "format": "password"}, TEXT, "compatible", "compatible"),
    ("int64 added", WHOLE, {"type": "integer", "format": "int64"}, "breaking", "compatible"),
    (
        "int widen",
        {"type": "integer", "format": "int32"},
        {"type": "integer", "format": "int64"},
        "compatible",
        "breaking",
    ),
    ("int32->number", {"type": "integer", "format": "int32"}, {"type": "number"}, "compatible", "breaking"),
    (
        "float->double",
        {"type": "number", "format": "float"},
        {"type": "number", "format": "double"},
        "compatible",
        "breaking",
    ),
    (
        "deep required",
        obj(a=obj(b=obj(c=TEXT))),
        obj(a=obj(b={**obj(c=TEXT), "required": ["c"]})),
        "breaking",
        "compatible",
    ),
    (
        "mapping gone",
        {
            "oneOf": [ref("Cat"), ref("Dog")],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"},
            },
        },
        {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}},
        "breaking",
        "compatible",
    ),
    (
        "disc prop",
        {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}},
        {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "type"}},
        "breaking",
        "breaking",
    ),
    (
        "branch prop changed",
        {"anyOf": [obj(a=TEXT), obj(b=TEXT)]},
        {"anyOf": [obj(a=TEXT), obj(b=WHOLE)]},
        "breaking",
        "breaking",
    ),
    ("true vs {}", True, {}, "compatible", "compatible"),
    ("not {} vs false", {"not": {}}, False, "compatible", "compatible"),
    ("const null", {"const": None}, {"type": "null"}, "compatible", "compatible"),
    ("bool enum", {"type": "boolean"}, {"enum": [True, False]}, "compatible", "compatible"),
    ("minLength 0", {"type": "string", "minLength": 0}, TEXT, "compatible", "compatible"),
    (
        "enum to maxLength",
        {"type": "string", "enum": ["a", "bb"]},
        {"type": "string", "maxLength": 5},
        "compatible",
        "breaking",
    ),
    (
        "pattern prop named",
        {"type": "object", "properties": {"a": TEXT}, "patternProperties": {"^x": WHOLE}},
        {"type": "object", "properties": {"a": TEXT, "xa": WHOLE}, "patternProperties": {"^x": WHOLE}},
        "compatible",
        "compatible",
    ),
    ("free object gets property", {"type": "object"}, obj(a=TEXT), "compatible", "compatible"),
    (
        "opt prop added",
        {**obj(a=TEXT), "required": ["a"]},
        {**obj(a=TEXT, b=TEXT), "required": ["a"]},
        "compatible",
        "compatible",
    ),
    (
        "nullable",
        obj(a={**TEXT, "nullable": True}),
        obj(a={"type": ["string", "null"]}),
        "compatible",
        "compatible",
    ),
    (
        "then",
        {**obj(a=TEXT), "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {**obj(a=TEXT), "if": {"required": ["a"]}, "then": {"required": ["b", "c"]}},
        "breaking",
        "compatible",
    ),
    (
        "unique",
        {"type": "array", "items": TEXT, "uniqueItems": True, "minItems": 1},
        {"type": "array", "items": TEXT, "minItems": 1},
        "compatible",
        "breaking",
    ),
    (
        "allOf nullable",
        obj(next=ref("Cat")),
        obj(next={"allOf": [ref("Cat")], "description": "x", "nullable": True}),
        "compatible",
        "breaking",
    ),
    (
        "prop removed",
        obj(a=TEXT, b={"type": "integer"}),
        {"type": "object", "properties": {"a": TEXT}},
        "warning",
        "warning",
    ),
    (
        "null gone",
        {"type": ["object", "null"], "properties": {"a": TEXT}},
        obj(a=TEXT),
        "breaking",
        "compatible",
    ),
    (
        "pattern",
        {"type": "string", "pattern": "^a+$"},
        {"type": "string", "pattern": "^[ab]+$"},
        "compatible",
        "breaking",
    ),
    (
        "1 vs 1.0",
        {"type": "integer", "enum": [1, 2]},
        {"type": "number", "enum": [1.0, 2.0]},
        "compatible",
        "compatible",
    ),
]


def verdict(make: Any, *schemas: Any) -> str:
    base, revision = (make(schema, components={"schemas": ANIMALS}) for schema in schemas)
    return str(report(base, revision).verdict)


def test_the_verdict_of_a_schema_change_depends_on_the_direction() -> None:
    schemas = sample(SCHEMAS)
    verdicts = [
        (name, verdict(sends, before, after), verdict(receives, before, after))
        for name, before, after, _, _ in schemas
    ]

    assert verdicts == [(name, sent, received) for name, _, _, sent, received in schemas]


def posted(**more: Any) -> dict[str, Any]:
    return document({"/a": {"post": operation(**more)}})


def query(**more: Any) -> dict[str, Any]:
    return {"in": "query", "name": "q", "schema": TEXT, **more}


def asked(parameter: dict[str, Any] | None) -> dict[str, Any]:
    return document({"/a": {"get": operation(parameters=[parameter] if parameter else [])}})


def answered(content: dict[str, Any]) -> dict[str, Any]:
    return posted(responses={"200": {"description": "", "content": content}})


def statuses(*statuses: str) -> dict[str, Any]:
    return posted(responses={status: {"description": ""} for status in statuses})


def secured(*requirements: dict[str, list[str]], **schemes: Any) -> dict[str, Any]:
    known = {"k": {"type": "apiKey", "in": "header", "name": "X"}, "b": {"type": "http", "scheme": "bearer"}}
    return {**posted(), "security": list(requirements), "components": {"securitySchemes": known | schemes}}


def called_back(schema: Any, responses: Any = None) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    called = operation(responses, requestBody={"required": True, "content": content})
    return posted(callbacks={"done": {"{$request.body#/u}": {"post": called}}})


def hooked(schema: Any) -> dict[str, Any]:
    called = operation(requestBody={"content": {"application/json": {"schema": schema}}})
    return {**document(), "webhooks": {"n": {"post": called}}}


def headed(**more: Any) -> dict[str, Any]:
    return posted(responses={"200": {"description": "", "headers": {"X": {"schema": TEXT, **more}}}})


DOCUMENTS: list[tuple[str, Any, Any, str]] = [
    ("param moved query->header", asked(query()), asked(query(**{"in": "header"})), "warning"),
    (
        "required param moved",
        asked(query(required=True)),
        asked(query(**{"in": "header"}, required=True)),
        "breaking",
    ),
    (
        "param schema->content",
        asked(query()),
        asked({"in": "query", "name": "q", "content": {"application/json": {"schema": TEXT}}}),
        "breaking",
    ),
    (
        "style default explicit",
        asked(query(schema={"type": "array"})),
        asked(query(schema={"type": "array"}, style="form", explode=True)),
        "compatible",
    ),
    ("explode scalar", asked(query()), asked(query(explode=False)), "compatible"),
    (
        "deepObject",
        asked(query(schema={"type": "object"})),
        asked(query(schema={"type": "object"}, style="deepObject", explode=True)),
        "breaking",
    ),
    (
        "param enum shrink",
        asked(query(schema={"enum": ["a", "b"]})),
        asked(query(schema={"enum": ["a"]})),
        "breaking",
    ),
    ("param int->string", asked(query(schema=WHOLE)), asked(query(schema=TEXT)), "compatible"),
    ("param string->int", asked(query(schema=TEXT)), asked(query(schema=WHOLE)), "breaking"),
    (
        "param enum int->str",
        asked(query(schema={"type": "integer", "enum": [1, 2]})),
        asked(query(schema={"type": "string", "enum": ["1", "2"]})),
        "compatible",
    ),
    (
        "param default changed",
        asked(query(schema={**TEXT, "default": "a"})),
        asked(query(schema={**TEXT, "default": "b"})),
        "compatible",
    ),
    ("param bool->string", asked(query(schema={"type": "boolean"})), asked(query(schema=TEXT)), "compatible"),
    (
        "scalar->array explode",
        asked(query(schema=TEXT)),
        asked(query(schema={"type": "array", "items": TEXT})),
        "compatible",
    ),
    (
        "scalar->array not explode",
        asked(query(schema=TEXT)),
        asked(query(explode=False, schema={"type": "array", "items": TEXT})),
        "breaking",
    ),
    (
        "header Authorization ignored",
        asked(None),
        asked({"in": "header", "name": "Authorization", "required": True, "schema": TEXT}),
        "compatible",
    ),
    (
        "header case",
        asked({"in": "header", "name": "X-A", "required": True, "schema": TEXT}),
        asked({"in": "header", "name": "x-a", "required": True, "schema": TEXT}),
        "compatible",
    ),
    (
        "method removed",
        document({"/a": {"get": operation(), "put": operation()}}),
        document({"/a": {"get": operation()}}),
        "breaking",
    ),
    (
        "req media range",
        posted(requestBody={"content": {"application/json": {"schema": TEXT}}}),
        posted(requestBody={"content": {"*/*": {"schema": TEXT}}}),
        "compatible",
    ),
    (
        "req media narrowed",
        posted(requestBody={"content": {"*/*": {"schema": TEXT}}}),
        posted(requestBody={"content": {"application/json": {"schema": TEXT}}}),
        "breaking",
    ),
    (
        "media charset",
        posted(requestBody={"content": {"application/json": {"schema": TEXT}}}),
        posted(requestBody={"content": {"application/json; charset=utf-8": {"schema": TEXT}}}),
        "compatible",
    ),
    (
        "resp media removed",
        answered({"application/json": {"schema": TEXT}, "text/plain": {}}),
        answered({"application/json": {"schema": TEXT}}),
        "breaking",
    ),
    (
        "resp media added",
        answered({"application/json": {"schema": TEXT}}),
        answered({"application/json": {"schema": TEXT}, "text/plain": {}}),
        "compatible",
    ),
    ("resp content removed", answered({"application/json": {"schema": TEXT}}), answered({}), "breaking"),
    ("200->201", statuses("200"), statuses("201"), "breaking"),
    ("200->2XX", statuses("200"), statuses("2XX"), "compatible"),
    ("2XX->200", statuses("2XX"), statuses("200"), "compatible"),
    ("200->default", statuses("200"), statuses("default"), "compatible"),
    ("404 removed", statuses("200", "404"), statuses("200"), "compatible"),
    (
        "404 covered by default",
        posted(
            responses={
                "200": {"description": ""},
                "default": {"description": "", "content": {"a/b": {"schema": TEXT}}},
            }
        ),
        posted(
            responses={
                "200": {"description": ""},
                "404": {"description": "", "content": {"a/b": {"schema": WHOLE}}},
                "default": {"description": "", "content": {"a/b": {"schema": TEXT}}},
            }
        ),
        "breaking",
    ),
    ("sec none->k", posted(), secured({"k": []}), "breaking"),
    ("sec k->none", secured({"k": []}), posted(), "compatible"),
    ("sec k->k or b", secured({"k": []}), secured({"k": []}, {"b": []}), "compatible"),
    ("sec k->k and b", secured({"k": []}), secured({"k": [], "b": []}), "breaking"),
    ("sec k and b->k", secured({"k": [], "b": []}), secured({"k": []}), "compatible"),
    ("sec or->one", secured({"k": []}, {"b": []}), secured({"b": []}), "breaking"),
    ("sec optional -> required", secured({"k": []}, {}), secured({"k": []}), "breaking"),
    (
        "apiKey renamed",
        secured({"k": []}),
        secured({"k": []}, k={"type": "apiKey", "in": "header", "name": "Y"}),
        "breaking",
    ),
    (
        "scheme basic->bearer",
        secured({"b": []}),
        secured({"b": []}, b={"type": "http", "scheme": "basic"}),
        "breaking",
    ),
    (
        "bearerFormat",
        secured({"b": []}),
        secured({"b": []}, b={"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}),
        "compatible",
    ),
    (
        "callback body prop required removed",
        called_back({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}),
        called_back({"type": "object", "properties": {"a": TEXT}}),
        "breaking",
    ),
    (
        "callback body prop required added",
        called_back({"type": "object", "properties": {"a": TEXT}}),
        called_back({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}),
        "compatible",
    ),
    (
        "callback resp required added",
        called_back(
            TEXT,
            {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}},
        ),
        called_back(
            TEXT,
            {
                "200": {
                    "description": "",
                    "content": {
                        "application/json": {
                            "schema": {"type": "object", "required": ["x"], "properties": {"x": TEXT}}
                        }
                    },
                }
            },
        ),
        "breaking",
    ),
    ("webhook enum add", hooked({"enum": ["a"]}), hooked({"enum": ["a", "b"]}), "breaking"),
    ("webhook enum remove", hooked({"enum": ["a", "b"]}), hooked({"enum": ["a"]}), "compatible"),
    (
        "readOnly prop required in request added",
        posted(requestBody={"content": {"application/json": {"schema": {"type": "object"}}}}),
        posted(
            requestBody={
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"id": {**TEXT, "readOnly": True}},
                            "required": ["id"],
                        }
                    }
                }
            }
        ),
        "compatible",
    ),
    (
        "path item ref",
        document(
            {"/a": {"$ref": "#/components/pathItems/A"}},
            components={"pathItems": {"A": {"get": operation()}}},
        ),
        document({"/a": {"get": operation()}}),
        "compatible",
    ),
    (
        "only components",
        {"openapi": "3.1.0", "info": {}, "components": {"schemas": {"A": TEXT}}},
        {"openapi": "3.1.0", "info": {}, "components": {"schemas": {"A": WHOLE}}},
        "breaking",
    ),
    (
        "unused component removed",
        document({"/a": {"get": operation()}}, components={"schemas": {"A": TEXT}}),
        document({"/a": {"get": operation()}}),
        "compatible",
    ),
    ("resp header opt removed", headed(), posted(responses={"200": {"description": ""}}), "warning"),
    ("resp header schema int->string", headed(schema=WHOLE), headed(schema=TEXT), "breaking"),
    (
        "deprecated sunset removal later",
        document(
            {"/a": {"get": operation(), "put": operation(deprecated=True, **{"x-sunset": "2999-01-01"})}}
        ),
        document({"/a": {"get": operation()}}),
        "breaking",
    ),
    (
        "3.0 -> 3.1",
        {**sends({"type": "string", "nullable": True}), "openapi": "3.0.3"},
        sends({"type": ["string", "null"]}),
        "compatible",
    ),
    (
        "form field required",
        posted(
            requestBody={
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {"f": {"type": "string", "format": "binary"}},
                        }
                    }
                }
            }
        ),
        posted(
            requestBody={
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {"f": {"type": "string", "format": "binary"}},
                            "required": ["f"],
                        }
                    }
                }
            }
        ),
        "breaking",
    ),
]


def test_the_verdict_follows_from_the_contract() -> None:
    verdicts = [(name, report(before, after).verdict) for name, before, after, _ in DOCUMENTS]

    assert verdicts == [(name, verdict) for name, _, _, verdict in DOCUMENTS]
