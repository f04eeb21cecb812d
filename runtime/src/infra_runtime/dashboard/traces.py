"""The traces of the stack's telemetry service: the rows of the list and of a waterfall."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra_runtime.telemetry.span_tree import levels
from infra_runtime.value import frozen

#: traces of a list, and spans of a waterfall, that a page shows at most
TRACES, SPANS = 100, 1000
#: the parameters of a list, which are also those of the query API
PARAMETERS = ("service", "text", "status", "longer")
#: the parameter with the id of a test
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
    """A span in a waterfall; `left` and `width` are percent of the duration of the trace."""

    id: str
    name: str
    service: str
    kind: str
    depth: int
    #: seconds since the start of the trace, and seconds
    offset: float
    duration: float
    left: float
    width: float
    is_error: bool
    message: str
    attributes: Mapping[str, Any]
    #: each with name, seconds since the start of the trace, and attributes
    events: tuple[tuple[str, float, Mapping[str, Any]], ...]


@frozen
class Waterfall:
    """A trace with its spans in the order of a tree, and the log records in the order of time."""

    trace: str
    name: str
    start: float
    duration: float
    spans: tuple[SpanRow, ...]
    #: the number of spans that are not shown
    left_out: int
    #: each with seconds since the start, service, level and text
    logs: tuple[tuple[float, str, str, str], ...]


def parameters(query: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a request to the query API; empty ones are left out.

    The root span of a test has its id as an attribute, which is stored as a text in JSON.
    """
    test = query.get(TEST, "")
    text = json.dumps(test, ensure_ascii=False) if test else query.get("text", "")
    chosen = {**{name: query.get(name, "") for name in PARAMETERS}, "text": text, "limit": str(TRACES)}
    return {name: value for name, value in chosen.items() if value}


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


def waterfall(whole: Mapping[str, Any]) -> Waterfall:
    """Return the rows of one trace. A span whose parent is missing is a root."""
    spans, logs = whole["spans"], whole["logs"]
    times = [span["start"] for span in spans] or [log["time"] for log in logs]
    start = min(times)
    total = max(max((span["end"] for span in spans), default=start) - start, 1)
    by_id = {span["id"]: span for span in spans}
    depths = levels({key: span["parent"] for key, span in by_id.items()})
    ordered = [(depth, by_id[key]) for key, depth in depths.items()]
    return Waterfall(
        trace=whole["trace"],
        name=ordered[0][1]["name"] if ordered else "",
        start=start / 1e9,
        duration=total / 1e9,
        spans=tuple(_span_row(span, depth, start, total) for depth, span in ordered[:SPANS]),
        left_out=max(len(ordered) - SPANS, 0),
        logs=tuple(
            ((log["time"] - start) / 1e9, log["service"], _level(log["severity"]), _text(log["body"]))
            for log in logs[:SPANS]
        ),
    )


def _span_row(span: Mapping[str, Any], depth: int, start: int, total: int) -> SpanRow:
    duration = max(span["end"] - span["start"], 0)
    return SpanRow(
        id=span["id"],
        name=span["name"],
        service=span["service"],
        kind=span["kind"],
        depth=depth,
        offset=(span["start"] - start) / 1e9,
        duration=duration / 1e9,
        left=round((span["start"] - start) / total * 100, 3),
        width=max(round(duration / total * 100, 3), 0.15),
        is_error=span["status"] == "error",
        message=span["message"],
        attributes=span["attributes"],
        events=tuple(
            (
                str(event.get("name", "")),
                (event.get("time", start) - start) / 1e9,
                event.get("attributes", {}),
            )
            for event in span["events"]
        ),
    )


def _level(severity: int) -> str:
    # Source: opentelemetry/proto/logs/v1/logs.proto, SeverityNumber
    return next(
        (name for name, least in (("error", 17), ("warning", 13), ("info", 9)) if severity >= least), "debug"
    )


def _text(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
