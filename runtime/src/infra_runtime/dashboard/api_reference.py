"""Print the reference of the JSON API as Markdown.

`python -m infra_runtime.dashboard.api_reference > docs/reference/dashboard-api.md`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra_runtime.dashboard.openapi import document

PREFACE = """\
# The API of the dashboard

<!-- written by `python -m infra_runtime.dashboard.api_reference`; a test compares it with the document -->

The [dashboard](../services/dashboard.md) returns its data as JSON. Programs send the header `x-dashboard-key`
with the export `key` of the service; browsers send the cookie of a session, and with every request except GET
the header `x-dashboard-token`. The OpenAPI document is at `/api/v1/openapi.json`. Times are Unix seconds,
durations are seconds. An error is a `Problem` (RFC 9457) with a `detail`, except the answer of `/ready`.
"""


def reference() -> Iterator[str]:
    """Yield the lines of the page `docs/reference/dashboard-api.md`."""
    openapi = document()
    yield PREFACE
    yield "## Requests"
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            yield from _request(f"{method.upper()} {path}", operation)
    yield ""
    yield "## Answers"
    for name, schema in openapi["components"]["schemas"].items():
        yield ""
        yield f"### {name}"
        yield ""
        yield "| field | type |"
        yield "| --- | --- |"
        for field, content in schema["properties"].items():
            yield f"| `{field}` | {type_of(content)} |"


def _request(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"### `{title}`"
    yield ""
    needs = "" if operation.get("security") != [] else " The request needs no login."
    yield f"{operation['summary']}. Answer: {_answer(operation)}.{needs}"
    if operation["parameters"]:
        yield ""
        yield "| parameter | in | type |"
        yield "| --- | --- | --- |"
        for parameter in operation["parameters"]:
            yield f"| `{parameter['name']}` | {parameter['in']} | {type_of(parameter['schema'])} |"


def _answer(operation: Mapping[str, Any]) -> str:
    status = next(status for status in operation["responses"] if status != "default")
    ((media, content),) = operation["responses"][status]["content"].items()
    return type_of(content["schema"]) if "schema" in content else f"`{media}`"


def type_of(schema: Mapping[str, Any]) -> str:
    """Return a short description of the values that a schema allows, in Markdown."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        values = ", ".join(f"`{value}`" for value in schema["enum"] if value != "")
        return f"{values}; default `{schema['default']}`" if "default" in schema else values
    types = schema.get("type", "any")
    if isinstance(types, list):
        return " or ".join(map(str, types))
    if types == "array":
        return f"list of {type_of(schema['items'])}"
    if types == "object" and "properties" in schema:
        fields = ", ".join(f"`{name}` {type_of(field)}" for name, field in schema["properties"].items())
        return f"object with {fields}"
    if types == "object":
        return f"object with values of the type {type_of(schema.get('additionalProperties', {}))}"
    if "maximum" in schema:
        return f"{types} from {schema['minimum']} to {schema['maximum']}; default {schema['default']}"
    return str(types)


if __name__ == "__main__":
    print("\n".join(reference()))
