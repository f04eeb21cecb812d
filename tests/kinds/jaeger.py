"""Jaeger in the contract suite: a value is the name of the newest span with an attribute NAME."""

from __future__ import annotations

import hashlib
import json
import os
import time
import urllib.error
import urllib.request

from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Send a span, and wait until it is found; in a unit, it belongs to the trace of the unit."""
    now = time.time_ns()
    span = {
        "traceId": _trace(endpoint, name),
        "spanId": os.urandom(8).hex(),
        "name": value,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1000),
        "attributes": [{"key": "name", "value": {"stringValue": name}}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "contract"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{endpoint['otlp_url']}/v1/traces", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    until(lambda: read(endpoint, name) == value)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the name of the newest span."""
    try:
        url = f"{endpoint.url}/api/traces/{_trace(endpoint, name)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            traces = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        return None
    spans = [span for trace in traces for span in trace["spans"]]
    matching_spans = [
        span for span in spans if {"key": "name", "type": "string", "value": name} in span["tags"]
    ]
    return (
        max(matching_spans, key=lambda span: span["startTime"])["operationName"] if matching_spans else None
    )


def _trace(endpoint: Endpoint, name: str) -> str:
    return endpoint.get("trace_id", "") or hashlib.sha256(name.encode()).hexdigest()[:32]
