"""Pairs of schemas that differ by one fact, for every rule about schemas."""

from __future__ import annotations

from typing import Any

A: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
ARRAY: dict[str, Any] = {"type": "array", "items": TEXT}


def thing(**more: Any) -> dict[str, Any]:
    return {**A, **more}


def having(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": TEXT, **properties}, "required": list(required)}


def many(*counts: int) -> dict[str, Any]:
    """Return a schema with one union for each number in `counts`, with this number of alternatives."""
    names = [
        [f"{letter}{number}" for number in range(count)] for letter, count in zip("ab", counts, strict=True)
    ]
    return {
        "allOf": [{"anyOf": [{"type": "object", "required": [name]} for name in union]} for union in names]
    }


CLOSED: dict[str, Any] = {"additionalProperties": False}
CAT = {"type": "object", "title": "cat", "properties": {"purrs": {"type": "boolean"}}, "required": ["purrs"]}
DOG = {"type": "object", "title": "dog", "properties": {"barks": {"type": "boolean"}}, "required": ["barks"]}
COW = {"type": "object", "title": "cow", "properties": {"moos": {"type": "boolean"}}, "required": ["moos"]}
CLOSED_CAT, CLOSED_DOG = {**CAT, **CLOSED}, {**DOG, **CLOSED}
LETTERS = {"type": "string", "pattern": r"^\p{L}+$"}
SHORT = {**LETTERS, "maxLength": 5}

#: The fact, the schema in the old document, and the schema in the new document.
PAIRS: list[tuple[str, Any, Any]] = [
    ("type-narrowed", NUMBER, WHOLE),
    ("type-narrowed", {"type": ["string", "integer"]}, TEXT),
    ("type-widened", TEXT, {"type": ["string", "integer"]}),
    ("type-changed", TEXT, WHOLE),
    ("became-nullable", TEXT, {"type": ["string", "null"]}),
    ("became-nullable", {"$ref": "#/x"}, {"oneOf": [{"$ref": "#/x"}, {"type": "null"}]}),
    ("became-not-nullable", {"type": ["string", "null"]}, TEXT),
    ("became-impossible", TEXT, False),
    ("became-possible", False, TEXT),
    ("schema-added", {}, A),
    ("schema-removed", A, True),
    ("enum-value-removed", {"enum": ["a", "b", "c"]}, {"enum": ["a", "b"]}),
    ("enum-value-added", {"enum": [1, 2]}, {"enum": [1, 2, 3]}),
    ("enum-added", TEXT, {"type": "string", "enum": ["a", "b"]}),
    ("enum-removed", {"type": "string", "const": "a"}, TEXT),
    ("const-changed", {"const": "a"}, {"enum": ["b"]}),
    (
        "extensible-enum-value-removed",
        {**TEXT, "x-extensible-enum": ["a", "b"]},
        {**TEXT, "x-extensible-enum": ["a"]},
    ),
    (
        "extensible-enum-value-added",
        {**TEXT, "x-extensible-enum": ["a"]},
        {**TEXT, "x-extensible-enum": ["a", "b"]},
    ),
    ("format-added", TEXT, {**TEXT, "format": "date"}),
    ("format-removed", {**TEXT, "format": "date"}, TEXT),
    ("format-narrowed", {**WHOLE, "format": "int64"}, {**WHOLE, "format": "int32"}),
    ("format-widened", {**TEXT, "format": "uri"}, {**TEXT, "format": "iri"}),
    ("format-changed", {**TEXT, "format": "date"}, {**TEXT, "format": "date-time"}),
    ("unknown-format-added", TEXT, {**TEXT, "format": "isin"}),
    ("unknown-format-changed", {**TEXT, "format": "isin"}, {**TEXT, "format": "wkn"}),
    ("pattern-added", TEXT, {**TEXT, "pattern": "^a"}),
    ("pattern-removed", {**TEXT, "pattern": "^a"}, {**TEXT, "pattern": ".*"}),
    ("pattern-narrowed", {**TEXT, "pattern": "^[ab]+$"}, {**TEXT, "pattern": "^a+$"}),
    ("pattern-widened", {**TEXT, "pattern": "^(?:a|b)"}, {**TEXT, "pattern": "[a-b]"}),
    ("pattern-changed", {**TEXT, "pattern": "^(?=a)"}, {**TEXT, "pattern": "^(?=b)"}),
    ("multiple-of-added", NUMBER, {**NUMBER, "multipleOf": 0.1}),
    ("multiple-of-removed", {**NUMBER, "multipleOf": 2}, NUMBER),
    ("multiple-of-narrowed", {**NUMBER, "multipleOf": 0.1}, {**NUMBER, "multipleOf": 0.3}),
    ("multiple-of-widened", {**NUMBER, "multipleOf": 6}, {**NUMBER, "multipleOf": 3}),
    ("multiple-of-changed", {**NUMBER, "multipleOf": 6}, {**NUMBER, "multipleOf": 4}),
    ("unique-items-added", ARRAY, {**ARRAY, "uniqueItems": True}),
    ("unique-items-removed", {**ARRAY, "uniqueItems": True}, {**ARRAY, "uniqueItems": False}),
    ("default-added", TEXT, {**TEXT, "default": "a"}),
    ("default-removed", {**TEXT, "default": "a"}, TEXT),
    ("default-changed", {**NUMBER, "default": 1}, {**NUMBER, "default": 2}),
    ("property-added", A, having(b=TEXT)),
    ("property-added-required", A, having("b", b=TEXT)),
    ("property-added-required-with-default", A, having("b", b={**TEXT, "default": "x"})),
    ("property-added-to-closed", thing(**CLOSED), {**having(b=TEXT), **CLOSED}),
    ("property-removed", having(b=TEXT), A),
    ("required-property-removed", having("b", b=TEXT), A),
    ("property-removed-from-closed", {**having(b=TEXT), **CLOSED}, thing(**CLOSED)),
    ("property-forbidden", A, having(b=False)),
    ("property-no-longer-forbidden", having(b=False), A),
    ("property-became-required", A, having("a")),
    ("property-became-required", A, having("unheard-of")),
    ("property-became-required-with-default", having(b={"default": 1}), having("b", b={"default": 1})),
    ("property-became-optional", having("a"), A),
    ("additional-properties-forbidden", A, thing(**CLOSED)),
    ("additional-properties-forbidden", A, thing(unevaluatedProperties=False)),
    ("additional-properties-allowed", thing(**CLOSED), thing(additionalProperties=True)),
    ("pattern-property-added", A, thing(patternProperties={"^x": TEXT})),
    ("pattern-property-removed", thing(patternProperties={"^x": TEXT}), A),
    ("pattern-property-allowed", thing(**CLOSED), thing(patternProperties={"^x": TEXT}, **CLOSED)),
    ("pattern-property-forbidden", thing(patternProperties={"^x": TEXT}, **CLOSED), thing(**CLOSED)),
    ("property-names-added", A, thing(propertyNames={"pattern": "^a"})),
    ("property-names-removed", thing(propertyNames={"pattern": "^a"}), A),
    ("dependent-required-added", A, thing(dependentRequired={"a": ["b"]})),
    ("dependent-required-removed", thing(dependentRequired={"a": ["b"]}), A),
    ("dependent-schema-added", A, thing(dependentSchemas={"a": {"minProperties": 2}})),
    ("dependent-schema-removed", thing(dependentSchemas={"a": {"minProperties": 2}}), A),
    ("contains-added", ARRAY, {**ARRAY, "contains": {"const": "x"}}),
    ("contains-removed", {**ARRAY, "contains": {"const": "x"}}, ARRAY),
    ("union-branch-added", {"oneOf": [CLOSED_CAT, TEXT]}, {"oneOf": [CLOSED_CAT, TEXT, CLOSED_DOG]}),
    ("union-branch-added", {"anyOf": [CAT, DOG]}, {"anyOf": [CAT, DOG, COW]}),
    ("limit-reached", many(40, 40), many(40, 41)),
    ("union-branch-removed", {"oneOf": [CLOSED_CAT, CLOSED_DOG]}, {"oneOf": [CLOSED_DOG]}),
    ("union-became-exclusive", {"anyOf": [CAT, DOG]}, {"oneOf": [CAT, DOG]}),
    ("union-became-exclusive-for-some", {"anyOf": [NUMBER, WHOLE]}, {"oneOf": [NUMBER, WHOLE]}),
    ("union-no-longer-exclusive-for-some", {"oneOf": [NUMBER, WHOLE]}, {"anyOf": [NUMBER, WHOLE]}),
    ("union-no-longer-exclusive", {"oneOf": [CAT, DOG]}, {"anyOf": [CAT, DOG]}),
    ("union-overlap-added", {"oneOf": [LETTERS, NUMBER]}, {"oneOf": [LETTERS, SHORT, NUMBER]}),
    ("union-overlap-removed", {"oneOf": [LETTERS, SHORT, NUMBER]}, {"oneOf": [LETTERS, NUMBER]}),
    ("not-added", TEXT, {**TEXT, "not": {"const": "x"}}),
    ("not-removed", {**TEXT, "not": {"const": "x"}}, TEXT),
    ("not-narrowed", {**TEXT, "not": {"const": "x"}}, {**TEXT, "not": {"enum": ["x", "y"]}}),
    ("not-widened", {**TEXT, "not": {"enum": ["x", "y"]}}, {**TEXT, "not": {"const": "x"}}),
    ("not-changed", {**TEXT, "not": {"pattern": r"\p{L}"}}, {**TEXT, "not": {"pattern": r"\p{N}"}}),
    ("condition-added", A, thing(**{"if": {"required": ["a"]}, "then": {"required": ["b"]}})),
    ("condition-removed", thing(**{"if": {"required": ["a"]}, "then": {"required": ["b"]}}), A),
    (
        "condition-narrowed",
        thing(**{"if": {"required": ["a", "b"]}, "then": {"required": ["c"]}}),
        thing(**{"if": {"required": ["a"]}, "then": {"required": ["c"]}}),
    ),
    (
        "condition-widened",
        thing(**{"if": {"required": ["a", "b"]}, "else": {"required": ["c"]}}),
        thing(**{"if": {"required": ["a"]}, "else": {"required": ["c"]}}),
    ),
    (
        "condition-changed",
        thing(**{"if": {"properties": {"a": {"pattern": r"\p{L}"}}}, "then": {"required": ["b"]}}),
        thing(**{"if": {"properties": {"a": {"pattern": r"\p{N}"}}}, "then": {"required": ["b"]}}),
    ),
    ("keyword-undecided", ARRAY, {**ARRAY, "unevaluatedItems": False}),
    ("discriminator-added", A, thing(discriminator={"propertyName": "a"})),
    ("discriminator-removed", thing(discriminator={"propertyName": "a"}), A),
    (
        "discriminator-property-changed",
        thing(discriminator={"propertyName": "a"}),
        thing(discriminator={"propertyName": "b"}),
    ),
    (
        "discriminator-mapping-added",
        thing(discriminator={"propertyName": "a"}),
        thing(discriminator={"propertyName": "a", "mapping": {"x": "#/x"}}),
    ),
    (
        "discriminator-mapping-removed",
        thing(discriminator={"propertyName": "a", "mapping": {"x": "#/x"}}),
        thing(discriminator={"propertyName": "a"}),
    ),
    (
        "discriminator-mapping-changed",
        thing(discriminator={"propertyName": "a", "mapping": {"x": "#/x"}}),
        thing(discriminator={"propertyName": "a", "mapping": {"x": "#/y"}}),
    ),
    ("schema-deprecated", TEXT, {**TEXT, "deprecated": True}),
    ("schema-reactivated", {**TEXT, "deprecated": True}, TEXT),
    ("schema-stability-decreased", TEXT, {**TEXT, "x-stability-level": "beta"}),
    ("schema-stability-increased", {**TEXT, "x-stability-level": "alpha"}, TEXT),
    ("schema-stability-invalid", TEXT, {**TEXT, "x-stability-level": "solid"}),
]
for _name, _key, _schema in (
    ("length", "Length", TEXT),
    ("items", "Items", ARRAY),
    ("properties", "Properties", A),
):
    for _end in ("min", "max"):
        _word = f"{_end}{_key}"
        PAIRS += [
            (f"{_end}-{_name}-increased", {**_schema, _word: 3}, {**_schema, _word: 4}),
            (f"{_end}-{_name}-decreased", {**_schema, _word: 4}, {**_schema, _word: 3}),
            (f"{_end}-{_name}-added", _schema, {**_schema, _word: 3}),
            (f"{_end}-{_name}-removed", {**_schema, _word: 3}, _schema),
        ]
for _word in ("minimum", "maximum"):
    PAIRS += [
        (f"{_word}-increased", {**NUMBER, _word: 3}, {**NUMBER, _word: 3.5}),
        (f"{_word}-decreased", {**NUMBER, _word: 4}, {**NUMBER, _word: 3}),
        (f"{_word}-added", NUMBER, {**NUMBER, f"exclusive{_word.title()}": 3}),
        (f"{_word}-removed", {**NUMBER, _word: 3}, NUMBER),
    ]
_CONTAINS = {**ARRAY, "contains": {"const": "x"}}
for _word, _name in (("minContains", "min-contains"), ("maxContains", "max-contains")):
    PAIRS += [
        (f"{_name}-increased", {**_CONTAINS, _word: 3}, {**_CONTAINS, _word: 4}),
        (f"{_name}-decreased", {**_CONTAINS, _word: 4}, {**_CONTAINS, _word: 3}),
        (f"{_name}-added", _CONTAINS, {**_CONTAINS, _word: 3}),
        (f"{_name}-removed", {**_CONTAINS, _word: 3}, _CONTAINS),
    ]

_READ = having(b={**TEXT, "readOnly": True})
_MUST_READ = having("b", b={**TEXT, "readOnly": True})
_WRITE = having(b={**TEXT, "writeOnly": True})
_MUST_WRITE = having("b", b={**TEXT, "writeOnly": True})
#: Facts that exist only in requests, or only in responses.
REQUESTS: list[tuple[str, Any, Any]] = [
    ("union-overlap-added-for-some", {"oneOf": [NUMBER, TEXT]}, {"oneOf": [NUMBER, WHOLE, TEXT]}),
    ("property-became-read-only", having(b=TEXT), _READ),
    ("property-became-not-read-only", _READ, having(b=TEXT)),
    ("required-property-became-read-only", having("b", b=TEXT), _MUST_READ),
    ("required-property-became-not-read-only", _MUST_READ, having("b", b=TEXT)),
]
RESPONSES: list[tuple[str, Any, Any]] = [
    ("new-alternative", {"oneOf": [CLOSED_CAT]}, {"oneOf": [CLOSED_CAT, CLOSED_DOG]}),
    ("new-alternative", CAT, {"anyOf": [CAT, DOG]}),
    ("new-alternative", {"anyOf": [NUMBER, TEXT]}, {"anyOf": [NUMBER, TEXT, {"type": "boolean"}]}),
    ("union-branch-replaced", {"anyOf": [CAT, DOG]}, {"anyOf": [CAT, COW]}),
    ("union-overlap-removed-for-some", {"oneOf": [NUMBER, WHOLE, TEXT]}, {"oneOf": [NUMBER, TEXT]}),
    ("property-became-write-only", having(b=TEXT), _WRITE),
    ("property-became-not-write-only", _WRITE, having(b=TEXT)),
    ("required-property-became-write-only", having("b", b=TEXT), _MUST_WRITE),
    ("required-property-became-not-write-only", _MUST_WRITE, having("b", b=TEXT)),
]
