"""The export of a trace: the receiver of the telemetry service reads the same spans again."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the minimal profile has no protobuf")

from infra_runtime.dashboard.otlp_export import otlp
from infra_runtime.telemetry import SPAN_KINDS, SPAN_STATUSES
from infra_runtime.telemetry.decode import decode
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import Span, read

SPAN: dict[str, Any] = {
    "trace": "ab" * 16,
    "id": "12" * 8,
    "parent": "34" * 8,
    "name": "charge",
    "service": "pay",
    "resource": {"service.name": "pay", "service.version": "1"},
    "scope": "shop",
    "kind": "server",
    "start": 2**62,
    "end": 2**62 + 5,
    "status": "error",
    "message": "declined",
    "attributes": {"count": 2**60, "ok": True, "share": 0.5, "names": ["a", "b"], "deep": {"x": 1}},
    "events": [{"name": "exception", "time": 2**62 + 1, "attributes": {"type": "Boom"}}],
    "links": [{"trace": "cd" * 16, "span": "56" * 8, "attributes": {}}],
}


def received(*spans: dict[str, Any]) -> tuple[Span, ...]:
    message = decode("traces", json.dumps(otlp(spans)).encode(), is_json=True)
    return tuple(read("traces", message, Limits(), 0).spans)


def test_the_receiver_reads_the_same_span() -> None:
    (span,) = received(SPAN)

    assert (span.trace.hex(), span.id.hex(), span.parent.hex()) == (SPAN["trace"], SPAN["id"], SPAN["parent"])
    assert (span.name, span.scope, span.message) == ("charge", "shop", "declined")
    assert (span.start, span.end) == (SPAN["start"], SPAN["end"])
    assert (SPAN_KINDS[span.kind], SPAN_STATUSES[span.status]) == ("server", "error")
    assert (span.resource.service, json.loads(span.resource.attributes)) == ("pay", SPAN["resource"])
    for field in ("attributes", "events", "links"):
        assert json.loads(getattr(span, field)) == SPAN[field]


def test_the_spans_of_a_resource_are_together() -> None:
    other = {**SPAN, "id": "78" * 8, "parent": "", "kind": "17", "status": "unset"}

    exported = otlp([SPAN, {**SPAN, "service": "shop"}, other])

    groups = exported["resourceSpans"]
    assert [[len(scope["spans"]) for scope in group["scopeSpans"]] for group in groups] == [[2], [1]]
    assert [span.kind for span in received(other)] == [17]
