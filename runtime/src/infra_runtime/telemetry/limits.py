"""The limits of the telemetry service. A value above a limit is cut, dropped or refused, and counted."""

from __future__ import annotations

from infra_runtime.value import frozen

#: the largest integer of SQLite
LARGEST_INTEGER = 2**63 - 1


@frozen
class Limits:
    """Limits on requests, on single records, and on the store."""

    #: bytes of a request after decompression; a larger request is refused with HTTP status 413
    request_bytes: int = 64 * 2**20
    #: bytes of all requests that are being received; above it, requests are refused with HTTP status 503
    receiving_bytes: int = 128 * 2**20
    #: bytes of the requests that are not written yet; above it, requests are refused with HTTP status 503
    queue_bytes: int = 64 * 2**20
    #: bytes of the requests that wait until they are forwarded; above it, their spans are not forwarded
    forward_bytes: int = 16 * 2**20
    #: attributes of a record; further attributes are dropped
    attributes: int = 128
    #: characters of an attribute's key
    key_length: int = 256
    #: characters of an attribute's value as text; a longer value is cut
    value_length: int = 8 * 2**10
    #: characters of the body of a log record
    body_length: int = 64 * 2**10
    #: events, and also links, of a span
    span_details: int = 128
    #: buckets of a histogram; a point with more is rejected
    buckets: int = 1_000
    #: spans of a run; the oldest are deleted
    spans: int = 200_000
    #: spans of a trace; further spans are rejected
    trace_spans: int = 10_000
    #: the traces whose spans are counted in memory; the spans of other traces are counted in the store
    counted_traces: int = 20_000
    #: log records of a run; the oldest are deleted
    logs: int = 200_000
    #: metric points of a run; the oldest are deleted
    points: int = 500_000
    #: seconds for which all points are kept; of older points, the last one of each series in each period
    point_exact: float = 3600.0
    point_period: float = 60.0
    #: metric streams, each with its own attributes; points of further streams are rejected. A stream without
    #: points for so many seconds is replaced.
    streams: int = 2_000
    stream_age: float = 3600.0
    #: alerts of a run, and groups of equal errors; the oldest are deleted
    alerts: int = 10_000
    error_groups: int = 5_000
    #: bytes of the file of a run; the oldest records are deleted
    run_bytes: int = 512 * 2**20
    #: files of runs, their bytes together, and their age in seconds; the oldest files are deleted
    runs: int = 10
    runs_bytes: int = 2 * 2**30
    runs_age: float = 7 * 86400.0
