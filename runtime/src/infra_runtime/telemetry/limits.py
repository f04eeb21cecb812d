"""The limits of the telemetry service. A value above a limit is cut, dropped or refused."""

from __future__ import annotations

from infra_runtime.value import frozen

#: the largest integer of SQLite
LARGEST_INTEGER = 2**63 - 1


@frozen
class Limits:
    """Limits on requests, on single records, and on the store."""

    #: the largest size of a request in bytes after decompression; a larger request is refused with HTTP
    #: status 413
    request_bytes: int = 64 * 2**20
    #: the largest size of all incomplete requests in bytes; above it, requests are refused with HTTP status
    #: 503
    receiving_bytes: int = 128 * 2**20
    #: the largest size of the queued requests in bytes; above it, requests are refused with HTTP status 503
    queue_bytes: int = 64 * 2**20
    #: the largest size in bytes of the requests that wait until they are forwarded; above it, spans are not
    #: forwarded
    forward_bytes: int = 16 * 2**20
    #: the largest number of attributes of a record; further attributes are dropped
    attributes: int = 128
    #: the largest number of characters of the key of an attribute, and of a name, such as that of a span
    key_length: int = 256
    #: the largest number of characters of the value of an attribute; a longer value is cut
    value_length: int = 8 * 2**10
    #: the largest number of characters of the body of a log record
    body_length: int = 64 * 2**10
    #: the largest number of events, and of links, of a span
    span_details: int = 128
    #: the largest number of buckets of a histogram; a point with more buckets is rejected
    buckets: int = 1_000
    #: the largest number of spans of a run; the oldest are deleted
    spans: int = 200_000
    #: the largest number of spans of a trace; further spans are rejected
    trace_spans: int = 10_000
    #: the number of traces whose spans are counted in memory; the spans of other traces are counted in the
    #: store
    counted_traces: int = 20_000
    #: the largest number of log records of a run; the oldest are deleted
    logs: int = 200_000
    #: the largest number of metric points of a run; the oldest are deleted
    points: int = 500_000
    #: the seconds for which all points are kept. Of older points, only the last point of each series in each
    #: period is kept, and all changes (deltas)
    point_exact: float = 3600.0
    point_period: float = 60.0
    #: the largest number of metric streams (sets of attributes of a metric); points of further streams are
    #: rejected. After the second value in seconds without a point, a new stream can replace a stream.
    streams: int = 2_000
    stream_age: float = 3600.0
    #: the largest number of alerts of a run, and of groups of equal errors; the oldest are deleted
    alerts: int = 10_000
    error_groups: int = 5_000
    #: the largest size of the file of a run in bytes; the oldest records are deleted
    run_bytes: int = 512 * 2**20
    #: the largest number of files of runs, their largest total size in bytes, and their largest age in
    #: seconds; when the service starts, the oldest files are deleted
    runs: int = 10
    runs_bytes: int = 2 * 2**30
    runs_age: float = 7 * 86400.0
