"""The limits on spans of a trace and on metric streams, and the size of their counters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from infra_runtime.telemetry.admission import Admission
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import Point, Records, Resource, Span

API = Resource("api", "{}")


def spans(trace: int, number: int) -> Records:
    key = trace.to_bytes(16)
    records = [
        Span(API, key, index.to_bytes(8), b"", "s", "", 1, 1, 2, 0, "", "{}", "[]", "[]")
        for index in range(1, number + 1)
    ]
    return Records(records, [], [], 0, "")


def points(*attributes: str, name: str = "orders", resource: Resource = API) -> Records:
    records = [Point(resource, name, "sum", "", 0, text, 0, 1, 1.0, "{}") for text in attributes]
    return Records([], [], records, 0, "")


def none(_trace: bytes) -> int:
    return 0


def test_further_spans_of_a_full_trace_are_rejected_with_the_limit_as_the_reason() -> None:
    admission = Admission(Limits(trace_spans=10), none)

    admitted = [admission.admitted(spans(1, number)) for number in (8, 5, 1)]
    other = admission.admitted(spans(2, 1))

    assert [len(records.spans) for records in admitted] == [8, 2, 0]
    assert [records.rejected for records in admitted] == [0, 3, 1]
    assert "has 10 spans, which is the limit" in admitted[1].reason
    assert (len(other.spans), other.rejected, other.reason) == (1, 0, "")
    assert admission.rejected == {"spans": 4, "points": 0}


def test_a_record_that_was_rejected_before_keeps_its_reason() -> None:
    admission = Admission(Limits(trace_spans=1), none)

    admitted = admission.admitted(spans(1, 2)._replace(rejected=1, reason="the id is not valid"))

    assert (admitted.rejected, admitted.reason) == (2, "the id is not valid")


def test_a_flood_of_traces_leaves_a_bounded_number_of_counters() -> None:
    asked: list[bytes] = []

    def stored(trace: bytes) -> int:
        asked.append(trace)
        return 2

    admission = Admission(Limits(trace_spans=3, counted_traces=100), stored)
    for trace in range(1000):
        assert admission.admitted(spans(trace, 1)).rejected == 0

    assert len(admission._traces) == 100
    # The latest trace is counted in memory, and the first one in the store again.
    assert admission.admitted(spans(999, 1)).rejected == 1
    assert len(asked) == 1000
    assert admission.admitted(spans(0, 2)).rejected == 1
    assert len(asked) == 1001


def test_a_flood_of_attributes_leaves_a_bounded_number_of_streams() -> None:
    admission = Admission(Limits(streams=100), none)

    admitted = [admission.admitted(points(f'{{"user":{number}}}')) for number in range(1000)]

    assert sum(len(records.points) for records in admitted) == 100
    assert sum(records.rejected for records in admitted) == 900
    assert len(admission._streams) == 100
    assert "the metric orders" in admitted[-1].reason
    assert "100 sets of attributes" in admitted[-1].reason
    assert admission.admitted(points('{"user":0}')).rejected == 0


@pytest.mark.parametrize(
    "other",
    [
        points("{}", name="payments"),
        points('{"user":1}'),
        points("{}", resource=Resource("worker", "{}")),
        points("{}", resource=Resource("api", '{"zone":"a"}')),
    ],
    ids=["name", "attributes", "service", "resource"],
)
def test_a_stream_is_identified_by_its_name_its_attributes_and_its_resource(other: Records) -> None:
    admission = Admission(Limits(streams=1), none)

    same = [admission.admitted(points("{}")).rejected for _ in range(2)]

    assert same == [0, 0]
    assert admission.admitted(other).rejected == 1


def test_a_stream_without_points_for_a_long_time_is_replaced() -> None:
    clock: Iterator[int] = count(step=10)
    admission = Admission(Limits(streams=2, stream_age=25.0), none, lambda: float(next(clock)))
    # at 0, 10 and 20 seconds
    for attributes in ('{"user":1}', '{"user":2}', '{"user":2}'):
        admission.admitted(points(attributes))

    at_30, at_40 = (admission.admitted(points(f'{{"user":{number}}}')).rejected for number in (3, 4))

    assert (at_30, at_40) == (0, 1)
