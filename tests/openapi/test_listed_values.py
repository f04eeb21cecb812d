"""Verdicts of enumerated values with and without a type, as pydantic writes `Literal` and enum classes.

The correct verdict of every pair is known: jsonschema decides which of a few values each schema allows.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

pytest.importorskip("jsonschema", reason="needs the extra `openapi`")

from jsonschema import Draft202012Validator

from fakes.api import body, document, operation, report
from fakes.samples import sample

NULL = {"type": "null"}
SCHEMAS: dict[str, Any] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "int | str": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    "str | None": {"anyOf": [{"type": "string"}, NULL]},
    "Literal['a']": {"const": "a", "type": "string"},
    "Literal['a'], untyped": {"const": "a"},
    "Literal['a', 'b']": {"enum": ["a", "b"], "type": "string"},
    "Literal['a', 1]": {"enum": ["a", 1]},
    "Literal['a', None]": {"enum": ["a", None]},
    "Literal['a'] | None": {"anyOf": [{"const": "a", "type": "string"}, NULL]},
    "Literal[1]": {"const": 1, "type": "integer"},
    "Literal[1], untyped": {"const": 1},
    "Literal[1, 2]": {"enum": [1, 2], "type": "integer"},
    "Literal[1, 2], untyped": {"enum": [1, 2]},
    "Literal[1, 2] | None, untyped": {"enum": [1, 2, None]},
    "Literal[1, 1.5]": {"enum": [1, 1.5]},
    "enum of floats": {"enum": [1.5, 2.0], "type": "number"},
    "Literal[True]": {"const": True, "type": "boolean"},
    "Literal[True, False]": {"enum": [True, False], "type": "boolean"},
    "Literal[1, True]": {"enum": [1, True]},
    "Literal[1] | Literal[2]": {"oneOf": [{"const": 1, "title": "one"}, {"const": 2, "title": "two"}]},
    "Literal['a'] | int": {"anyOf": [{"const": "a", "type": "string"}, {"type": "integer"}]},
}
VALUES = ["a", "b", "z", 1, 2, 7, 1.5, 2.5, True, False, None]
ALLOWED = {
    name: {number for number, value in enumerate(VALUES) if Draft202012Validator(schema).is_valid(value)}
    for name, schema in SCHEMAS.items()
}


PAIRS = sample(list(permutations(SCHEMAS, 2)))


def compared(direction: str) -> dict[tuple[str, str], set[str]]:
    """Compare all pairs in one document, and return the levels of the findings of each pair."""

    def whole(side: int) -> dict[str, Any]:
        schemas = [SCHEMAS[pair[side]] for pair in PAIRS]
        if direction == "request":
            operations = [operation(requestBody=body(schema)) for schema in schemas]
        else:
            operations = [operation({"200": {"description": "", **body(schema)}}) for schema in schemas]
        return document({f"/{number}": {"post": methods} for number, methods in enumerate(operations)})

    levels: dict[tuple[str, str], set[str]] = {pair: set() for pair in PAIRS}
    for finding in report(whole(0), whole(1)).findings:
        for affected in finding.operations:
            levels[PAIRS[int(affected.path.removeprefix("/"))]].add(finding.level.value)
    return levels


@pytest.mark.parametrize("direction", ["request", "response"])
def test_each_verdict_is_that_of_the_allowed_values(direction: str) -> None:
    levels = compared(direction)

    breaking = {pair for pair, reported in levels.items() if "breaking" in reported}
    removed = {(old, new) for old, new in PAIRS if ALLOWED[old] - ALLOWED[new]}
    added = {(old, new) for old, new in PAIRS if ALLOWED[new] - ALLOWED[old]}
    assert breaking == (removed if direction == "request" else added)
    assert not any("warning" in reported for reported in levels.values())
