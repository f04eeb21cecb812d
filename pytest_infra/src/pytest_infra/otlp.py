"""Send spans to a receiver of OTLP over HTTP, as JSON, without waiting for its responses.

A request on the loopback interface fits into the buffer of a socket. Therefore the sender does not wait, even
if the receiver has not accepted the connection yet. The response is read before the next request is sent.
Until the response has arrived, spans are collected for the next request.

Source: OpenTelemetry specification, "OTLP", sections "OTLP/HTTP" and "JSON Protobuf Encoding".
"""

from __future__ import annotations

import http.client
import json
import select
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_infra.spans import Span

#: the maximum number of spans in one request; the body of such a request fits into the buffer of a socket
BATCH = 200
#: the maximum number of spans that wait for a request; above this number, the oldest spans are discarded
QUEUE = 10_000
#: the time limit in seconds for opening the connection, and for sending a body that does not fit into the
#: buffer of the socket
PATIENCE = 1.0
#: seconds between two attempts, while `flush` waits for a receiver that refuses requests
INTERVAL = 0.1
#: the statuses after which a request is sent again. Source: "OTLP/HTTP", "Retryable Response Codes"
RETRIED = frozenset({429, 502, 503, 504})
#: the numbers that OTLP uses for kinds and statuses. Source: opentelemetry/proto/trace/v1/trace.proto
_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUSES = {"ok": 1, "error": 2}


class Exporter:
    """The spans that the receiver has not accepted yet, and the connection to the receiver."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str], resource: Mapping[str, str]) -> None:
        self._address, self._resource = (host, port), resource
        self._headers = {**headers, "Content-Type": "application/json", "Connection": "close"}
        self._waiting: list[Span] = []
        #: the spans of the request whose response has not been read
        self._sent: list[Span] = []
        self._connection: http.client.HTTPConnection | None = None
        #: the number of spans that were discarded since the last `flush`, and the reason of the last failure
        self.lost, self.problem = 0, ""

    def add(self, spans: Iterable[Span]) -> None:
        """Add spans to the next request; send the request if the receiver has answered the previous one."""
        self._waiting += spans
        self._discard_oldest(len(self._waiting) - QUEUE)
        if self._answered(0.0):
            self._post()

    def flush(self, seconds: float) -> str:
        """Wait until the receiver has accepted all spans, but not longer than `seconds`.

        A request that is being sent or answered can add `PATIENCE` seconds. The result is a text with the
        number of spans that were not accepted since the last call, and the reason; the text is empty if all
        spans were accepted.
        """
        deadline = time.monotonic() + seconds
        while True:
            is_answered = self._answered(max(deadline - time.monotonic(), 0.0))
            remaining = len(self._waiting) + len(self._sent)
            if not remaining or time.monotonic() >= deadline:
                break
            if is_answered and not self._post():
                time.sleep(INTERVAL)
        if not (missing := remaining + self.lost):
            return ""
        self.lost = 0
        return f"{missing} spans: {self.problem or f'no answer within {seconds:g} s'}"

    def close(self) -> None:
        """Close the connection; spans that were not accepted are lost."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self) -> bool:
        """Send the next request; return whether a request was sent."""
        if not self._waiting:
            return False
        self._sent, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE)
        try:
            self._connection.request("POST", "/v1/traces", encoded(self._sent, self._resource), self._headers)
        except OSError as error:
            self._failed(str(error))
            return False
        return True

    def _answered(self, seconds: float) -> bool:
        """Wait at most `seconds` for the response to the last request; return whether it has arrived.

        If no request was sent, or the last request failed, the result is also True.
        """
        if self._connection is None:
            return True
        if not _is_readable(self._connection.sock, seconds):
            return False
        try:
            response = self._connection.getresponse()
            reason = response.read(500).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            self._failed(str(error) or type(error).__name__)
            return True
        self.close()
        if response.status in RETRIED:
            self._failed(f"status {response.status}: {reason}")
            return True
        if response.status != http.client.OK:
            self.problem = f"status {response.status}: {reason}"
            self.lost += len(self._sent)
        self._sent = []
        return True

    def _failed(self, problem: str) -> None:
        """Record that a request has failed; the next request contains the same spans again."""
        self.problem = problem
        self._waiting[:0], self._sent = self._sent, []
        self.close()

    def _discard_oldest(self, count: int) -> None:
        if count > 0:
            self.lost += count
            del self._waiting[:count]
            self.problem = self.problem or f"more than {QUEUE} spans wait for the receiver"


def _is_readable(connection: Any, seconds: float) -> bool:
    """Wait at most `seconds` until a read from the socket would not block; return false after this time."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def encoded(spans: Sequence[Span], resource: Mapping[str, str]) -> bytes:
    """Return the body of a request with spans; `resource` are the attributes of the sending process."""
    scope = {"scope": {"name": "pytest_infra"}, "spans": [_span(span) for span in spans]}
    group = {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}
    return json.dumps({"resourceSpans": [group]}).encode()


def _span(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace,
        "spanId": span.id,
        "parentSpanId": span.parent,
        "name": span.name,
        "kind": _KINDS.get(span.kind, 0),
        # Numbers of 64 bits are texts in the JSON encoding of protobuf.
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": _attributes(span.attributes),
        "status": {"code": _STATUSES.get(span.status, 0), "message": span.message},
    }


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": str(value)}
