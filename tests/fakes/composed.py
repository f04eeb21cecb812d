"""Random composed schemas, and equivalent rewritings of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

#: The names of the properties. The schemas of harmful changes describe all of them, so that no value depends
#: on a property that its schema does not describe.
NAMES = ("a", "b")
WORDS = ("a", "b", "ab", "abc", "", "1")
NUMBERS = (0, 1, 2, 3, 5, 7, 1.5, -1, 10)
_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")

Schema = Any
Schemas = dict[str, Schema]
Rewriting = Callable[[Schema, Schemas, Random], Schema]


def ref(name: str) -> Schema:
    """Return a reference to a shared schema."""
    return {"$ref": f"#/components/schemas/{name}"}


# --- random schemas -----------------------------------------------------------------------------------------


def scalar(random: Random) -> Schema:
    """Return a schema of strings, numbers, booleans or null, without schemas in it."""
    schemas: list[Schema] = [
        {"type": "string"},
        {"type": "string", "minLength": random.randint(0, 3)},
        {"type": "string", "maxLength": random.randint(0, 3)},
        {"type": "string", "pattern": random.choice(["^a", "b$", "^[a-z]+$"])},
        {"type": "integer"},
        {"type": "number"},
        {"type": "integer", "minimum": random.randint(0, 5)},
        {"type": "integer", "maximum": random.randint(0, 5)},
        {"type": "number", "minimum": 1, "maximum": random.randint(2, 7)},
        {"type": "integer", "multipleOf": random.choice([2, 3])},
        {"type": "boolean"},
        {"type": "null"},
        {"const": random.choice(WORDS)},
        {"const": random.choice([1, 2, True])},
        {"enum": random.sample(WORDS, 2)},
        {"type": "string", "enum": random.sample(WORDS, 3)},
        {"enum": random.sample([1, 2, "a", "b", None, True], 3)},
        {"type": random.sample(["string", "integer", "boolean", "null"], 2)},
        {"type": ["string", "number"], "minLength": 1, "minimum": 1},
    ]
    return random.choice(schemas)


def described(random: Random, depth: int) -> Schema:
    """Return a schema of an object that describes all properties."""
    schema = {"type": "object", "properties": {name: typed(random, depth - 1) for name in NAMES}}
    required = random.sample(NAMES, random.randint(0, 2))
    if required:
        schema["required"] = required
    if random.random() < 0.3:
        schema["additionalProperties"] = False
    return schema


def typed(random: Random, depth: int) -> Schema:
    """Return a composed schema whose objects describe all properties."""
    if depth <= 0 or random.random() < 0.35:
        return scalar(random)
    inner = [typed(random, depth - 1) for _ in range(random.randint(1, 3))]
    schemas: list[Schema] = [
        described(random, depth),
        described(random, depth),
        {"type": "array", "items": inner[0]},
        {"type": "array", "items": inner[0], "minItems": random.randint(0, 2)},
        {"anyOf": inner},
        {"oneOf": inner},
        {"allOf": inner[:2]},
        {**scalar(random), "not": scalar(random)},
    ]
    return random.choice(schemas)


def loose(random: Random, depth: int, names: tuple[str, ...] = ()) -> Schema:
    """Return any composed schema, also one without a type, or one that contradicts itself."""
    if depth <= 0 or random.random() < 0.25:
        few: list[Schema] = [{}, True, False, {"type": "object"}, {"required": ["a"]}, *map(ref, names)]
        return random.choice(few) if random.random() < 0.3 else scalar(random)
    inner = [loose(random, depth - 1, names) for _ in range(3)]
    schemas: list[Schema] = [
        described(random, depth),
        {"type": "object", "properties": {"a": inner[0]}},
        {"type": "object", "additionalProperties": inner[0]},
        {"type": "object", "properties": {"a": inner[0]}, "required": ["a", "c"]},
        {"type": "array", "items": inner[0]},
        {"type": "array", "prefixItems": inner[:2], "maxItems": 3},
        {"anyOf": inner[:2]},
        {"oneOf": inner[:2]},
        {"oneOf": inner},
        {"anyOf": inner},
        {"allOf": inner[:2]},
        {"allOf": [inner[0]], "type": random.choice(_TYPES)},
        {"not": inner[0]},
        {"if": inner[0], "then": inner[1], "else": inner[2]},
    ]
    return random.choice(schemas)


# --- positions ----------------------------------------------------------------------------------------------

_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else")


def positions(holder: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the position of a schema and of each schema in it: the object that contains it, and its key."""
    yield holder, key
    schema = holder[key]
    if not isinstance(schema, dict):
        return
    for name in schema.get("properties", {}):
        yield from positions(schema["properties"], name)
    for name in _LISTS:
        for index in range(len(schema.get(name, []))):
            yield from positions(schema[name], index)
    for name in _SINGLE:
        if isinstance(schema.get(name), dict):
            yield from positions(schema, name)


