"""Verdicts of schema changes: in requests and in responses."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.api import receives, report, rules, sends
from fakes.samples import sample

B, OK = True, False
TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
TRUTH: dict[str, Any] = {"type": "boolean"}


def obj(*required: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def shut(*required: str, **properties: Any) -> dict[str, Any]:
    return {**obj(*required, **properties), "additionalProperties": False}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


SHARED: dict[str, Any] = {
    "Cat": obj("kind", kind=TEXT, purr=WHOLE),
    "Dog": obj("kind", kind=TEXT, bark=WHOLE),
    "Cow": obj("kind", kind=TEXT, moo=WHOLE),
    "Cat2": obj("kind", kind=TEXT, purr=WHOLE),
    "S": TEXT,
    "I": WHOLE,
    "Node": obj(next=ref("Node"), v=TEXT),
    "TCat": obj("kind", kind={"const": "cat"}, purr=WHOLE),
    "TDog": obj("kind", kind={"const": "dog"}, bark=WHOLE),
}
#: Description, base, revision; whether the change is breaking in a request and in a response.
CASES: list[tuple[str, Any, Any, bool, bool]] = [
    ("int->num", WHOLE, NUMBER, OK, B),
    (
        "map->alternatives with a gap",
        {"type": "object", "additionalProperties": WHOLE},
        {
            "anyOf": [
                {**obj(a={**WHOLE, "maximum": 3}), "additionalProperties": WHOLE},
                {**obj(a={**WHOLE, "minimum": 5}), "additionalProperties": WHOLE},
            ]
        },
        B,
        OK,
    ),
    ("num->int", NUMBER, WHOLE, B, OK),
    ("str->int", TEXT, WHOLE, B, B),
    ("int->str", WHOLE, TEXT, B, B),
    ("str->[str,int]", TEXT, {"type": ["string", "integer"]}, OK, B),
    ("[str,null]->str", {"type": ["string", "null"]}, TEXT, B, OK),
    ("null->str", {"type": "null"}, TEXT, B, B),
    ("bool->str", TRUTH, TEXT, B, B),
    ("obj->arr", obj(a=TEXT), {"type": "array", "items": TEXT}, B, B),
    ("typed->untyped", TEXT, {}, OK, B),
    ("untyped->typed", {}, TEXT, B, OK),
    ("type order", {"type": ["string", "integer"]}, {"type": ["integer", "string"]}, OK, OK),
    ("int,num list", {"type": ["integer", "number"]}, NUMBER, OK, OK),
    (
        "nullable oneOf->null branch",
        {"oneOf": [ref("Cat"), ref("Dog")], "nullable": True},
        {"oneOf": [ref("Cat"), ref("Dog"), {"type": "null"}]},
        OK,
        OK,
    ),
    (
        "nullable allOf oneOf",
        {"allOf": [{"oneOf": [ref("Cat"), ref("Dog")]}], "nullable": True},
        {"oneOf": [ref("Cat"), ref("Dog"), {"type": "null"}]},
        OK,
        OK,
    ),
    (
        "anyOf ref null vs nullable",
        {"anyOf": [ref("Cat"), {"type": "null"}]},
        {"allOf": [ref("Cat")], "nullable": True},
        OK,
        OK,
    ),
    ("enum add", {**TEXT, "enum": ["a"]}, {**TEXT, "enum": ["a", "b"]}, OK, B),
    ("enum rm", {**TEXT, "enum": ["a", "b"]}, {**TEXT, "enum": ["a"]}, B, OK),
    ("enum reorder", {"enum": ["a", "b"]}, {"enum": ["b", "a"]}, OK, OK),
    ("enum dup", {"enum": ["a", "b"]}, {"enum": ["a", "b", "a"]}, OK, OK),
    ("enum->empty", {**TEXT, "enum": ["a"]}, {**TEXT, "enum": []}, B, OK),
    ("enum->none", {**TEXT, "enum": ["a"]}, TEXT, OK, B),
    ("none->enum", TEXT, {**TEXT, "enum": ["a"]}, B, OK),
    ("const==enum1", {"const": "a"}, {"enum": ["a"]}, OK, OK),
    ("const change", {"const": "a"}, {"const": "b"}, B, B),
    ("const->enum wider", {"const": "a"}, {"enum": ["a", "b"]}, OK, B),
    (
        "enum null add",
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": ["string", "null"], "enum": ["a"]},
        B,
        OK,
    ),
    ("enum mixed", {"enum": ["a", 1]}, {"enum": ["a"]}, B, OK),
    ("enum 1 vs '1'", {"enum": [1]}, {"enum": ["1"]}, B, B),
    ("enum int range", {**WHOLE, "minimum": 1, "maximum": 3}, {**WHOLE, "enum": [1, 2, 3]}, OK, OK),
    ("enum obj -> required", {"enum": [{"a": 1}]}, {"type": "object", "required": ["b"]}, B, B),
    ("enum obj -> ok", {"enum": [{"a": 1}]}, {"type": "object", "required": ["a"]}, OK, B),
    ("enum arr", {"enum": [[1]]}, {"type": "array", "items": TEXT}, B, B),
    ("enum within pattern", {**TEXT, "enum": ["ab"]}, {**TEXT, "pattern": "^a"}, OK, B),
    ("enum outside pattern", {**TEXT, "enum": ["b"]}, {**TEXT, "pattern": "^a"}, B, B),
    ("enum bool const", TRUTH, {"type": "boolean", "enum": [True]}, B, OK),
    (
        "enum in items",
        {"type": "array", "items": {"enum": ["a", "b"]}},
        {"type": "array", "items": {"enum": ["a"]}},
        B,
        OK,
    ),
    ("not const", {**TEXT, "not": {"const": "x"}}, {**TEXT, "not": {"const": "y"}}, B, B),
    (
        "not null",
        {"not": {"type": "null"}},
        {"type": ["string", "number", "boolean", "array", "object"]},
        OK,
        OK,
    ),
    ("enum minus via not", {"enum": ["a", "b"]}, {"enum": ["a", "b"], "not": {"const": "b"}}, B, OK),
    ("default add", TEXT, {**TEXT, "default": "a"}, OK, OK),
    ("default chg", {**TEXT, "default": "b"}, {**TEXT, "default": "a"}, OK, OK),
    ("minimum up", {**NUMBER, "minimum": 1}, {**NUMBER, "minimum": 2}, B, OK),
    ("minimum down", {**NUMBER, "minimum": 2}, {**NUMBER, "minimum": 1}, OK, B),
    ("maximum up", {**NUMBER, "maximum": 1}, {**NUMBER, "maximum": 2}, OK, B),
    ("maximum down", {**NUMBER, "maximum": 2}, {**NUMBER, "maximum": 1}, B, OK),
    ("minimum add", NUMBER, {**NUMBER, "minimum": 2}, B, OK),
    ("maximum rm", {**NUMBER, "maximum": 2}, NUMBER, OK, B),
    ("minLength up", {**TEXT, "minLength": 1}, {**TEXT, "minLength": 2}, B, OK),
    ("minLength down", {**TEXT, "minLength": 2}, {**TEXT, "minLength": 1}, OK, B),
    ("maxLength up", {**TEXT, "maxLength": 1}, {**TEXT, "maxLength": 2}, OK, B),
    ("maxLength down", {**TEXT, "maxLength": 2}, {**TEXT, "maxLength": 1}, B, OK),
    ("minLength add", TEXT, {**TEXT, "minLength": 2}, B, OK),
    ("maxLength rm", {**TEXT, "maxLength": 2}, TEXT, OK, B),
    (
        "minItems up",
        {"type": "array", "items": TEXT, "minItems": 1},
        {"type": "array", "items": TEXT, "minItems": 2},
        B,
        OK,
    ),
    (
        "minItems down",
        {"type": "array", "items": TEXT, "minItems": 2},
        {"type": "array", "items": TEXT, "minItems": 1},
        OK,
        B,
    ),
    (
        "maxItems up",
        {"type": "array", "items": TEXT, "maxItems": 1},
        {"type": "array", "items": TEXT, "maxItems": 2},
        OK,
        B,
    ),
    (
        "maxItems down",
        {"type": "array", "items": TEXT, "maxItems": 2},
        {"type": "array", "items": TEXT, "maxItems": 1},
        B,
        OK,
    ),
    (
        "minItems add",
        {"type": "array", "items": TEXT},
        {"type": "array", "items": TEXT, "minItems": 2},
        B,
        OK,
    ),
    ("maxItems rm", {"type": "array", "items": TEXT, "maxItems": 2}, {"type": "array", "items": TEXT}, OK, B),
    (
        "minProperties up",
        {"type": "object", "minProperties": 1},
        {"type": "object", "minProperties": 2},
        B,
        OK,
    ),
    (
        "minProperties down",
        {"type": "object", "minProperties": 2},
        {"type": "object", "minProperties": 1},
        OK,
        B,
    ),
    (
        "maxProperties up",
        {"type": "object", "maxProperties": 1},
        {"type": "object", "maxProperties": 2},
        OK,
        B,
    ),
    (
        "maxProperties down",
        {"type": "object", "maxProperties": 2},
        {"type": "object", "maxProperties": 1},
        B,
        OK,
    ),
    ("minProperties add", {"type": "object"}, {"type": "object", "minProperties": 2}, B, OK),
    ("maxProperties rm", {"type": "object", "maxProperties": 2}, {"type": "object"}, OK, B),
    ("excl31", {**NUMBER, "minimum": 1}, {**NUMBER, "exclusiveMinimum": 1}, B, OK),
    (
        "excl dialects",
        {**NUMBER, "minimum": 1, "exclusiveMinimum": True},
        {**NUMBER, "exclusiveMinimum": 1},
        OK,
        OK,
    ),
    ("excl int", {**WHOLE, "exclusiveMaximum": 5}, {**WHOLE, "maximum": 4}, OK, OK),
    ("min 1 vs 1.0", {**NUMBER, "minimum": 1}, {**NUMBER, "minimum": 1.0}, OK, OK),
    ("min neg", {**NUMBER, "minimum": -5}, {**NUMBER, "minimum": -3}, B, OK),
    ("minItems0", {"type": "array", "items": TEXT}, {"type": "array", "items": TEXT, "minItems": 0}, OK, OK),
    (
        "required implies minProps",
        obj("a", a=TEXT),
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"], "minProperties": 1},
        OK,
        OK,
    ),
    (
        "uniqueItems add",
        {"type": "array", "items": TEXT},
        {"type": "array", "items": TEXT, "uniqueItems": True},
        B,
        OK,
    ),
    (
        "uniqueItems maxItems1",
        {"type": "array", "items": TEXT, "maxItems": 1},
        {"type": "array", "items": TEXT, "maxItems": 1, "uniqueItems": True},
        OK,
        OK,
    ),
    ("multipleOf 2->4", {**WHOLE, "multipleOf": 2}, {**WHOLE, "multipleOf": 4}, B, OK),
    ("multipleOf 4->2", {**WHOLE, "multipleOf": 4}, {**WHOLE, "multipleOf": 2}, OK, B),
    ("multipleOf 2->3", {**WHOLE, "multipleOf": 2}, {**WHOLE, "multipleOf": 3}, B, B),
    ("multipleOf 1 int", WHOLE, {**WHOLE, "multipleOf": 1}, OK, OK),
    ("num mult1 == int", {**NUMBER, "multipleOf": 1}, WHOLE, OK, OK),
    ("num mult .01->.1", {**NUMBER, "multipleOf": 0.01}, {**NUMBER, "multipleOf": 0.1}, B, OK),
    ("int->num mult.5", WHOLE, {**NUMBER, "multipleOf": 0.5}, OK, B),
    ("pattern add", TEXT, {**TEXT, "pattern": "^a$"}, B, OK),
    ("pattern rm", {**TEXT, "pattern": "^a$"}, TEXT, OK, B),
    ("pat widen class", {**TEXT, "pattern": "^[a-z]+$"}, {**TEXT, "pattern": "^[a-z0-9]+$"}, OK, B),
    ("pat narrow class", {**TEXT, "pattern": "^[a-z0-9]+$"}, {**TEXT, "pattern": "^[a-z]+$"}, B, OK),
    ("pat disjoint", {**TEXT, "pattern": "^a+$"}, {**TEXT, "pattern": "^b+$"}, B, B),
    ("pat alt add", {**TEXT, "pattern": "^(a|b)$"}, {**TEXT, "pattern": "^(a|b|c)$"}, OK, B),
    ("pat equal", {**TEXT, "pattern": "^[0-9]+$"}, {**TEXT, "pattern": "^\\d+$"}, OK, OK),
    ("pat equal2", {**TEXT, "pattern": "^(?:a|b)$"}, {**TEXT, "pattern": "^[ab]$"}, OK, OK),
    ("pat quant", {**TEXT, "pattern": "^[a-z]{3}$"}, {**TEXT, "pattern": "^[a-z]{2,4}$"}, OK, B),
    ("pat anchors off", {**TEXT, "pattern": "^abc$"}, {**TEXT, "pattern": "abc"}, OK, B),
    ("pat .*", TEXT, {**TEXT, "pattern": "^.*$"}, OK, OK),
    ("pat enum eq", {**TEXT, "pattern": "^(a|b)$"}, {**TEXT, "enum": ["a", "b"]}, OK, OK),
    ("int32->int64", {**WHOLE, "format": "int32"}, {**WHOLE, "format": "int64"}, OK, B),
    ("int64->int32", {**WHOLE, "format": "int64"}, {**WHOLE, "format": "int32"}, B, OK),
    ("date->date-time", {**TEXT, "format": "date"}, {**TEXT, "format": "date-time"}, B, B),
    ("uuid add", TEXT, {**TEXT, "format": "uuid"}, B, OK),
    ("uuid rm", {**TEXT, "format": "uuid"}, TEXT, OK, B),
    ("float->double", {**NUMBER, "format": "float"}, {**NUMBER, "format": "double"}, OK, B),
    ("unknown fmt add", TEXT, {**TEXT, "format": "foo"}, OK, OK),
    ("fmt email->idn", {**TEXT, "format": "email"}, {**TEXT, "format": "idn-email"}, OK, B),
    ("byte->base64enc", {**TEXT, "format": "byte"}, {**TEXT, "contentEncoding": "base64"}, OK, OK),
    (
        "binary->octet",
        {**TEXT, "format": "binary"},
        {**TEXT, "contentMediaType": "application/octet-stream"},
        OK,
        OK,
    ),
    ("req prop add opt", obj(a=TEXT), obj(a=TEXT, b=TEXT), OK, OK),
    ("prop add req", obj(a=TEXT), obj("b", a=TEXT, b=TEXT), B, OK),
    ("prop add req default", obj(a=TEXT), obj("b", a=TEXT, b={**TEXT, "default": "x"}), OK, OK),
    ("prop opt->req", obj(a=TEXT), obj("a", a=TEXT), B, OK),
    ("prop req->opt", obj("a", a=TEXT), obj(a=TEXT), OK, B),
    ("prop opt->req default", obj(a={**TEXT, "default": "x"}), obj("a", a={**TEXT, "default": "x"}), OK, OK),
    ("prop rm opt", obj(a=TEXT, b=TEXT), obj(a=TEXT), OK, OK),
    ("prop rm req", obj("b", a=TEXT, b=TEXT), obj(a=TEXT), OK, B),
    (
        "prop rm closed",
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "additionalProperties": False},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        B,
        OK,
    ),
    (
        "prop add closed",
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "additionalProperties": False},
        OK,
        B,
    ),
    ("prop rename", obj("a", a=TEXT), obj("b", b=TEXT), B, B),
    (
        "addl true explicit",
        obj(a=TEXT),
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True},
        OK,
        OK,
    ),
    (
        "addl {}",
        obj(a=TEXT),
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": {}},
        OK,
        OK,
    ),
    (
        "addl close",
        obj(a=TEXT),
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        B,
        OK,
    ),
    (
        "addl open",
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        obj(a=TEXT),
        OK,
        B,
    ),
    (
        "addl schema narrow",
        {"type": "object", "additionalProperties": NUMBER},
        {"type": "object", "additionalProperties": WHOLE},
        B,
        OK,
    ),
    (
        "addl false->schema",
        {"type": "object", "additionalProperties": False},
        {"type": "object", "additionalProperties": WHOLE},
        OK,
        B,
    ),
    ("patProps add open", {"type": "object"}, {"type": "object", "patternProperties": {"^x": WHOLE}}, B, OK),
    (
        "patProps type",
        {"type": "object", "patternProperties": {"^x": WHOLE}},
        {"type": "object", "patternProperties": {"^x": TEXT}},
        B,
        B,
    ),
    ("names add", {"type": "object"}, {"type": "object", "propertyNames": {"pattern": "^a"}}, B, OK),
    (
        "names narrow",
        {"type": "object", "propertyNames": {"maxLength": 5}},
        {"type": "object", "propertyNames": {"maxLength": 3}},
        B,
        OK,
    ),
    (
        "depReq add",
        obj(a=TEXT, b=TEXT),
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "dependentRequired": {"a": ["b"]}},
        B,
        OK,
    ),
    (
        "depReq -> req",
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "dependentRequired": {"a": ["b"]}},
        obj("b", a=TEXT, b=TEXT),
        B,
        OK,
    ),
    (
        "depSchema",
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "dependentRequired": {"a": ["b"]}},
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "dependentSchemas": {"a": {"required": ["b"]}},
        },
        OK,
        OK,
    ),
    (
        "dependencies old kw",
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "dependencies": {"a": ["b"]}},
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "dependentRequired": {"a": ["b"]}},
        OK,
        OK,
    ),
    (
        "uneval close",
        {"allOf": [obj(a=TEXT), obj(b=TEXT)]},
        {"allOf": [obj(a=TEXT), obj(b=TEXT)], "unevaluatedProperties": False},
        B,
        OK,
    ),
    (
        "uneval==addl",
        {"type": "object", "properties": {"a": TEXT}, "unevaluatedProperties": False},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        OK,
        OK,
    ),
    (
        "unevaluatedProperties ignores other members of allOf",
        {"allOf": [obj(a=TEXT), {"type": "object"}]},
        {"allOf": [obj(a=TEXT), {"type": "object", "unevaluatedProperties": False}]},
        B,
        OK,
    ),
    (
        "unevaluatedProperties of another member of allOf is additionalProperties",
        {"allOf": [obj(a=TEXT), {**obj(b=TEXT), "unevaluatedProperties": False}]},
        {"allOf": [obj(a=TEXT), {**obj(b=TEXT), "additionalProperties": False}]},
        OK,
        OK,
    ),
    (
        "required, described, optional",
        {"type": "object", "required": ["a"]},
        obj(a=TEXT),
        B,  # `{"a": 1}` was valid
        B,
    ),
    (
        "optional, required, not described",
        obj(a=TEXT),
        {"type": "object", "required": ["a"]},
        B,
        B,  # `{"a": 1}` is possible now
    ),
    (
        "required, forbidden",
        {"type": "object", "required": ["a"]},
        obj(a=False),
        B,
        B,
    ),
    (
        "uneval inherit prop rm",
        {"allOf": [obj(a=TEXT), obj(b=TEXT)], "unevaluatedProperties": False},
        {"allOf": [obj(a=TEXT)], "unevaluatedProperties": False},
        B,
        OK,
    ),
    ("req w/o props", {"type": "object"}, {"type": "object", "required": ["a"]}, B, OK),
    ("prop false", obj(a=TEXT, b=TEXT), obj(a=TEXT, b=False), B, OK),
    ("prop schema to {}", obj(a=TEXT), obj(a={}), OK, B),
    ("ro add", obj(a=TEXT), obj(a={**TEXT, "readOnly": True}), OK, OK),
    ("ro req rm", obj("a", a={**TEXT, "readOnly": True}), obj("a", a=TEXT), B, OK),
    ("ro new req", obj(), obj("a", a={**TEXT, "readOnly": True}), OK, OK),
    ("wo add", obj("a", a=TEXT), obj("a", a={**TEXT, "writeOnly": True}), OK, B),
    ("wo rm", obj("a", a={**TEXT, "writeOnly": True}), obj("a", a=TEXT), OK, OK),
    ("wo new req", obj(), obj("a", a={**TEXT, "writeOnly": True}), B, OK),
    ("ro type change", obj(a={**TEXT, "readOnly": True}), obj(a={**WHOLE, "readOnly": True}), OK, B),
    ("wo type change", obj(a={**TEXT, "writeOnly": True}), obj(a={**WHOLE, "writeOnly": True}), B, OK),
    ("ro prop removed", obj("a", a={**TEXT, "readOnly": True}, b=TEXT), obj(b=TEXT), OK, B),
    ("wo prop removed", obj("a", a={**TEXT, "writeOnly": True}, b=TEXT), obj(b=TEXT), OK, OK),
    ("ro opt->req", obj(a={**TEXT, "readOnly": True}), obj("a", a={**TEXT, "readOnly": True}), OK, OK),
    ("ro req->opt", obj("a", a={**TEXT, "readOnly": True}), obj(a={**TEXT, "readOnly": True}), OK, B),
    (
        "ro via ref",
        obj(a={"allOf": [ref("S")], "readOnly": True}),
        obj("a", a={"allOf": [ref("S")], "readOnly": True}),
        OK,
        OK,
    ),
    ("items narrow", {"type": "array", "items": NUMBER}, {"type": "array", "items": WHOLE}, B, OK),
    ("items add", {"type": "array"}, {"type": "array", "items": TEXT}, B, OK),
    ("items false", {"type": "array", "items": TEXT}, {"type": "array", "items": False}, B, OK),
    ("prefix add open", {"type": "array"}, {"type": "array", "prefixItems": [TEXT]}, B, OK),
    (
        "prefix items:false == maxItems",
        {"type": "array", "prefixItems": [TEXT, TEXT], "items": False},
        {"type": "array", "prefixItems": [TEXT, TEXT], "maxItems": 2},
        OK,
        OK,
    ),
    (
        "prefix unevaluated == items",
        {"type": "array", "prefixItems": [TEXT], "unevaluatedItems": NUMBER},
        {"type": "array", "prefixItems": [TEXT], "items": NUMBER},
        OK,
        OK,
    ),
    (
        "unevaluated items narrow",
        {"type": "array", "prefixItems": [TEXT], "unevaluatedItems": NUMBER},
        {"type": "array", "prefixItems": [TEXT], "unevaluatedItems": False},
        B,
        OK,
    ),
    (
        "prefix longer",
        {"type": "array", "prefixItems": [TEXT]},
        {"type": "array", "prefixItems": [TEXT, WHOLE]},
        B,
        OK,
    ),
    (
        "prefix longer closed",
        {"type": "array", "prefixItems": [TEXT], "items": False},
        {"type": "array", "prefixItems": [TEXT, WHOLE], "items": False},
        OK,
        B,
    ),
    (
        "contains add",
        {"type": "array", "items": TEXT},
        {"type": "array", "items": TEXT, "contains": {"const": "x"}},
        B,
        OK,
    ),
    ("contains widen", {"type": "array", "contains": WHOLE}, {"type": "array", "contains": NUMBER}, OK, B),
    (
        "minContains 0",
        {"type": "array", "items": TEXT},
        {"type": "array", "items": TEXT, "contains": {"const": "x"}, "minContains": 0},
        OK,
        OK,
    ),
    (
        "minContains 1->0",
        {"type": "array", "items": TEXT, "contains": {"const": "x"}},
        {"type": "array", "items": TEXT, "contains": {"const": "x"}, "minContains": 0},
        OK,
        B,
    ),
    (
        "contains {} == minItems1",
        {"type": "array", "items": TEXT, "contains": {}},
        {"type": "array", "items": TEXT, "minItems": 1},
        OK,
        OK,
    ),
    (
        "items union widen",
        {"type": "array", "items": {"oneOf": [TEXT, WHOLE]}},
        {"type": "array", "items": {"oneOf": [TEXT, WHOLE, TRUTH]}},
        OK,
        B,
    ),
    (
        "array of unions",
        {"type": "array", "items": {"anyOf": [ref("Cat"), ref("Dog")]}},
        {"type": "array", "items": {"anyOf": [ref("Dog"), ref("Cat")]}},
        OK,
        OK,
    ),
    ("single->oneOf single|array", TEXT, {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}, OK, B),
    ("allOf wrap", ref("Cat"), {"allOf": [ref("Cat")]}, OK, OK),
    ("allOf add {}", {"allOf": [ref("Cat")]}, {"allOf": [ref("Cat"), {}]}, OK, OK),
    ("allOf order", {"allOf": [ref("Cat"), obj(x=TEXT)]}, {"allOf": [obj(x=TEXT), ref("Cat")]}, OK, OK),
    ("allOf add req", {"allOf": [ref("Cat")]}, {"allOf": [ref("Cat"), {"required": ["purr"]}]}, B, OK),
    (
        "allOf merged bounds",
        {"allOf": [{**NUMBER, "minimum": 1}, {"minimum": 3}]},
        {**NUMBER, "minimum": 3},
        OK,
        OK,
    ),
    (
        "allOf inlined",
        {"allOf": [ref("Cat"), obj("x", x=TEXT)]},
        obj("kind", "x", kind=TEXT, purr=WHOLE, x=TEXT),
        OK,
        OK,
    ),
    (
        "allOf nested",
        {"allOf": [{"allOf": [ref("Cat")]}, obj(x=TEXT)]},
        {"allOf": [ref("Cat"), obj(x=TEXT)]},
        OK,
        OK,
    ),
    ("allOf contradiction", {"allOf": [TEXT]}, {"allOf": [TEXT, WHOLE]}, B, OK),
    ("allOf prop conflict", obj(a=TEXT), {"allOf": [obj(a=TEXT), obj(a={"maxLength": 3})]}, B, OK),
    (
        "allOf with closed",
        {"allOf": [obj(a=TEXT), obj(b=TEXT)]},
        {
            "allOf": [
                {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
                obj(b=TEXT),
            ]
        },
        B,
        OK,
    ),
    ("sibling allOf vs ref", {"$ref": "#/components/schemas/Cat", "description": "x"}, ref("Cat"), OK, OK),
    ("ref sibling 31 narrows", ref("S"), {"$ref": "#/components/schemas/S", "maxLength": 3}, B, OK),
    (
        "oneOf add",
        {"oneOf": [ref("Cat"), ref("Dog")]},
        {"oneOf": [ref("Cat"), ref("Dog"), ref("Cow")]},
        OK,
        OK,
    ),
    ("oneOf rm", {"oneOf": [ref("Cat"), ref("Dog")]}, {"oneOf": [ref("Cat")]}, B, OK),
    ("oneOf reorder", {"oneOf": [ref("Cat"), ref("Dog")]}, {"oneOf": [ref("Dog"), ref("Cat")]}, OK, OK),
    (
        "oneOf->anyOf tagged",
        {"oneOf": [ref("TCat"), ref("TDog")]},
        {"anyOf": [ref("TCat"), ref("TDog")]},
        OK,
        OK,
    ),
    ("anyOf->oneOf scalar apart", {"anyOf": [TEXT, WHOLE]}, {"oneOf": [TEXT, WHOLE]}, OK, OK),
    ("anyOf->oneOf overlap", {"anyOf": [WHOLE, NUMBER]}, {"oneOf": [WHOLE, NUMBER]}, B, OK),
    (
        "anyOf->oneOf overlap2",
        {"anyOf": [{**TEXT, "maxLength": 5}, {**TEXT, "minLength": 2}]},
        {"oneOf": [{**TEXT, "maxLength": 5}, {**TEXT, "minLength": 2}]},
        B,
        OK,
    ),
    ("oneOf->one", {"oneOf": [ref("Cat"), ref("Dog")]}, ref("Cat"), B, OK),
    ("one->oneOf", ref("Cat"), {"oneOf": [ref("Cat"), ref("Dog")]}, OK, B),
    ("one->anyOf props", obj(a=TEXT), {"anyOf": [obj(a=TEXT), obj(a=WHOLE)]}, OK, B),
    ("oneOf inline same", {"oneOf": [ref("Cat"), ref("Dog")]}, {"oneOf": [ref("Cat2"), ref("Dog")]}, OK, OK),
    (
        "anyOf nested flat",
        {"anyOf": [{"anyOf": [TEXT, WHOLE]}, TRUTH]},
        {"anyOf": [TEXT, WHOLE, TRUTH]},
        OK,
        OK,
    ),
    (
        "anyOf another that says less",
        {"anyOf": [obj(a=TEXT, b=TEXT), WHOLE]},
        {"anyOf": [obj(a=TEXT, b=TEXT), WHOLE, obj("c")]},
        OK,
        OK,
    ),
    ("anyOf subsumed add", {"anyOf": [NUMBER]}, {"anyOf": [NUMBER, WHOLE]}, OK, OK),
    ("anyOf int|num vs num", {"anyOf": [WHOLE, NUMBER]}, NUMBER, OK, OK),
    (
        "base+oneOf factor",
        {
            "type": "object",
            "properties": {"k": TEXT},
            "oneOf": [{"required": ["k"]}, {"properties": {"z": WHOLE}, "required": ["z"]}],
        },
        {"oneOf": [obj("k", k=TEXT), obj("z", k=TEXT, z=WHOLE)]},
        OK,
        OK,
    ),
    (
        "branch prop req",
        {"oneOf": [ref("Cat"), ref("Dog")]},
        {"oneOf": [{"allOf": [ref("Cat"), {"required": ["purr"]}]}, ref("Dog")]},
        B,
        OK,
    ),
    (
        "anyOf req alt",
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        obj(a=TEXT, b=TEXT),
        OK,
        B,
    ),
    (
        "anyOf req alt add",
        obj(a=TEXT, b=TEXT),
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        B,
        OK,
    ),
    ("enum split anyOf", {"enum": ["a", "b", 1]}, {"anyOf": [{"enum": ["a", "b"]}, {"const": 1}]}, OK, OK),
    (
        "oneOf const titles add",
        {"oneOf": [{"const": "a", "title": "A"}]},
        {"oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]},
        OK,
        B,
    ),
    (
        "types vs anyOf w facets",
        {"type": ["string", "integer"], "maxLength": 3},
        {"anyOf": [{**TEXT, "maxLength": 3}, WHOLE]},
        OK,
        OK,
    ),
    ("open enum widen", {"anyOf": [{"enum": ["a"]}, TEXT]}, {"anyOf": [{"enum": ["a", "b"]}, TEXT]}, OK, OK),
    ("oneOf add overlap", {"oneOf": [WHOLE]}, {"oneOf": [WHOLE, NUMBER]}, B, B),
    ("oneOf add within", {"oneOf": [TEXT, NUMBER]}, {"oneOf": [TEXT, NUMBER, WHOLE]}, B, OK),
    ("oneOf rm within", {"oneOf": [TEXT, NUMBER, WHOLE]}, {"oneOf": [TEXT, NUMBER]}, OK, B),
    ("oneOf overlap kept", {"oneOf": [TEXT, NUMBER, WHOLE]}, {"oneOf": [WHOLE, NUMBER, TEXT]}, OK, OK),
    ("one->oneOf overlap", WHOLE, {"oneOf": [WHOLE, {**WHOLE, "minimum": 9}]}, B, OK),
    ("oneOf->one freed", {"oneOf": [NUMBER, WHOLE]}, NUMBER, OK, B),
    (
        "oneOf within oneOf refuses what the other took",
        {"oneOf": [{**TEXT, "maxLength": 3}, {"oneOf": [TEXT, {"enum": ["a", 2]}]}]},
        {"oneOf": [TRUTH, {"oneOf": [TEXT, {"enum": ["a", 2]}]}]},
        B,
        B,
    ),
    (
        "oneOf nested overlap",
        {"oneOf": [TEXT, {"oneOf": [NUMBER]}]},
        {"oneOf": [TEXT, {"oneOf": [NUMBER, WHOLE]}]},
        B,
        OK,
    ),
    (
        "oneOf more overlap",
        {"oneOf": [{**WHOLE, "maximum": 5}, {**WHOLE, "minimum": 5}]},
        {"oneOf": [{**WHOLE, "maximum": 7}, {**WHOLE, "minimum": 5}]},
        B,
        OK,
    ),
    (
        "oneOf less overlap",
        {"oneOf": [{**WHOLE, "maximum": 7}, {**WHOLE, "minimum": 5}]},
        {"oneOf": [{**WHOLE, "maximum": 5}, {**WHOLE, "minimum": 5}]},
        OK,
        B,
    ),
    (
        "oneOf enums overlap",
        {"oneOf": [{"enum": ["a", "b"]}, {"enum": ["c"]}]},
        {"oneOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]},
        B,
        OK,
    ),
    (
        "oneOf closed overlap",
        {"oneOf": [shut("a", a=TEXT), TEXT]},
        {"oneOf": [shut("a", a=TEXT), shut("a", a=TEXT, b=TEXT), TEXT]},
        B,
        OK,
    ),
    ("not add", TEXT, {**TEXT, "not": {"const": "x"}}, B, OK),
    ("not rm", {**TEXT, "not": {"const": "x"}}, TEXT, OK, B),
    ("not irrelevant", TEXT, {**TEXT, "not": WHOLE}, OK, OK),
    ("not of another type", {"type": "array"}, {"not": {"enum": ["b"]}}, OK, B),
    ("if of another type", obj(a=TEXT), {**obj(a=TEXT), "if": TEXT, "then": {"minLength": 2}}, OK, OK),
    ("else where if never holds", TRUTH, {**TRUTH, "if": TEXT, "else": {"const": True}}, B, OK),
    ("not widened", {**TEXT, "not": {"enum": ["x", "y"]}}, {**TEXT, "not": {"const": "x"}}, OK, B),
    (
        "not req pair",
        {"type": "object", "not": {"required": ["a"]}},
        {"type": "object", "not": {"required": ["a", "b"]}},
        OK,
        B,
    ),
    ("not not", TEXT, {"not": {"not": TEXT}}, OK, OK),
    (
        "if then add",
        obj(a=TEXT, b=TEXT),
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "if": {"required": ["a"]},
            "then": {"required": ["b"]},
        },
        B,
        OK,
    ),
    (
        "if no then",
        obj(a=TEXT),
        {"type": "object", "properties": {"a": TEXT}, "if": {"required": ["a"]}},
        OK,
        OK,
    ),
    (
        "if equal reworded",
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "if": {"properties": {"a": {"const": "x"}}},
            "then": {"required": ["b"]},
        },
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "if": {"properties": {"a": {"enum": ["x"]}}},
            "then": {"required": ["b"]},
        },
        OK,
        OK,
    ),
    (
        "if const changed",
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "if": {"properties": {"a": {"const": "x"}}, "required": ["a"]},
            "then": {"required": ["b"]},
        },
        {
            "type": "object",
            "properties": {"a": TEXT, "b": TEXT},
            "if": {"properties": {"a": {"const": "y"}}, "required": ["a"]},
            "then": {"required": ["b"]},
        },
        B,
        B,
    ),
    (
        "then relaxed",
        {
            "type": "object",
            "properties": {"a": TEXT},
            "if": {"required": ["a"]},
            "then": {"required": ["b", "c"]},
        },
        {"type": "object", "properties": {"a": TEXT}, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        OK,
        B,
    ),
    (
        "disc map add",
        {
            "oneOf": [ref("Cat"), ref("Dog")],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"},
            },
        },
        {
            "oneOf": [ref("Cat"), ref("Dog"), ref("Cow")],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {
                    "cat": "#/components/schemas/Cat",
                    "dog": "#/components/schemas/Dog",
                    "cow": "#/components/schemas/Cow",
                },
            },
        },
        OK,
        OK,
    ),
    (
        "disc explicit==implicit",
        {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}},
        {
            "oneOf": [ref("Cat"), ref("Dog")],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {"Cat": "#/components/schemas/Cat", "Dog": "Dog"},
            },
        },
        OK,
        OK,
    ),
    ("ann title", TEXT, {**TEXT, "title": "x"}, OK, OK),
    ("ann description", TEXT, {**TEXT, "description": "x"}, OK, OK),
    ("ann example", TEXT, {**TEXT, "example": "x"}, OK, OK),
    ("ann examples", TEXT, {**TEXT, "examples": ["x"]}, OK, OK),
    ("ann x-foo", TEXT, {**TEXT, "x-foo": 1}, OK, OK),
    ("ann externalDocs", TEXT, {**TEXT, "externalDocs": {"url": "http://x"}}, OK, OK),
    ("ann $comment", TEXT, {**TEXT, "$comment": "x"}, OK, OK),
    ("ann deprecated", TEXT, {**TEXT, "deprecated": True}, OK, OK),
    ("xml json", obj(a=TEXT), obj(a={**TEXT, "xml": {"name": "b"}}), OK, OK),
    ("rec unrolled", ref("Node"), obj(next=obj(next=ref("Node"), v=TEXT), v=TEXT), OK, OK),
    ("rename comp", obj(a=ref("Cat")), obj(a=ref("Cat2")), OK, OK),
    ("true/false", True, False, B, OK),
    (
        "tuple old style",
        {"type": "array", "items": [TEXT, WHOLE]},
        {"type": "array", "prefixItems": [TEXT, WHOLE]},
        OK,
        OK,
    ),
    (
        "closed base via allOf both",
        {"allOf": [{"type": "object", "properties": {"a": TEXT}, "additionalProperties": False}]},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        OK,
        OK,
    ),
    (
        "map->obj same",
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": TEXT, "properties": {"x": TEXT}},
        OK,
        OK,
    ),
    ("obj->map resp", obj("a", a=TEXT), {"type": "object", "additionalProperties": TEXT}, B, B),
    ("maxLength on enum", {**TEXT, "enum": ["a"]}, {**TEXT, "enum": ["a"], "maxLength": 5}, OK, OK),
    ("min on enum int", {**WHOLE, "enum": [1, 2]}, {**WHOLE, "enum": [1, 2], "minimum": 2}, B, OK),
]
#: The same with documents of OpenAPI 3.0.
OLDER: list[tuple[str, Any, Any, bool, bool]] = [
    ("nullable30 add", obj(a=TEXT), obj(a={**TEXT, "nullable": True}), OK, B),
    ("nullable30 rm", obj(a={**TEXT, "nullable": True}), obj(a=TEXT), B, OK),
    ("nullable false explicit", TEXT, {**TEXT, "nullable": False}, OK, OK),
    (
        "nullable oneOf",
        {"oneOf": [ref("Cat"), ref("Dog")]},
        {"oneOf": [ref("Cat"), ref("Dog")], "nullable": True},
        OK,
        B,
    ),
    (
        "nullable obj allOf",
        {"type": "object", "allOf": [ref("Cat")]},
        {"type": "object", "allOf": [ref("Cat")], "nullable": True},
        OK,
        B,
    ),
    ("excl30", {**NUMBER, "minimum": 1}, {**NUMBER, "minimum": 1, "exclusiveMinimum": True}, B, OK),
    ("excl30 false", {**NUMBER, "minimum": 1}, {**NUMBER, "minimum": 1, "exclusiveMinimum": False}, OK, OK),
    ("ref sibling 30 ignored", ref("S"), {"$ref": "#/components/schemas/S", "maxLength": 3}, OK, OK),
]
EVERY = [*(("3.1.0", *case) for case in CASES), *(("3.0.3", *case) for case in OLDER)]


def broken(make: Any, version: str, *schemas: Any) -> bool:
    base, revision = (
        {**make(schema, components={"schemas": SHARED}), "openapi": version} for schema in schemas
    )
    return report(base, revision).verdict == "breaking"


def test_the_direction_decides_whether_a_schema_change_is_breaking() -> None:
    wrong = [
        (version, name)
        for version, name, before, after, sent, received in sample(EVERY)
        if (broken(sends, version, before, after), broken(receives, version, before, after))
        != (sent, received)
    ]

    assert wrong == []


def test_changes_of_mapped_subtypes_are_one_finding_each() -> None:
    def pets(kind: str, more: str) -> dict[str, Any]:
        mapping = {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"}
        base = {**obj(kind={"type": kind}), "discriminator": {"propertyName": "kind", "mapping": mapping}}
        subtypes = {
            name: {"allOf": [ref("Pet"), obj(**{field: {"type": more}})]}
            for name, field in (("Cat", "purr"), ("Dog", "bark"))
        }
        return sends(ref("Pet"), components={"schemas": {"Pet": base, **subtypes}})

    findings = report(pets("string", "string"), pets("integer", "integer")).findings

    assert sorted(finding.message for finding in findings) == [
        f"changed the type of the property '{name}' of the schema '{schema}' in requests from "
        f"'string' to 'integer'"
        for schema, name in (("Dog", "bark"), ("Pet", "kind"), ("Cat", "purr"))
    ]


def test_an_ambiguous_dynamic_reference_gives_a_finding() -> None:
    def listed(item: dict[str, Any]) -> dict[str, Any]:
        general = {
            "$id": "list",
            "$defs": {"item": {"$dynamicAnchor": "item"}},
            "type": "array",
            "items": {"$dynamicRef": "#item"},
        }
        special = {"$id": "texts", "$defs": {"item": {"$dynamicAnchor": "item", **item}}, "$ref": "list"}
        return receives(ref("Texts"), components={"schemas": {"List": general, "Texts": special}})

    assert report(listed(TEXT), listed(TEXT)).verdict == "compatible"
    assert [finding.rule for finding in report(listed(TEXT), listed(WHOLE)).findings] == [
        "response-keyword-undecided"
    ]


#: Alternatives of a `oneOf` without a common value.
DISJOINT: list[tuple[Any, Any]] = [
    (TEXT, WHOLE),
    ({"enum": ["a"]}, {"enum": ["b"], "description": "B"}),
    ({**WHOLE, "maximum": 5}, {**WHOLE, "minimum": 6}),
    ({**TEXT, "maxLength": 5}, {**TEXT, "minLength": 6}),
    ({**TEXT, "pattern": "^a"}, {**TEXT, "enum": ["b", "c"]}),
    (ref("TCat"), ref("TDog")),
    (shut("a", a=TEXT), shut("b", a=TEXT, b=TEXT)),
    (obj("a", a=TEXT), obj("a", a=WHOLE)),
    (obj("a", a=ref("TCat")), obj("a", a=ref("TDog"))),
    (obj("a", a=TEXT), {"type": "object", "not": {"required": ["a"]}}),
    (obj("a", a=TEXT), obj(a=False)),
]


@pytest.mark.parametrize(("one", "other"), DISJOINT, ids=str)
def test_disjoint_alternatives_give_no_finding_about_overlap(one: Any, other: Any) -> None:
    for make in (sends, receives):
        for before, after in (([one], [one, other]), ([one, other], [one]), ([other], [other, one])):
            both = [make({"oneOf": schema}, components={"schemas": SHARED}) for schema in (before, after)]

            assert not [finding.rule for finding in report(*both).findings if "overlap" in finding.rule]


def test_an_added_open_object_in_a_union_of_a_request_is_a_warning() -> None:
    before, after = (
        sends({"oneOf": list(map(ref, names))}, components={"schemas": SHARED})
        for names in (("Cat", "Dog"), ("Cat", "Dog", "Cow"))
    )

    assert "request-union-overlap-added" in [finding.rule for finding in report(before, after).findings]
    assert report(before, after).verdict == "warning"


def test_alternatives_with_a_discriminator_do_not_overlap() -> None:
    def pets(*names: str) -> dict[str, Any]:
        union = {"oneOf": list(map(ref, names)), "discriminator": {"propertyName": "kind"}}
        return sends(union, components={"schemas": SHARED})

    assert report(pets("Cat", "Dog"), pets("Cat", "Dog", "Cow")).verdict == "compatible"


#: Alternatives of a `oneOf` beside `true`, which matches every value.
BESIDE_TRUE: list[list[Any]] = [
    [{"anyOf": [WHOLE, {"type": "number", "minimum": 1, "maximum": 5}]}],
    [{**TEXT, "minLength": 3}],
    [WHOLE, obj("a", a=TEXT)],
    [False],
]


@pytest.mark.parametrize("alternatives", BESIDE_TRUE, ids=str)
def test_a_double_negation_of_a_union_that_contains_true_is_not_breaking(alternatives: list[Any]) -> None:
    union = {"oneOf": [True, *alternatives]}
    for schema in (union, obj("a", a=union), {"type": "array", "items": obj("a", a=union)}):
        negated = {"Root": schema, "Not": {"not": schema}, "Twice": {"not": ref("Not")}}
        for make in (sends, receives):
            plain, twice = (make(ref(name), components={"schemas": negated}) for name in ("Root", "Twice"))

            assert not report(plain, twice).breaking
            assert not report(twice, plain).breaking


@pytest.mark.parametrize("make", [sends, receives])
def test_a_direction_keyword_with_the_value_false_has_no_effect(make: Any) -> None:
    values = [{}, {"a": "x"}]
    no_keyword, with_false = (
        {**obj("a", a={**TEXT, **keywords}), "enum": values}
        for keywords in ({}, {"readOnly": False, "writeOnly": False})
    )

    assert rules(make({"enum": values}), make(with_false)) == rules(make({"enum": values}), make(no_keyword))
    assert report(make(no_keyword), make(with_false)).findings == ()
