"""Random OpenAPI documents, and rewritings of them without an effect."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

_NAMES = ("id", "name", "size", "owner", "state")
_SCALARS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 1, "maxLength": 20},
        {"type": "string", "enum": ["a", "b", "c"]},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": "^[a-z]+$"},
        {"type": "string", "nullable": True},
        {"type": "integer", "minimum": 1, "maximum": 10},
        {"type": "integer", "exclusiveMinimum": 0},
        {"type": "number", "exclusiveMaximum": 5, "format": "double"},
        {"type": ["string", "null"]},
        {"type": ["string", "integer"]},
        {"type": "boolean"},
        {"const": "only"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
    ]
).map(copy.deepcopy)
_REFS = st.sampled_from(["Pet", "Shop"]).map(lambda name: {"$ref": f"#/components/schemas/{name}"})


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3),
                "required": st.lists(st.sampled_from(_NAMES), unique=True, max_size=2),
            }
        ),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=2, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
    )


SCHEMAS = st.recursive(st.one_of(_SCALARS, _REFS), _grown, max_leaves=6)
_OBJECTS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(st.sampled_from(_NAMES), SCHEMAS, min_size=1, max_size=4),
        "required": st.lists(st.sampled_from(_NAMES), unique=True, max_size=3),
    }
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Generate documents with two shared schemas, which may refer to each other and to themselves."""

    def content() -> dict[str, Any]:
        return {"application/json": {"schema": draw(SCHEMAS)}}

    parameters = [
        {"in": "path", "name": "petId", "required": True, "schema": draw(_SCALARS)},
        {"in": "query", "name": "limit", "schema": draw(_SCALARS)},
        {"in": "header", "name": "X-Trace", "schema": draw(_SCALARS)},
    ]
    pet = {
        "parameters": [*parameters],
        "responses": {
            "200": {
                "description": "",
                "content": content(),
                "headers": {"X-Rate": {"schema": draw(_SCALARS)}},
            },
            "default": {"description": "", "content": content()},
        },
        "security": [{"key": []}],
    }
    document = {"responses": {"201": {"description": "", "content": content()}}, "security": [{"key": []}]}
    document["requestBody"] = {"required": True, "content": content()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pets", "version": "1"},
        "paths": {"/pets/{petId}": {"get": pet}, "/pets": {"post": document}},
        "components": {
            "schemas": {"Pet": draw(_OBJECTS), "Shop": draw(_OBJECTS)},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        },
    }


# --- rewritings: each changes the text of a document, but not its meaning ----------------------------------

Rewriting = Callable[[dict[str, Any], Random], None]
_INNER = ("items", "additionalProperties")


