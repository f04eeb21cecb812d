"""Groups of equal errors in spans and log records; equal errors have the same fingerprint.

The fingerprint of an error consists of its service, the type of its exception, its message without numbers,
ids and addresses, and the innermost frame of its stack trace. The number of the line in the frame is not part
of the fingerprint.

Sources: OpenTelemetry semantic conventions, "Exceptions" (names of attributes and of the event); the formats
of stack traces of Python, Node and Java.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from infra_runtime.telemetry.records import LogRecord, Point, Span

#: the smallest severity of a log record that is an error, and the status of a span that has failed. Source:
#: opentelemetry/proto/logs/v1/logs.proto and trace/v1/trace.proto
_ERROR_SEVERITY, _ERROR_STATUS = 17, 2
#: the largest number of characters of a message, of a type, and of a frame; a longer text is cut
_LENGTH = 500

SCHEMA = """
CREATE TABLE IF NOT EXISTS error (
    fingerprint TEXT PRIMARY KEY, service TEXT, type TEXT, message TEXT, frame TEXT, first INTEGER,
    last INTEGER, logs INTEGER, spans INTEGER, trace BLOB
);
CREATE INDEX IF NOT EXISTS error_last ON error (last);
"""
UPSERT = """
INSERT INTO error VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    message = excluded.message, first = min(first, excluded.first), last = max(last, excluded.last),
    logs = logs + excluded.logs, spans = spans + excluded.spans,
    trace = CASE WHEN excluded.trace = x'' THEN trace ELSE excluded.trace END
"""
DELETE_OLDEST = (
    "DELETE FROM error WHERE last <= (SELECT last FROM error ORDER BY last DESC LIMIT 1 OFFSET {limit:d})"
)


class ErrorGroup(NamedTuple):
    """A group of equal errors, with the newest message and trace: a row of the table `error`."""

    fingerprint: str
    service: str
    type: str
    message: str
    frame: str
    #: the times of the first and the last error, in nanoseconds since the epoch
    first: int
    last: int
    #: the numbers of log records and of spans with the error; an error can be in a log record and in a span
    logs: int
    spans: int
    trace: bytes

    @property
    def number(self) -> int:
        """The larger of the two numbers, because an error can be in a log record and in a span."""
        return max(self.logs, self.spans)


# --- fingerprints ----------------------------------------------------------------------------------

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_VARIABLE = re.compile(
    r"(?P<ADDRESS>(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"
    r"|\[?(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}\]?)"
    # Ids and numbers have the same replacement, because some ids consist of digits only.
    rf"|(?P<NUMBER>\b(?:{_UUID}|0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{{7,}}|(?=[a-z_]*\d)\w{{16,}})\b"
    r"|(?:(?<![\w.)\]-])[+-])?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?)",
    re.IGNORECASE,
)
_PYTHON_FRAME = re.compile(r'^[ \t]*File "([^"\n]+)", line \d+, in (.+)$', re.MULTILINE)
_OTHER_FRAME = re.compile(r"^[ \t]*at (.+)$", re.MULTILINE)


def normalised(text: str) -> str:
    """Return the first 500 characters; numbers and ids become `NUMBER`, addresses become `ADDRESS`."""
    return _VARIABLE.sub(lambda match: str(match.lastgroup), text[:_LENGTH])


def innermost_frame(stack_trace: str) -> str:
    """Return the file and the function that raised the exception; empty for an unknown stack trace."""
    frames = _PYTHON_FRAME.findall(stack_trace)
    if frames:
        path, function = frames[-1]
        return f"{path}:{function}"[-_LENGTH:]
    match = _OTHER_FRAME.search(stack_trace)
    return normalised(match[1]) if match else ""


def fingerprint(service: str, exception: str, message: str, stack_trace: str = "") -> str:
    """Return the fingerprint of an error: 16 hexadecimal digits."""
    parts = (service, exception, normalised(message), innermost_frame(stack_trace))
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=8).hexdigest()


# --- groups ----------------------------------------------------------------------------------------


def grouped(records: Iterable[Span | LogRecord | Point]) -> list[ErrorGroup]:
    """Return the groups of the errors among records.

    If a span fails, its parent spans often fail with the same exception. Therefore, equal errors in those of
    the spans that belong to the same trace count once.
    """
    groups: dict[str, ErrorGroup] = {}
    traces: set[tuple[str, bytes]] = set()
    for error in _errors(records):
        if error.spans:
            if (error.fingerprint, error.trace) in traces:
                continue
            traces.add((error.fingerprint, error.trace))
        group = groups.get(error.fingerprint)
        groups[error.fingerprint] = _sum(group, error) if group else error
    return [*groups.values()]


def _errors(records: Iterable[Span | LogRecord | Point]) -> Iterator[ErrorGroup]:
    for record in records:
        if isinstance(record, LogRecord) and record.severity >= _ERROR_SEVERITY:
            details = json.loads(record.attributes)
            yield _error(record, details, record.body, time=record.time, logs=1)
        elif isinstance(record, Span) and record.status == _ERROR_STATUS:
            events = [event for event in json.loads(record.events) if event["name"] == "exception"]
            details = events[-1]["attributes"] if events else {}
            yield _error(record, details, record.message or record.name, time=record.end, spans=1)


def _error(
    record: Span | LogRecord,
    details: Mapping[str, Any],
    text: str,
    *,
    time: int,
    logs: int = 0,
    spans: int = 0,
) -> ErrorGroup:
    exception, message, stack_trace = (
        str(details.get(f"exception.{key}", "")) for key in ("type", "message", "stacktrace")
    )
    # If a log record has an exception, the body of the record is the text of the logging call, not of the
    # exception.
    message = message if exception else text
    service = record.resource.service
    return ErrorGroup(
        fingerprint=fingerprint(service, exception, message, stack_trace),
        service=service,
        type=exception[:_LENGTH],
        message=message[:_LENGTH],
        frame=innermost_frame(stack_trace),
        first=time,
        last=time,
        logs=logs,
        spans=spans,
        trace=record.trace,
    )


def _sum(group: ErrorGroup, error: ErrorGroup) -> ErrorGroup:
    return error._replace(
        first=min(group.first, error.first),
        last=max(group.last, error.last),
        logs=group.logs + error.logs,
        spans=group.spans + error.spans,
        trace=error.trace or group.trace,
    )


def shown(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the table `error` as JSON data."""
    return [{**row, "trace": row["trace"].hex(), "count": max(row["logs"], row["spans"])} for row in rows]
