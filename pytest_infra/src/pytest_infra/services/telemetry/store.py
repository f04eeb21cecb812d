"""The telemetry service as the store of the traces of tests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.telemetry import KEY_HEADER
from pytest_infra.otlp import Exporter
from pytest_infra.services.telemetry.query import ask
from pytest_infra.spans import PLUGIN, LogRecord, Span, Trace

#: seconds without a further span after which a trace counts as complete. The exporters of services send
#: every 0.2 s in tests, and the service writes what it has received every 0.1 s.
QUIET = 0.4
#: the maximum number of spans, and of log records, that are read
ROWS = 10_000


class TelemetryStore:
    """The traces in the telemetry service. Spans that this process sends belong to the service `pytest`."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        resource = {"service.name": PLUGIN} | ({"service.instance.id": worker} if worker else {})
        headers = {KEY_HEADER: server["key"]}
        self._exporter = Exporter(server.host, int(server["port"]), headers, resource)

    def send(self, spans: Iterable[Span]) -> None:
        """Send spans without waiting for the response of the service."""
        self._exporter.add(spans)

    def flush(self, seconds: float) -> str:
        """Wait until the service has accepted all spans, but not longer than `seconds`."""
        return self._exporter.flush(seconds)

    def trace(self, trace_id: str, seconds: float) -> Trace:
        """Return a trace when no new span has arrived for `QUIET` seconds, or after `seconds`."""
        deadline = time.monotonic() + seconds
        items: list[Mapping[str, Any]] = []
        last_row = 0
        while True:
            remaining = max(deadline - time.monotonic(), 0.0)
            wait = min(remaining, QUIET)
            answer = ask(self._server, "spans", wait, trace=trace_id, after=last_row, limit=ROWS)
            items += answer["items"]
            if not answer["items"] or not remaining:
                break
            last_row = answer["last"]
        logs = ask(self._server, "logs", trace=trace_id, limit=ROWS)["items"]
        return Trace(trace_id, spans_of(items), logs_of(logs))


def spans_of(items: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Return the spans in an answer of the query API, in the order of their start."""
    spans = (
        Span(**{**{key: item[key] for key in Span._fields}, "events": tuple(item["events"])})
        for item in items
    )
    return sorted(spans, key=lambda span: (span.start, -span.end))


def logs_of(items: Iterable[Mapping[str, Any]]) -> list[LogRecord]:
    """Return the log records in an answer of the query API, in the order of their times."""
    records = (LogRecord(**{key: item[key] for key in LogRecord._fields}) for item in items)
    return sorted(records, key=lambda record: record.time)
