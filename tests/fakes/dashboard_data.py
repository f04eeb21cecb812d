"""Data for the dashboard's pages of tests and traces: failure reports, sessions of pytest, and OTLP spans."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra_runtime.data_directory.session_record import FORMAT, Writer

SECOND = 10**9
TRACE = "ab" * 16
FAILURE = """\
    def test_order(shop):
>       assert shop.order() == 200
E       AssertionError: assert 500 == 200
E        +  where 500 = order()

test_shop.py:3: AssertionError"""


def write_report(folder: Path, name: str, **more: Any) -> Path:
    """Write a failure report as the plugin writes it; return its folder."""
    report = folder / "capsules" / name
    (report / "logs").mkdir(parents=True)
    (report / "capsule.json").write_text(
        json.dumps(
            {
                "test": f"test_shop.py::{name}",
                "label": name,
                "trace": TRACE,
                "phase": "call",
                "began": 1_780_000_000.0,
                "seconds": 1.5,
                "failure": FAILURE,
                "stack": {
                    "services": [{"name": "api", "phase": "failed", "reason": "exited", "restarts": 2}]
                },
                "dumps": {"database": "dumps/database.sql"},
                "executables": {},
                "settings": {"services.api.port": "80 (infra.toml:3)", "profile": "null (default)"},
                **more,
            }
        ),
        encoding="utf-8",
    )
    return report


def write_session(data: Path, *tests: dict[str, Any]) -> None:
    """Write the record of a session of pytest as the plugin writes it, with the ends of tests."""
    start_time = time.time() - 60
    start = {"format": FORMAT, "time": start_time, "pid": 1, "root": "/shop", "data": str(data)}
    lines = [
        {"kind": "session", **start, "selected": len(tests), "paths": ["/shop/tests"]},
        *({"kind": "test", "began": start_time, "seconds": 0.5, **test} for test in tests),
        {"kind": "end", "time": start_time + 4, "status": 1, "counts": tests[-1]["counts"]},
    ]
    writer = Writer(data, start_time)
    writer.write(json.dumps(line) for line in lines)
    writer.close()


def stored_span(name: str, number: int, parent: int = 0, **more: Any) -> dict[str, Any]:
    """Return a span as in `trace.json` of a failure report; if `parent` is 0, the span has no parent."""
    return {
        "service": "api",
        "name": name,
        "kind": "server",
        "status": "ok",
        "message": "",
        "start": (100 + number) * SECOND,
        "end": (102 + number) * SECOND,
        "attributes": {"http.route": f"/orders/{number}"},
        "events": [],
        "trace": TRACE,
        "id": f"{number:016x}",
        "parent": f"{parent:016x}" if parent else "",
        **more,
    }


def send_trace(url: str, key: str, trace: str) -> None:
    """Send a trace of two services with an error and a log record to the telemetry service."""
    now = time.time_ns()

    def pairs(**values: str) -> list[dict[str, Any]]:
        return [{"key": key, "value": {"stringValue": text}} for key, text in values.items()]

    def span(name: str, number: int, parent: int, start: int, end: int, **more: Any) -> dict[str, Any]:
        times = {"startTimeUnixNano": str(now + start), "endTimeUnixNano": str(now + end)}
        ids = {
            "traceId": trace,
            "spanId": f"{number:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
        }
        return {"name": name, "kind": 2, **ids, **times, **more}

    event = {
        "name": "exception",
        "timeUnixNano": str(now + 60_000_000),
        "attributes": pairs(**{"exception.type": "CardError", "exception.message": "declined"}),
    }
    failed = {"status": {"code": 2, "message": "card declined"}, "events": [event]}
    link = {"links": [{"traceId": "cd" * 16, "spanId": "12" * 8}]}
    parts = {
        "shop": [
            span("POST /orders", 1, 0, 0, 90_000_000, **link),
            span("load cart", 2, 1, 5_000_000, 30_000_000),
        ],
        "pay": [span("charge", 3, 1, 35_000_000, 80_000_000, attributes=pairs(card="visa"), **failed)],
    }
    record = {
        "timeUnixNano": str(now + 61_000_000),
        "severityNumber": 17,
        "body": {"stringValue": "the card was declined"},
        "traceId": trace,
        "spanId": f"{3:016x}",
    }
    resources = {name: {"attributes": pairs(**{"service.name": name})} for name in parts}
    _post(
        url,
        key,
        "traces",
        {
            "resourceSpans": [
                {"resource": resources[name], "scopeSpans": [{"spans": spans}]}
                for name, spans in parts.items()
            ]
        },
    )
    logs = [{"resource": resources["pay"], "scopeLogs": [{"logRecords": [record]}]}]
    _post(url, key, "logs", {"resourceLogs": logs})


def _post(url: str, key: str, signal: str, request: dict[str, Any]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"content-type": "application/json", "x-otlp-api-key": key}
    connection.request("POST", f"/v1/{signal}", json.dumps(request), headers)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())) == (200, {})
    connection.close()