# --- rewritings: each returns an equivalent schema ----------------------------------------------------------


def _wrapped(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    return {random.choice(["allOf", "anyOf", "oneOf"]): [schema]}


def _negated_twice(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas, random
    return {"not": {"not": schema}}


def _negated_twice_through_a_reference(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del random
    name = f"Not{len(schemas)}"
    schemas[name] = {"not": schema}
    return {"not": ref(name)}


def _extracted(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del random
    name = f"Part{len(schemas)}"
    schemas[name] = schema
    return ref(name)


def _inlined(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del random
    if isinstance(schema, dict) and schema.keys() == {"$ref"}:
        return copy.deepcopy(schemas[schema["$ref"].rpartition("/")[2]])
    return schema


def impossible(random: Random) -> Schema:
    """Return a schema without a valid value."""
    schemas: list[Schema] = [
        False,
        {"not": {}},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "string", "enum": [1]},
        {"allOf": [{"const": 1}, {"const": 2}]},
        {"type": "object", "required": ["a"], "properties": {"a": False}},
        {"type": "object", "required": ["a"], "properties": {"a": {"allOf": [{"const": 1}, {"const": 2}]}}},
        {"type": "object", "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"type": "array", "minItems": 1, "items": False},
    ]
    return random.choice(schemas)


def universal(random: Random) -> Schema:
    """Return a schema that allows every value."""
    schemas: list[Schema] = [
        {},
        True,
        {"oneOf": [{}]},
        {"anyOf": [{}, {"type": "string"}]},
        {"not": {"not": {}}},
        {"not": False},
        {"type": ["null", "boolean", "number", "string", "array", "object"]},
        {"anyOf": [{"type": "string"}, {"not": {"type": "string"}}]},
        {"oneOf": [{"type": "integer"}, {"not": {"type": "integer"}}]},
    ]
    return random.choice(schemas)


def _with_an_impossible_alternative(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    alternatives = [schema, impossible(random)]
    random.shuffle(alternatives)
    return {random.choice(["anyOf", "oneOf"]): alternatives}


def _with_everything(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    return {"allOf": [schema, universal(random)]}


def _spelled_differently(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    if schema is True or schema == {}:
        return universal(random)
    return impossible(random) if schema is False else schema


def _twice(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    return {random.choice(["anyOf", "allOf"]): [schema, copy.deepcopy(schema)]}


def _split_by_a_condition(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    condition = scalar(random)
    kind = random.choice(["anyOf", "oneOf"])
    return {kind: [{"allOf": [schema, condition]}, {"allOf": [copy.deepcopy(schema), {"not": condition}]}]}


def _alternatives_of_types(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    if not isinstance(schema, dict) or not isinstance(schema.get("type"), list) or "enum" in schema:
        return schema
    other_keywords = {key: value for key, value in schema.items() if key != "type"}
    alternatives = [{"type": name, **copy.deepcopy(other_keywords)} for name in schema["type"]]
    return {random.choice(["anyOf", "oneOf"]): alternatives}


def _alternatives_of_values(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    if not isinstance(schema, dict) or schema.keys() != {"enum"}:
        return schema
    values = schema["enum"]
    if random.random() < 0.5:
        return {"anyOf": [{"const": value} for value in values]}
    return {"oneOf": [{"enum": values[:1]}, {"enum": values[1:]}]}


def _nested(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    """Return a schema in which a nested union or intersection replaces all elements but the first."""
    del schemas
    for kind in random.sample(["anyOf", "allOf"], 2):
        if isinstance(schema, dict) and len(schema.get(kind, [])) > 2:
            return {**schema, kind: [schema[kind][0], {kind: schema[kind][1:]}]}
    return schema


def _reordered(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    if not isinstance(schema, dict):
        return schema
    reordered = {key: schema[key] for key in random.sample(list(schema), len(schema))}
    for keyword in ("anyOf", "oneOf", "allOf", "enum", "required"):
        if keyword in reordered:
            reordered[keyword] = random.sample(reordered[keyword], len(reordered[keyword]))
    return reordered


def _keywords_apart(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas
    if (
        not isinstance(schema, dict)
        or len(schema) < 2
        or {"if", "additionalProperties", "prefixItems"} & schema.keys()
    ):
        return schema
    keyword = random.choice(list(schema))
    other_keywords = {name: value for name, value in schema.items() if name != keyword}
    return {"allOf": [other_keywords, {keyword: schema[keyword]}]}


def _de_morgan(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas, random
    if isinstance(schema, dict) and schema.keys() == {"anyOf"}:
        return {"not": {"allOf": [{"not": alternative} for alternative in schema["anyOf"]]}}
    if isinstance(schema, dict) and schema.keys() == {"allOf"}:
        return {"not": {"anyOf": [{"not": alternative} for alternative in schema["allOf"]]}}
    return schema


def _condition_as_union(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas, random
    if not isinstance(schema, dict) or schema.keys() != {"if", "then", "else"}:
        return schema
    when = schema["if"]
    return {
        "anyOf": [
            {"allOf": [when, schema["then"]]},
            {"allOf": [{"not": copy.deepcopy(when)}, schema["else"]]},
        ]
    }


def _distributed(schema: Schema, schemas: Schemas, random: Random) -> Schema:
    del schemas, random
    if not isinstance(schema, dict) or schema.keys() != {"allOf"}:
        return schema
    for index, part in enumerate(schema["allOf"]):
        if isinstance(part, dict) and part.keys() == {"anyOf"}:
            others = schema["allOf"][:index] + schema["allOf"][index + 1 :]
            return {
                "anyOf": [{"allOf": [*copy.deepcopy(others), alternative]} for alternative in part["anyOf"]]
            }
    return schema


REWRITINGS: tuple[Rewriting, ...] = (
    _wrapped,
    _negated_twice,
    _negated_twice_through_a_reference,
    _extracted,
    _inlined,
    _with_an_impossible_alternative,
    _with_everything,
    _spelled_differently,
    _twice,
    _split_by_a_condition,
    _alternatives_of_types,
    _alternatives_of_values,
    _nested,
    _reordered,
    _keywords_apart,
    _de_morgan,
    _condition_as_union,
    _distributed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two schemas in their documents; for a harmful change, `value` is valid in only one of them."""

    before: dict[str, Any]
    after: dict[str, Any]
    name: str = ""
    value: Any = None


def document(schemas: Schemas, *, sent: bool = True, received: bool = True) -> dict[str, Any]:
    """Return a document whose only operation sends and receives the schema `Root`."""
    content = {"application/json": {"schema": ref("Root")}}
    operation: dict[str, Any] = {
        "responses": {"200": {"description": "", **({"content": content} if received else {})}}
    }
    if sent:
        operation["requestBody"] = {"required": True, "content": content}
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"post": operation}},
        "components": {"schemas": schemas},
    }


def rewriting(random: Random) -> Case:
    """Return a random document and an equivalent document."""
    depth = random.randint(1, 3)
    schemas: Schemas = {"Shared": loose(random, 1), "Root": {}}
    schemas["Root"] = loose(random, depth, ("Shared",))
    before = copy.deepcopy(schemas)
    names = []
    for _ in range(random.randint(1, 3)):
        holder, key = random.choice(list(positions(schemas, "Root")))
        function = random.choice(REWRITINGS)
        holder[key] = function(copy.deepcopy(holder[key]), schemas, random)
        names.append(function.__name__.strip("_"))
    schemas = dict(random.sample(list(schemas.items()), len(schemas)))
    return Case(before=document(before), after=document(schemas), name=" ".join(names))