def positions(document: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Return the positions of all schemas of a document: pairs of the containing object and the key."""
    return list(_places(document))


def _places(document: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    for kind in ("parameters", "headers"):
        yield from _held(document["components"].get(kind, {}).values())
    for part in (*items(document), *operations(document)):
        yield from _held(part.get("parameters", []))
    for holder in messages(document):
        yield from _held(holder.get("content", {}).values())
        yield from _held(holder.get("headers", {}).values())
    schemas = document["components"]["schemas"]
    for name in schemas:
        yield from _within(schemas, name)


def items(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every path item of a document."""
    return [*document["paths"].values(), *document["components"].get("pathItems", {}).values()]


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every operation of a document."""
    return [item[method] for item in items(document) for method in ("get", "post") if method in item]


def messages(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every request body and every response of a document."""
    parts = [
        part
        for kind in ("responses", "requestBodies")
        for part in document["components"].get(kind, {}).values()
    ]
    for operation in operations(document):
        parts += [operation.get("requestBody", {}), *operation["responses"].values()]
    return parts


def _held(holders: Any) -> Iterator[tuple[Any, Any]]:
    for holder in holders:
        if "$ref" not in holder:
            yield from _within(holder, "schema")


def _within(container: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    yield container, key
    schema = container[key]
    if not isinstance(schema, dict):
        return
    for name in schema.get("properties", {}):
        yield from _within(schema["properties"], name)
    for inner in _INNER:
        if inner in schema:
            yield from _within(schema, inner)
    for kind in ("oneOf", "anyOf", "allOf"):
        for number in range(len(schema.get(kind, []))):
            yield from _within(schema[kind], number)


def _one(
    document: dict[str, Any], random: Random, fits: Callable[[Any], bool] = lambda _: True
) -> tuple[Any, Any] | None:
    fitting = [
        (container, key)
        for container, key in positions(document)
        if isinstance(container[key], dict) and fits(container[key])
    ]
    return random.choice(fitting) if fitting else None


def rename_a_component(document: dict[str, Any], random: Random) -> None:
    schemas = document["components"]["schemas"]
    name = random.choice(sorted(schemas))
    for container, key in positions(document):
        if container[key] == {"$ref": f"#/components/schemas/{name}"}:
            container[key] = {"$ref": f"#/components/schemas/{name}New"}
    schemas[f"{name}New"] = schemas.pop(name)


def inline_a_reference(document: dict[str, Any], random: Random) -> None:
    position = _one(document, random, lambda schema: "$ref" in schema)
    if position:
        container, key = position
        name = container[key]["$ref"].rpartition("/")[2]
        container[key] = copy.deepcopy(document["components"]["schemas"][name])


def extract_a_component(document: dict[str, Any], random: Random) -> None:
    position = _one(document, random)
    if position:
        container, key = position
        name = f"Extracted{len(document['components']['schemas'])}"
        document["components"]["schemas"][name] = container[key]
        container[key] = {"$ref": f"#/components/schemas/{name}"}


def wrap_in_all_of(document: dict[str, Any], random: Random) -> None:
    position = _one(document, random)
    if position:
        container, key = position
        container[key] = {"allOf": [container[key]], "description": "wrapped"}


def spell_null_in_another_way(document: dict[str, Any], random: Random) -> None:
    position = _one(
        document, random, lambda schema: schema.get("nullable") or schema.get("type") == ["string", "null"]
    )
    if position:
        container, key = position
        other_keywords = {
            name: value for name, value in container[key].items() if name not in {"nullable", "type"}
        }
        container[key] = random.choice(
            [
                {"type": "string", "nullable": True, **other_keywords},
                {"type": ["null", "string"], **other_keywords},
                {"oneOf": [{"type": "null"}, {"type": "string", **other_keywords}]},
            ]
        )


def spell_a_constant_in_another_way(document: dict[str, Any], random: Random) -> None:
    position = _one(document, random, lambda schema: "const" in schema)
    if position:
        container, key = position
        container[key]["enum"] = [container[key].pop("const")]


def spell_a_bound_in_another_way(document: dict[str, Any], random: Random) -> None:
    position = _one(
        document,
        random,
        lambda schema: schema.get("exclusiveMinimum") == 0 and schema.get("type") == "integer",
    )
    if position:
        container, key = position
        container[key] = random.choice(
            [{"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 0, "exclusiveMinimum": True}]
        )


def split_an_object(document: dict[str, Any], random: Random) -> None:
    position = _one(document, random, lambda schema: bool(schema.get("required")) and "properties" in schema)
    if position:
        container, key = position
        schema = container[key]
        required = schema.pop("required")
        container[key] = {"allOf": [schema, {"required": required}]}


def reorder(document: dict[str, Any], random: Random) -> None:
    """Shuffle the keys of every object, and lists without a meaningful order."""

    def mixed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            names = list(value)
            random.shuffle(names)
            return {name: mixed(value[name], name) for name in names}
        if isinstance(value, list):
            members = [mixed(member) for member in value]
            if key in {"required", "enum", "oneOf", "anyOf", "allOf", "parameters", "type", "security"}:
                random.shuffle(members)
            return members
        return value

    fresh = mixed(document)
    document.clear()
    document.update(fresh)


def hoist_the_parameters(document: dict[str, Any], random: Random) -> None:
    path = random.choice(sorted(document["paths"]))
    path_item = document["paths"][path]
    for method in ("get", "post"):
        if "parameters" in path_item.get(method, {}):
            path_item["parameters"] = path_item[method].pop("parameters")


def hoist_the_security(document: dict[str, Any], random: Random) -> None:
    del random
    all_operations = operations(document)
    # Without `security`, all requests are allowed; a requirement of the whole document would change this.
    if "key" in document["components"]["securitySchemes"] and all(
        "security" in member for member in all_operations
    ):
        for operation in all_operations:
            del operation["security"]
        document["security"] = [{"key": []}]


def rename_a_path_parameter(document: dict[str, Any], random: Random) -> None:
    del random
    shared = document["components"].get("parameters", {}).values()
    lists = [holder.get("parameters", []) for holder in (*items(document), *operations(document))]
    for parameter in (*shared, *(parameter for parameters in lists for parameter in parameters)):
        if parameter.get("name") == "petId":
            parameter["name"] = "pet_id"
    document["paths"] = {path.replace("petId", "pet_id"): item for path, item in document["paths"].items()}


def rename_a_security_scheme(document: dict[str, Any], random: Random) -> None:
    del random
    schemes = document["components"]["securitySchemes"]
    if "key" in schemes and "security" not in document:
        schemes["apiKey"] = schemes.pop("key")
        for operation in operations(document):
            if "security" in operation:
                operation["security"] = [{"apiKey": []}]


def extract_what_is_around(document: dict[str, Any], random: Random) -> None:
    """Move a body, response, header or path item to the components."""
    responses = [operation["responses"] for operation in operations(document)]
    holders: list[tuple[str, Any]] = [("responses", part) for part in responses]
    holders += [("pathItems", document["paths"])]
    holders += [("requestBodies", part) for part in operations(document) if "requestBody" in part]
    holders += [
        ("headers", answer["headers"])
        for part in responses
        for answer in part.values()
        if "headers" in answer
    ]
    kind, holder = random.choice(holders)
    key = "requestBody" if kind == "requestBodies" else random.choice(sorted(holder))
    if "$ref" not in holder[key]:
        store = document["components"].setdefault(kind, {})
        name = f"Extracted{len(store)}"
        store[name] = holder[key]
        holder[key] = {"$ref": f"#/components/{kind}/{name}"}


def extract_a_parameter(document: dict[str, Any], random: Random) -> None:
    lists = [
        holder["parameters"] for holder in (*items(document), *operations(document)) if "parameters" in holder
    ]
    if lists:
        parameters = random.choice(lists)
        number = random.randrange(len(parameters))
        if "$ref" not in parameters[number]:
            store = document["components"].setdefault("parameters", {})
            name = f"Extracted{len(store)}"
            store[name] = parameters[number]
            parameters[number] = {"$ref": f"#/components/parameters/{name}"}


def spell_the_style(document: dict[str, Any], random: Random) -> None:
    del random
    for holder in (*items(document), *operations(document)):
        for parameter in holder.get("parameters", []):
            if "$ref" not in parameter:
                form = parameter["in"] == "query"
                parameter |= {"style": "form" if form else "simple", "explode": form, "deprecated": False}


def spell_a_name_in_another_case(document: dict[str, Any], random: Random) -> None:
    """Change the case of header and media type names, and the charset, which have no effect."""
    del random
    for part in (*items(document), *operations(document)):
        for parameter in part.get("parameters", []):
            if parameter.get("in") == "header":
                parameter["name"] = parameter["name"].swapcase()
    for parameter in document["components"].get("parameters", {}).values():
        if parameter["in"] == "header":
            parameter["name"] = parameter["name"].swapcase()
    for holder in messages(document):
        if "headers" in holder:
            holder["headers"] = {name.swapcase(): header for name, header in holder["headers"].items()}
        if "application/json" in holder.get("content", {}):
            holder["content"]["Application/JSON; charset=utf-8"] = holder["content"].pop("application/json")


def say_where_and_who_again(document: dict[str, Any], random: Random) -> None:
    del random
    document["servers"] = [{"url": "/", "description": "here"}]
    for operation in operations(document):
        if "security" in operation:
            operation["security"] = [*operation["security"], *operation["security"]]


def say_what_goes_without_saying(document: dict[str, Any], random: Random) -> None:
    position = _one(
        document,
        random,
        lambda schema: schema.get("type") == "object" and "additionalProperties" not in schema,
    )
    if position:
        container, key = position
        container[key] |= {"additionalProperties": True, "minProperties": 0, "description": "without effect"}


REWRITINGS: list[Rewriting] = [
    rename_a_component,
    inline_a_reference,
    extract_a_component,
    wrap_in_all_of,
    spell_null_in_another_way,
    spell_a_constant_in_another_way,
    spell_a_bound_in_another_way,
    split_an_object,
    reorder,
    hoist_the_parameters,
    hoist_the_security,
    rename_a_path_parameter,
    rename_a_security_scheme,
    extract_what_is_around,
    extract_a_parameter,
    spell_the_style,
    spell_a_name_in_another_case,
    say_where_and_who_again,
    say_what_goes_without_saying,
]
