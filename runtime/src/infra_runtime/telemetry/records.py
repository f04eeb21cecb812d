"""Convert an OTLP export request to the spans, log records and metric points that the store saves."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from infra_runtime.telemetry.limits import LARGEST_INTEGER, Limits

#: the flag of a point that marks the end of its series. Source: opentelemetry/proto/metrics/v1/metrics.proto
_NO_VALUE = 1
#: the number of bytes of a trace id and of a span id. Source: opentelemetry/proto/trace/v1/trace.proto
_TRACE_ID, _SPAN_ID = 16, 8
#: the character at the end of a text that was cut
CUT = "…"
#: the service name of a resource without `service.name`; source: OpenTelemetry specification, "Resource SDK"
UNKNOWN = "unknown_service"


class Resource(NamedTuple):
    """The source of records: the name of its service, and its attributes as JSON."""

    service: str
    attributes: str


class Span(NamedTuple):
    """A span; times are nanoseconds since the epoch, nested data are JSON."""

    resource: Resource
    trace: bytes
    id: bytes
    parent: bytes
    name: str
    scope: str
    kind: int
    start: int
    end: int
    status: int
    message: str
    attributes: str
    events: str
    links: str


class LogRecord(NamedTuple):
    """A log record; `severity` is OTLP's number from 1 to 24, or 0 if it is not set."""

    resource: Resource
    time: int
    severity: int
    level: str
    body: str
    scope: str
    event: str
    trace: bytes
    span: bytes
    attributes: str


class Point(NamedTuple):
    """The value of a metric at one point in time.

    For a distribution, `value` is the sum, and `data` contains the other fields, such as the count. For a sum
    that only increases, `data` has the key `monotonic`.
    """

    resource: Resource
    name: str
    #: `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`
    type: str
    unit: str
    #: whether the value is the change since `start` instead of a total
    delta: int
    attributes: str
    start: int
    time: int
    value: float
    data: str


class Records(NamedTuple):
    """The records of a request, the number of rejected records, and the reason."""

    spans: list[Span]
    logs: list[LogRecord]
    points: list[Point]
    rejected: int
    reason: str


