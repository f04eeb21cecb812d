"""A trace as OTLP JSON, which other programs can import.

Sources: OpenTelemetry protocol, "JSON Protobuf Encoding" (ids in hexadecimal, enums as numbers, 64-bit
numbers as texts); opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from infra_runtime.telemetry import SPAN_KINDS, SPAN_STATUSES


def otlp(spans: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return spans of the query API as the message `TracesData` of OTLP (JSON data)."""
    grouped: dict[tuple[str, str], tuple[Mapping[str, Any], dict[str, list[dict[str, Any]]]]] = {}
    for span in spans:
        key = span["service"], json.dumps(span.get("resource", {}), sort_keys=True)
        attributes = {"service.name": span["service"], **span.get("resource", {})}
        _, scopes = grouped.setdefault(key, (attributes, {}))
        scopes.setdefault(span.get("scope", ""), []).append(_span(span))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(attributes)},
                "scopeSpans": [
                    {"scope": {"name": name} if name else {}, "spans": scope_spans}
                    for name, scope_spans in scopes.items()
                ],
            }
            for attributes, scopes in grouped.values()
        ]
    }


def _span(span: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "traceId": span["trace"],
        "spanId": span["id"],
        **({"parentSpanId": span["parent"]} if span["parent"] else {}),
        "name": span["name"],
        "kind": _number(SPAN_KINDS, span["kind"]),
        "startTimeUnixNano": f"{span['start']:d}",
        "endTimeUnixNano": f"{span['end']:d}",
        "status": {
            "code": _number(SPAN_STATUSES, span["status"]),
            **({"message": span["message"]} if span["message"] else {}),
        },
        "attributes": _attributes(span["attributes"]),
        "events": [
            {
                "name": event["name"],
                "timeUnixNano": f"{event['time']:d}",
                "attributes": _attributes(event["attributes"]),
            }
            for event in span["events"]
        ],
        "links": [
            {
                "traceId": link["trace"],
                "spanId": link["span"],
                "attributes": _attributes(link["attributes"]),
            }
            for link in span.get("links", ())
        ],
    }


def _number(names: tuple[str, ...], name: str) -> int:
    """Return the number of an enum value; for a value that is not in `names`, `name` contains the number."""
    return names.index(name) if name in names else int(name)


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _attributes(value)}}
    return {} if value is None else {"stringValue": str(value)}
