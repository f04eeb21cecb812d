"""The limits on the spans of one trace and on the number of metric streams.

Records above a limit are rejected; the response contains their number and the reason. The size of the
counters is bounded: they contain the traces with the newest spans, and all metric streams.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import Point, Records


class Admission:
    """The counters of the spans per trace, and of the metric streams, of a run."""

    def __init__(
        self, limits: Limits, stored: Callable[[bytes], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Create counters; `stored` returns the number of stored spans of a trace, `clock` the seconds."""
        self._limits, self._stored, self._clock = limits, stored, clock
        #: trace → number of its spans, and hash of a stream → time of its last point; the newest entries are
        #: last
        self._traces: dict[bytes, int] = {}
        self._streams: dict[bytes, float] = {}
        #: `spans` or `points` → number of rejected records
        self.rejected = {"spans": 0, "points": 0}

    def admitted(self, records: Records) -> Records:
        """Return the records of a request that are within the limits; count the others in `rejected`.

        A span that is sent twice counts twice.
        """
        reason = records.reason
        spans = []
        for span in records.spans:
            if self._count_span(span.trace):
                spans.append(span)
            else:
                reason = reason or (
                    f"the trace {span.trace.hex()} has {self._limits.trace_spans} spans, which is the limit"
                )
        points = []
        for point in records.points:
            if self._count_stream(point):
                points.append(point)
            else:
                reason = reason or (
                    f"the metric {point.name} has a new set of attributes, but there are already "
                    f"{self._limits.streams} sets of attributes of all metrics, which is the limit"
                )
        excess = {"spans": len(records.spans) - len(spans), "points": len(records.points) - len(points)}
        for name, number in excess.items():
            self.rejected[name] += number
        rejected = records.rejected + sum(excess.values())
        return records._replace(spans=spans, points=points, rejected=rejected, reason=reason)

    def restart(self) -> None:
        """Discard the numbers of spans, because a failed transaction has not stored the counted spans.

        At the next span of a trace, the number of its spans is read from the store again.
        """
        self._traces.clear()

    def _count_span(self, trace: bytes) -> bool:
        number = self._traces.pop(trace, None)
        if number is None:
            number = self._stored(trace)
            if len(self._traces) >= self._limits.counted_traces:
                del self._traces[next(iter(self._traces))]
        is_admitted = number < self._limits.trace_spans
        self._traces[trace] = number + is_admitted
        return is_admitted

    def _count_stream(self, point: Point) -> bool:
        now = self._clock()
        stream = _hash(point)
        if self._streams.pop(stream, None) is None and len(self._streams) >= self._limits.streams:
            oldest = next(iter(self._streams))
            if now - self._streams[oldest] < self._limits.stream_age:
                return False
            del self._streams[oldest]
        self._streams[stream] = now
        return True


def _hash(point: Point) -> bytes:
    """Return a hash of the values that identify the stream of a point."""
    parts = (*point.resource, point.name, point.type, point.unit, point.attributes)
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=16).digest()
