"""The rows of the list of traces, and the rows of a waterfall (one trace), from the telemetry service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra_runtime.dashboard.parameters import selected
from infra_runtime.telemetry.span_tree import levels
from infra_runtime.value import frozen

#: the default and the largest number of traces in a list, and the largest number of spans and of log records
#: in a waterfall
TRACES, MOST_TRACES, SPANS, LOGS = 100, 1000, 10_000, 1000
#: the parameters of a list; the query API has the same parameters
PARAMETERS = ("service", "text", "status", "longer", "since", "until", "run")
#: the name of the parameter with the id of a test
TEST = "test"


@frozen
class TraceRow:
    """A trace in a list. Times are Unix seconds, durations are seconds."""

    trace: str
    name: str
    service: str
    services: tuple[str, ...]
    start: float
    duration: float
    spans: int
    logs: int
    errors: int


@frozen
class SpanRow:
    """A span in a waterfall; `offset` is in seconds since the start of the trace, `duration` in seconds."""

    id: str
    name: str
    service: str
    depth: int
    offset: float
    duration: float
    is_error: bool


@frozen
class Waterfall:
    """A trace: its spans, each followed by its children, and its log records, sorted by time."""

    trace: str
    name: str
    start: float
    duration: float
    spans: tuple[SpanRow, ...]
    #: the number of spans that are left out
    left_out: int
    #: for each log record: the seconds since the start of the trace, the service, the level and the text
    logs: tuple[tuple[float, str, str, str], ...]


def parameters(query: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters for a request to the query API; parameters without a value are left out.

    A test is searched by its id, which is an attribute (a JSON string) of the root span of the test; `text`
    then has no effect. Raises `ParameterError` for a time that is not valid.
    """
    test = query.get(TEST, "")
    text = json.dumps(test, ensure_ascii=False) if test else query.get("text", "")
    query_parameters = {
        **{name: query.get(name, "") for name in PARAMETERS},
        "text": text,
        "limit": query.get("limit", "") or str(TRACES),
    }
    return selected(query_parameters)


def trace_rows(items: Sequence[Mapping[str, Any]]) -> list[TraceRow]:
    """Return the rows of a list of traces, the newest first."""
    rows = [
        TraceRow(
            trace=item["trace"],
            name=item["name"],
            service=item["service"],
            services=tuple(item["services"]),
            start=item["start"] / 1e9,
            duration=max(item["end"] - item["start"], 0) / 1e9,
            spans=item["spans"],
            logs=item["logs"],
            errors=item["errors"],
        )
        for item in items
    ]
    return sorted(rows, key=lambda row: row.start, reverse=True)


def row_to_json(row: TraceRow) -> dict[str, Any]:
    """Return a trace in a list as JSON data."""
    return {
        "trace": row.trace,
        "name": row.name,
        "service": row.service,
        "services": [*row.services],
        "start": row.start,
        "duration": row.duration,
        "spans": row.spans,
        "logs": row.logs,
        "errors": row.errors,
    }


def waterfall(trace: Mapping[str, Any]) -> Waterfall:
    """Return the rows of one trace; a span whose parent is missing becomes a root."""
    spans, logs = trace["spans"], trace["logs"]
    times = [span["start"] for span in spans] or [log["time"] for log in logs]
    start = min(times)
    total = max(max((span["end"] for span in spans), default=start) - start, 1)
    by_id = {span["id"]: span for span in spans}
    depths = levels({key: span["parent"] for key, span in by_id.items()})
    ordered = [(depth, by_id[key]) for key, depth in depths.items()]
    return Waterfall(
        trace=trace["trace"],
        name=ordered[0][1]["name"] if ordered else "",
        start=start / 1e9,
        duration=total / 1e9,
        spans=tuple(_span_row(span, depth, start) for depth, span in ordered[:SPANS]),
        left_out=max(len(ordered) - SPANS, 0),
        logs=tuple(
            ((log["time"] - start) / 1e9, log["service"], _level(log["severity"]), _text(log["body"]))
            for log in logs[:LOGS]
        ),
    )


def waterfall_to_json(waterfall: Waterfall) -> dict[str, Any]:
    """Return a waterfall as JSON data: one list for each field of the spans.

    The name and the service of a span are indices in the lists `names` and `services`, because many spans
    have equal values.
    """
    names = {span.name: None for span in waterfall.spans}
    services = {span.service: None for span in waterfall.spans}
    name_index = {name: number for number, name in enumerate(names)}
    service_index = {name: number for number, name in enumerate(services)}
    return {
        "trace": waterfall.trace,
        "name": waterfall.name,
        "start": waterfall.start,
        "duration": waterfall.duration,
        "left_out": waterfall.left_out,
        "names": [*names],
        "services": [*services],
        "id": [span.id for span in waterfall.spans],
        "name_of": [name_index[span.name] for span in waterfall.spans],
        "service_of": [service_index[span.service] for span in waterfall.spans],
        "depth": [span.depth for span in waterfall.spans],
        "offset": [span.offset for span in waterfall.spans],
        "length": [span.duration for span in waterfall.spans],
        "error": [span.is_error for span in waterfall.spans],
    }


def span_to_json(span: Mapping[str, Any], logs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the details of a span with its log records; all times are Unix seconds."""
    return {
        "id": span["id"],
        "name": span["name"],
        "service": span["service"],
        "kind": span.get("kind", ""),
        "status": span["status"],
        "message": span.get("message", ""),
        "start": span["start"] / 1e9,
        "duration": max(span["end"] - span["start"], 0) / 1e9,
        "attributes": attribute_texts(span["attributes"]),
        "events": [
            {
                "name": str(event.get("name", "")),
                "time": event.get("time", span["start"]) / 1e9,
                "attributes": attribute_texts(event.get("attributes", {})),
            }
            for event in span["events"]
        ],
        "links": [
            {"trace": str(link.get("trace", "")), "span": str(link.get("span", ""))}
            for link in span.get("links", ())
        ],
        "logs": [log_to_json(log) for log in logs],
    }


def attribute_texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return a mapping from attribute name to its value as a string."""
    return {key: _text(value) for key, value in attributes.items()}


def log_to_json(log: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log record as JSON data."""
    return {
        "time": log["time"] / 1e9,
        "service": log["service"],
        "level": _level(log["severity"]),
        "text": _text(log["body"]),
    }


def matching(spans: Sequence[Mapping[str, Any]], text: str) -> list[str]:
    """Return the ids of the spans whose name, service, message or attributes contain a text in any case."""
    lower_text = text.lower()
    return [
        span["id"]
        for span in spans
        if lower_text
        in " ".join(
            (
                span["name"],
                span["service"],
                span.get("message", ""),
                json.dumps(span["attributes"], ensure_ascii=False, default=str),
            )
        ).lower()
    ]


def _span_row(span: Mapping[str, Any], depth: int, start: int) -> SpanRow:
    return SpanRow(
        id=span["id"],
        name=span["name"],
        service=span["service"],
        depth=depth,
        offset=(span["start"] - start) / 1e9,
        duration=max(span["end"] - span["start"], 0) / 1e9,
        is_error=span["status"] == "error",
    )


def _level(severity: int) -> str:
    # Source: opentelemetry/proto/logs/v1/logs.proto, SeverityNumber
    return next(
        (name for name, least in (("error", 17), ("warning", 13), ("info", 9)) if severity >= least), "debug"
    )


def _text(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
