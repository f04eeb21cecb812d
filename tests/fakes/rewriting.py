"""Random OpenAPI documents, rewritings of them without an effect, and changes with exactly one finding."""

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
    made = {"responses": {"201": {"description": "", "content": content()}}, "security": [{"key": []}]}
    made["requestBody"] = {"required": True, "content": content()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pets", "version": "1"},
        "paths": {"/pets/{petId}": {"get": pet}, "/pets": {"post": made}},
        "components": {
            "schemas": {"Pet": draw(_OBJECTS), "Shop": draw(_OBJECTS)},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        },
    }


# --- rewritings: each changes the text of a document, but not its meaning ----------------------------------

Rewriting = Callable[[dict[str, Any], Random], None]
_INNER = ("items", "additionalProperties")


def places(data: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Return every schema of a document as a pair: the object that contains it, and its key in it."""
    return list(_places(data))


def _places(data: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    for kind in ("parameters", "headers"):
        yield from _held(data["components"].get(kind, {}).values())
    for part in (*items(data), *operations(data)):
        yield from _held(part.get("parameters", []))
    for holder in messages(data):
        yield from _held(holder.get("content", {}).values())
        yield from _held(holder.get("headers", {}).values())
    schemas = data["components"]["schemas"]
    for name in schemas:
        yield from _within(schemas, name)


def items(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every path item of a document."""
    return [*data["paths"].values(), *data["components"].get("pathItems", {}).values()]


def operations(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every operation of a document."""
    return [item[method] for item in items(data) for method in ("get", "post") if method in item]


def messages(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every request body and every response of a document."""
    parts = [
        part for kind in ("responses", "requestBodies") for part in data["components"].get(kind, {}).values()
    ]
    for operation in operations(data):
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
    data: dict[str, Any], random: Random, fits: Callable[[Any], bool] = lambda _: True
) -> tuple[Any, Any] | None:
    fitting = [
        (container, key)
        for container, key in places(data)
        if isinstance(container[key], dict) and fits(container[key])
    ]
    return random.choice(fitting) if fitting else None


def rename_a_component(data: dict[str, Any], random: Random) -> None:
    schemas = data["components"]["schemas"]
    name = random.choice(sorted(schemas))
    for container, key in places(data):
        if container[key] == {"$ref": f"#/components/schemas/{name}"}:
            container[key] = {"$ref": f"#/components/schemas/{name}New"}
    schemas[f"{name}New"] = schemas.pop(name)


def inline_a_reference(data: dict[str, Any], random: Random) -> None:
    place = _one(data, random, lambda schema: "$ref" in schema)
    if place:
        container, key = place
        name = container[key]["$ref"].rpartition("/")[2]
        container[key] = copy.deepcopy(data["components"]["schemas"][name])


def extract_a_component(data: dict[str, Any], random: Random) -> None:
    place = _one(data, random)
    if place:
        container, key = place
        name = f"Extracted{len(data['components']['schemas'])}"
        data["components"]["schemas"][name] = container[key]
        container[key] = {"$ref": f"#/components/schemas/{name}"}


def wrap_in_all_of(data: dict[str, Any], random: Random) -> None:
    place = _one(data, random)
    if place:
        container, key = place
        container[key] = {"allOf": [container[key]], "description": "wrapped"}


def spell_null_in_another_way(data: dict[str, Any], random: Random) -> None:
    place = _one(
        data, random, lambda schema: schema.get("nullable") or schema.get("type") == ["string", "null"]
    )
    if place:
        container, key = place
        rest = {name: value for name, value in container[key].items() if name not in {"nullable", "type"}}
        container[key] = random.choice(
            [
                {"type": "string", "nullable": True, **rest},
                {"type": ["null", "string"], **rest},
                {"oneOf": [{"type": "null"}, {"type": "string", **rest}]},
            ]
        )


def spell_a_constant_in_another_way(data: dict[str, Any], random: Random) -> None:
    place = _one(data, random, lambda schema: "const" in schema)
    if place:
        container, key = place
        container[key]["enum"] = [container[key].pop("const")]


def spell_a_bound_in_another_way(data: dict[str, Any], random: Random) -> None:
    place = _one(
        data, random, lambda schema: schema.get("exclusiveMinimum") == 0 and schema.get("type") == "integer"
    )
    if place:
        container, key = place
        container[key] = random.choice(
            [{"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 0, "exclusiveMinimum": True}]
        )


def split_an_object(data: dict[str, Any], random: Random) -> None:
    place = _one(data, random, lambda schema: bool(schema.get("required")) and "properties" in schema)
    if place:
        container, key = place
        schema = container[key]
        required = schema.pop("required")
        container[key] = {"allOf": [schema, {"required": required}]}


def reorder(data: dict[str, Any], random: Random) -> None:
    """Shuffle the keys of every object, and lists without a meaningful order."""

    def mixed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            names = list(value)
            random.shuffle(names)
            return {name: mixed(value[name], name) for name in names}
        if isinstance(value, list):
            made = [mixed(member) for member in value]
            if key in {"required", "enum", "oneOf", "anyOf", "allOf", "parameters", "type", "security"}:
                random.shuffle(made)
            return made
        return value

    fresh = mixed(data)
    data.clear()
    data.update(fresh)


def hoist_the_parameters(data: dict[str, Any], random: Random) -> None:
    path = random.choice(sorted(data["paths"]))
    item = data["paths"][path]
    for method in ("get", "post"):
        if "parameters" in item.get(method, {}):
            item["parameters"] = item[method].pop("parameters")


def hoist_the_security(data: dict[str, Any], random: Random) -> None:
    del random
    all_operations = operations(data)
    # Without `security`, all requests are allowed; a requirement of the whole document would change this.
    if "key" in data["components"]["securitySchemes"] and all(
        "security" in member for member in all_operations
    ):
        for operation in all_operations:
            del operation["security"]
        data["security"] = [{"key": []}]


def rename_a_path_parameter(data: dict[str, Any], random: Random) -> None:
    del random
    shared = data["components"].get("parameters", {}).values()
    lists = [holder.get("parameters", []) for holder in (*items(data), *operations(data))]
    for parameter in (*shared, *(parameter for parameters in lists for parameter in parameters)):
        if parameter.get("name") == "petId":
            parameter["name"] = "pet_id"
    data["paths"] = {path.replace("petId", "pet_id"): item for path, item in data["paths"].items()}


def rename_a_security_scheme(data: dict[str, Any], random: Random) -> None:
    del random
    schemes = data["components"]["securitySchemes"]
    if "key" in schemes and "security" not in data:
        schemes["apiKey"] = schemes.pop("key")
        for operation in operations(data):
            if "security" in operation:
                operation["security"] = [{"apiKey": []}]


def extract_what_is_around(data: dict[str, Any], random: Random) -> None:
    """Move a parameter, body, response, header or path item to the components."""
    responses = [operation["responses"] for operation in operations(data)]
    holders: list[tuple[str, Any]] = [("responses", part) for part in responses]
    holders += [("pathItems", data["paths"])]
    holders += [("requestBodies", part) for part in operations(data) if "requestBody" in part]
    holders += [
        ("headers", answer["headers"])
        for part in responses
        for answer in part.values()
        if "headers" in answer
    ]
    kind, holder = random.choice(holders)
    key = "requestBody" if kind == "requestBodies" else random.choice(sorted(holder))
    if "$ref" not in holder[key]:
        store = data["components"].setdefault(kind, {})
        name = f"Extracted{len(store)}"
        store[name] = holder[key]
        holder[key] = {"$ref": f"#/components/{kind}/{name}"}


def extract_a_parameter(data: dict[str, Any], random: Random) -> None:
    lists = [holder["parameters"] for holder in (*items(data), *operations(data)) if "parameters" in holder]
    if lists:
        parameters = random.choice(lists)
        number = random.randrange(len(parameters))
        if "$ref" not in parameters[number]:
            store = data["components"].setdefault("parameters", {})
            name = f"Extracted{len(store)}"
            store[name] = parameters[number]
            parameters[number] = {"$ref": f"#/components/parameters/{name}"}


def spell_the_style(data: dict[str, Any], random: Random) -> None:
    del random
    for holder in (*items(data), *operations(data)):
        for parameter in holder.get("parameters", []):
            if "$ref" not in parameter:
                form = parameter["in"] == "query"
                parameter |= {"style": "form" if form else "simple", "explode": form, "deprecated": False}


def spell_a_name_in_another_case(data: dict[str, Any], random: Random) -> None:
    """Change the case of header and media type names, and the charset, which have no effect."""
    del random
    for part in (*items(data), *operations(data)):
        for parameter in part.get("parameters", []):
            if parameter.get("in") == "header":
                parameter["name"] = parameter["name"].swapcase()
    for parameter in data["components"].get("parameters", {}).values():
        if parameter["in"] == "header":
            parameter["name"] = parameter["name"].swapcase()
    for holder in messages(data):
        if "headers" in holder:
            holder["headers"] = {name.swapcase(): header for name, header in holder["headers"].items()}
        if "application/json" in holder.get("content", {}):
            holder["content"]["Application/JSON; charset=utf-8"] = holder["content"].pop("application/json")


def say_where_and_who_again(data: dict[str, Any], random: Random) -> None:
    del random
    data["servers"] = [{"url": "/", "description": "here"}]
    for operation in operations(data):
        if "security" in operation:
            operation["security"] = [*operation["security"], *operation["security"]]


def say_what_goes_without_saying(data: dict[str, Any], random: Random) -> None:
    place = _one(
        data, random, lambda schema: schema.get("type") == "object" and "additionalProperties" not in schema
    )
    if place:
        container, key = place
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