class _Reader:
    """Converts the records of one request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rejected = 0
        self._reason = ""

    def records(
        self,
        spans: Iterable[Span] = (),
        logs: Iterable[LogRecord] = (),
        points: Iterable[Point] = (),
    ) -> Records:
        lists = list(spans), list(logs), list(points)
        return Records(*lists, self._rejected, self._reason)

    def _reject(self, reason: str) -> None:
        self._rejected += 1
        self._reason = self._reason or reason

    # --- signals -----------------------------------------------------------------------------------

    def spans(self, request: Any) -> Iterator[Span]:
        for group in request.resource_spans:
            resource = self._resource(group.resource)
            for scoped in group.scope_spans:
                scope = self._name(scoped.scope.name)
                for span in scoped.spans:
                    if reason := _id_problem(span.trace_id, span.span_id):
                        self._reject(reason)
                        continue
                    start = min(span.start_time_unix_nano, LARGEST_INTEGER)
                    yield Span(
                        resource=resource,
                        trace=span.trace_id,
                        id=span.span_id,
                        parent=_valid_id(span.parent_span_id, _SPAN_ID),
                        name=self._name(span.name),
                        scope=scope,
                        kind=span.kind,
                        start=start,
                        end=max(min(span.end_time_unix_nano, LARGEST_INTEGER), start),
                        status=span.status.code,
                        message=self._cut(span.status.message, self._limits.value_length),
                        attributes=self._attributes(span.attributes),
                        events=self._events(span.events),
                        links=self._links(span.links),
                    )

    def logs(self, request: Any, arrival: int) -> Iterator[LogRecord]:
        for group in request.resource_logs:
            resource = self._resource(group.resource)
            for scoped in group.scope_logs:
                scope = self._name(scoped.scope.name)
                for record in scoped.log_records:
                    yield LogRecord(
                        resource=resource,
                        time=min(
                            record.time_unix_nano or record.observed_time_unix_nano or arrival,
                            LARGEST_INTEGER,
                        ),
                        severity=record.severity_number,
                        level=self._name(record.severity_text),
                        body=self._cut(_as_text(_value(record.body)), self._limits.body_length),
                        scope=scope,
                        event=self._name(record.event_name),
                        trace=_valid_id(record.trace_id, _TRACE_ID),
                        span=_valid_id(record.span_id, _SPAN_ID),
                        attributes=self._attributes(record.attributes),
                    )

    def points(self, request: Any, arrival: int) -> Iterator[Point]:
        for group in request.resource_metrics:
            resource = self._resource(group.resource)
            for scoped in group.scope_metrics:
                for metric in scoped.metrics:
                    kind = metric.WhichOneof("data")
                    if kind is None:
                        continue
                    data = getattr(metric, kind)
                    delta = int(getattr(data, "aggregation_temporality", 0) == 1)
                    for point in data.data_points:
                        if point.flags & _NO_VALUE:
                            continue
                        value = _number(point, kind)
                        if problem := self._point_problem(point, kind, value):
                            self._reject(f"the metric {self._name(metric.name)} has {problem}")
                            continue
                        yield Point(
                            resource=resource,
                            name=self._name(metric.name),
                            type=kind,
                            unit=self._name(metric.unit),
                            delta=delta,
                            attributes=self._attributes(point.attributes),
                            start=min(point.start_time_unix_nano, LARGEST_INTEGER),
                            time=min(point.time_unix_nano or arrival, LARGEST_INTEGER),
                            value=value,
                            data=_further(data, point, kind),
                        )

    def _point_problem(self, point: Any, kind: str, value: float) -> str:
        """Return the reason why a point cannot be stored; empty for a valid point."""
        if not math.isfinite(value):
            return f"the value {value}"
        sides = [point.positive, point.negative] if kind == "exponential_histogram" else [point]
        buckets = [len(side.bucket_counts) for side in sides if kind.endswith("histogram")]
        if sum(buckets) > self._limits.buckets:
            return f"{sum(buckets)} buckets, but the limit is {self._limits.buckets}"
        for bound in point.explicit_bounds if kind == "histogram" else ():
            if not math.isfinite(bound):
                return f"the bound {bound}"
        return ""

    # --- parts -------------------------------------------------------------------------------------

    def _resource(self, resource: Any) -> Resource:
        attributes = self._attributes(resource.attributes)
        service = json.loads(attributes).get("service.name")
        return Resource(_as_text(service) if service else UNKNOWN, attributes)

    def _attributes(self, pairs: Any) -> str:
        limits = self._limits
        attributes: dict[str, Any] = {}
        for pair in pairs:
            if len(attributes) == limits.attributes:
                break
            attributes[self._cut(pair.key, limits.key_length)] = self._bounded(_value(pair.value))
        return _json(attributes) if attributes else "{}"

    def _bounded(self, value: Any) -> Any:
        limit = self._limits.value_length
        if isinstance(value, str):
            return self._cut(value, limit)
        if isinstance(value, list | dict) and len(text := _json(value)) > limit:
            return self._cut(text, limit)
        return value

    def _events(self, events: Any) -> str:
        return _json(
            [
                {
                    "name": self._name(event.name),
                    "time": min(event.time_unix_nano, LARGEST_INTEGER),
                    "attributes": json.loads(self._attributes(event.attributes)),
                }
                for event in events[: self._limits.span_details]
            ]
        )

    def _links(self, links: Any) -> str:
        return _json(
            [
                {
                    "trace": _valid_id(link.trace_id, _TRACE_ID).hex(),
                    "span": _valid_id(link.span_id, _SPAN_ID).hex(),
                    "attributes": json.loads(self._attributes(link.attributes)),
                }
                for link in links[: self._limits.span_details]
            ]
        )

    def _name(self, text: str) -> str:
        return self._cut(text, self._limits.key_length)

    def _cut(self, text: str, length: int) -> str:
        return text if len(text) <= length else text[: length - 1] + CUT


def read(signal: str, request: Any, limits: Limits, arrival: int) -> Records:
    """Return the records of a decoded request; log records and points without a time get `arrival`."""
    reader = _Reader(limits)
    if signal == "traces":
        return reader.records(spans=reader.spans(request))
    if signal == "logs":
        return reader.records(logs=reader.logs(request, arrival))
    return reader.records(points=reader.points(request, arrival))


def _id_problem(trace: bytes, span: bytes) -> str:
    """Return the reason why a span cannot be stored; empty for valid ids."""
    for name, identifier, length in (("trace", trace, _TRACE_ID), ("span", span, _SPAN_ID)):
        if not _valid_id(identifier, length):
            hexadecimal = identifier[: 2 * length].hex() or "none"
            return f"a {name} id has {length} bytes that are not all zero, not {hexadecimal}"
    return ""


def _valid_id(identifier: bytes, length: int) -> bytes:
    """Return an id of `length` bytes; empty if the id has another length or consists of zeros."""
    return identifier if len(identifier) == length and any(identifier) else b""


def _value(value: Any) -> Any:
    """Return the JSON value of an `AnyValue`; bytes become base64."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "array_value":
        return [_value(item) for item in content.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in content.values}
    if kind == "bytes_value":
        return base64.b64encode(content).decode()
    if kind == "double_value" and not math.isfinite(content):
        return str(content)
    return content


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _number(point: Any, kind: str) -> float:
    if kind in {"gauge", "sum"}:
        name = point.WhichOneof("value")
        return float(getattr(point, name)) if name else math.nan
    return float(point.sum)


def _further(metric: Any, point: Any, kind: str) -> str:
    """Return the fields of a point except its value, as JSON."""
    if kind == "sum" and metric.is_monotonic:
        return '{"monotonic":true}'
    if kind in {"gauge", "sum"}:
        return "{}"
    data: dict[str, Any] = {"count": point.count}
    if kind == "histogram":
        data |= {"bounds": list(point.explicit_bounds), "counts": list(point.bucket_counts)}
    elif kind == "exponential_histogram":
        sides = {"positive": point.positive, "negative": point.negative}
        data |= {"scale": point.scale, "zeros": point.zero_count}
        data |= {
            name: {"offset": side.offset, "counts": list(side.bucket_counts)} for name, side in sides.items()
        }
    else:
        # The quantiles of a summary without observations are NaN.
        data["quantiles"] = {
            str(quantile.quantile): quantile.value
            for quantile in point.quantile_values
            if math.isfinite(quantile.value)
        }
    return _json(data)
