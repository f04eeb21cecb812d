"""Records of requests: names and values within the limits, and single records that are rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the minimal profile has no protobuf")

from infra_runtime.telemetry.decode import Signal, decode
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import Records, read

TRACE, SPAN = "01" * 16, "02" * 8
NOW = 1_700_000_000_000_000_000


def records(signal: Signal, request: dict[str, Any], limits: Limits | None = None) -> Records:
    message = decode(signal, json.dumps(request).encode(), is_json=True)
    return read(signal, message, limits or Limits(), NOW)


def spans(*spans: dict[str, Any], limits: Limits | None = None) -> Records:
    scoped = [{"spans": [{"traceId": TRACE, "spanId": SPAN, **span} for span in spans]}]
    return records("traces", {"resourceSpans": [{"scopeSpans": scoped}]}, limits)


def points(**metric: Any) -> Records:
    scoped = [{"metrics": [{"name": "m", **metric}]}]
    return records("metrics", {"resourceMetrics": [{"scopeMetrics": scoped}]})


def pair(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def test_a_resource_without_a_name_is_an_unknown_service() -> None:
    assert spans({}).spans[0].resource.service == "unknown_service"


@pytest.mark.parametrize(
    "ids", [{"traceId": ""}, {"traceId": "00" * 16}, {"spanId": "00" * 8}, {"spanId": "01"}]
)
def test_only_the_spans_with_an_invalid_id_are_rejected(ids: dict[str, str]) -> None:
    result = spans({"name": "a"}, ids, {"name": "b"})

    assert [span.name for span in result.spans] == ["a", "b"]
    assert result.rejected == 1
    assert "id has" in result.reason


def test_texts_and_lists_above_the_limits_are_cut() -> None:
    limits = Limits(attributes=2, key_length=4, value_length=6, span_details=1)
    attributes = [
        pair("long-key", stringValue="x" * 10),
        pair("list", arrayValue={"values": [{"stringValue": "y" * 10}]}),
        pair("third", boolValue=True),
    ]

    (span,) = spans({"name": "charge", "attributes": attributes, "events": [{}, {}]}, limits=limits).spans

    assert json.loads(span.attributes) == {"lon…": "xxxxx…", "list": '["yyy…'}
    assert span.name == "cha…"
    assert len(json.loads(span.events)) == 1


def test_times_are_integers_of_the_database_and_a_span_ends_after_its_start() -> None:
    (span,) = spans({"startTimeUnixNano": str(2**64 - 1), "endTimeUnixNano": "5"}).spans

    assert (span.start, span.end) == (2**63 - 1, 2**63 - 1)


def test_a_value_that_is_not_a_number_is_text() -> None:
    (span,) = spans({"attributes": [pair("a", doubleValue="NaN"), pair("b")]}).spans

    assert json.loads(span.attributes) == {"a": "nan", "b": None}


def test_a_log_record_without_a_time_has_the_time_of_its_arrival() -> None:
    bodies = [{"stringValue": "text"}, {"kvlistValue": {"values": [pair("k", intValue=1)]}}, None]
    logs = [{"body": body, "severityNumber": 17} for body in bodies]
    result = records("logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]})

    assert [record.time for record in result.logs] == [NOW] * 3
    assert [record.body for record in result.logs] == ["text", '{"k":1}', ""]


def test_points_without_a_value_are_left_out_and_other_infinite_values_rejected() -> None:
    data = [{"asInt": "3"}, {"asDouble": "Infinity"}, {"flags": 1}, {"asDouble": 0.5}]
    result = points(sum={"aggregationTemporality": 1, "dataPoints": data})

    assert [(point.value, point.delta, point.type) for point in result.points] == [
        (3.0, 1, "sum"),
        (0.5, 1, "sum"),
    ]
    assert result.rejected == 1


def test_a_summary_without_observations_has_no_quantiles() -> None:
    quantiles = [{"quantile": 0.5, "value": "NaN"}, {"quantile": 1, "value": 2}]

    (point,) = points(summary={"dataPoints": [{"count": 0, "quantileValues": quantiles}]}).points

    assert json.loads(point.data) == {"count": 0, "quantiles": {"1.0": 2.0}}


@pytest.mark.parametrize(
    ("kind", "point", "reason"),
    [
        ("histogram", {"explicitBounds": [1, "Infinity"]}, "the bound inf"),
        ("histogram", {"explicitBounds": ["NaN"]}, "the bound nan"),
        ("histogram", {"bucketCounts": [1] * 2000}, "2000 buckets, but the limit is 1000"),
        ("exponentialHistogram", {"negative": {"bucketCounts": [1] * 2000}}, "2000 buckets"),
        ("exponentialHistogram", {"sum": "NaN"}, "the value nan"),
    ],
)
def test_a_distribution_that_cannot_be_stored_is_rejected(
    kind: str, point: dict[str, Any], reason: str
) -> None:
    result = points(**{kind: {"dataPoints": [point, {"count": 1}]}})

    assert len(result.points) == result.rejected == 1
    assert reason in result.reason


@pytest.mark.parametrize("trace", ["00" * 16, "ab" * 15, "ab" * 5000])
def test_ids_that_are_not_valid_are_left_out(trace: str) -> None:
    record = {"traceId": trace, "spanId": trace}
    (log,) = records("logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).logs
    (span,) = spans({"parentSpanId": trace, "links": [record]}).spans

    assert (log.trace, log.span, span.parent) == (b"", b"", b"")
    assert json.loads(span.links) == [{"trace": "", "span": "", "attributes": {}}]


@pytest.mark.parametrize(
    ("kind", "point", "data"),
    [
        (
            "histogram",
            {"count": "2", "sum": 3.0, "bucketCounts": ["1", "1"], "explicitBounds": [1.0]},
            {"count": 2, "bounds": [1.0], "counts": [1, 1]},
        ),
        (
            "exponentialHistogram",
            {
                "count": "2",
                "sum": 3.0,
                "scale": 1,
                "zeroCount": "1",
                "positive": {"offset": 1, "bucketCounts": ["1"]},
            },
            {
                "count": 2,
                "scale": 1,
                "zeros": 1,
                "positive": {"offset": 1, "counts": [1]},
                "negative": {"offset": 0, "counts": []},
            },
        ),
        (
            "summary",
            {"count": "2", "sum": 3.0, "quantileValues": [{"quantile": 0.5, "value": 1.0}]},
            {"count": 2, "quantiles": {"0.5": 1.0}},
        ),
    ],
)
def test_the_value_of_a_distribution_is_its_sum(
    kind: str, point: dict[str, Any], data: dict[str, Any]
) -> None:
    (result,) = points(**{kind: {"dataPoints": [point]}}).points

    assert result.value == 3.0
    assert json.loads(result.data) == data
