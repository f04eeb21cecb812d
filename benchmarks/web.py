"""The comparison of a document like Stripe's: hundreds of paths, and schemas that all refer to one another.

    python benchmarks/web.py [PATHS] [SCHEMAS]

A comparison that follows each path separately compares paths x schemas pairs, or more with unrolled cycles.
The time should depend on the distinct pairs: it hardly grows with the paths, and a change is one finding.
"""

from __future__ import annotations

import copy
import sys
import time
from typing import Any

from infra_openapi import compare, parse


def document(paths: int, schemas: int) -> dict[str, Any]:
    """Return an OpenAPI document whose paths return schemas that refer to one another in cycles."""

    def ref(number: int) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/Thing{number % schemas}"}

    def expandable(number: int) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "maxLength": 5000}, ref(number)]}

    def thing(number: int) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["id", "object"],
            "properties": {
                "id": {"type": "string", "maxLength": 5000},
                "object": {"type": "string", "enum": [f"thing_{number}"]},
                "next": ref(number + 1),
                "owner": expandable(number * 7 + 3),
                "children": {"type": "array", "items": ref(number * 3 + 1)},
                "any": {"anyOf": [ref(number + step) for step in (2, 5, 11, 17)]},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }

    def path(number: int) -> dict[str, Any]:
        content = {"application/json": {"schema": ref(number)}}
        return {
            "get": {
                "operationId": f"get{number}",
                "responses": {"200": {"description": "", "content": content}},
            },
            "post": {
                "operationId": f"post{number}",
                "requestBody": {"content": content},
                "responses": {"200": {"description": "", "content": content}},
            },
        }

    return {
        "openapi": "3.0.3",
        "info": {"title": "A web", "version": "1"},
        "paths": {f"/v1/things{number}": path(number) for number in range(paths)},
        "components": {"schemas": {f"Thing{number}": thing(number) for number in range(schemas)}},
    }


def changed(document: dict[str, Any], facts: int) -> dict[str, Any]:
    """Return a copy of an OpenAPI document with `facts` changes, each in a different schema."""
    changed_document = copy.deepcopy(document)
    for number in range(facts):
        changed_document["components"]["schemas"][f"Thing{number}"]["properties"]["id"]["maxLength"] = 6000
    return changed_document


def main() -> None:
    """Print the time of the comparison and the number of findings for two numbers of paths."""
    path_count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    schemas = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    facts = 39
    for paths in (path_count // 10, path_count):
        old_document = document(paths, schemas)
        base, revision = parse(old_document), parse(changed(old_document, facts))
        start = time.perf_counter()
        report = compare(base, revision)
        took = time.perf_counter() - start
        print(
            f"{paths:5} paths, {schemas} schemas, {facts} facts: "
            f"{took:.2f} s, {len(report.findings)} findings"
        )


if __name__ == "__main__":
    main()
