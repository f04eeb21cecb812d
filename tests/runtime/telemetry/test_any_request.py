"""Any message of OTLP is accepted or refused, and never breaks a later query."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the minimal profile has no protobuf")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import JSONResponse

from infra_runtime.telemetry import queries
from infra_runtime.telemetry.decode import REQUESTS, Signal, decode
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import read
from infra_runtime.telemetry.store import Store

#: type of a field → its values
VALUES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: st.text(max_size=4),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats() | st.sampled_from([math.nan, math.inf, -math.inf]),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 30),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**64 - 1]),
}
#: the name of a field → its bytes, which are mostly valid
IDS: dict[str, st.SearchStrategy[bytes]] = {
    "trace_id": st.sampled_from([b"\1" * 16, b"\2" * 16, b"\3" * 16, b"\0" * 16, b"\1"]),
    "span_id": st.sampled_from([b"\1" * 8, b"\2" * 8, b"\3" * 8, b"", b"\1" * 9]),
    "parent_span_id": st.sampled_from([b"", b"\1" * 8, b"\2" * 8, b"\3" * 8, b"\1" * 9]),
}


def filled(draw: st.DrawFn, message: Message, depth: int) -> Message:
    """Set fields of a message to any values; a list of messages has an element, so that data are found."""
    for field in message.DESCRIPTOR.fields:
        is_message = field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
        is_list = isinstance(field.default_value, list)
        is_needed = field.name in IDS or (is_message and is_list and depth > 2)
        if not is_needed and not draw(st.booleans()):
            continue
        if is_message:
            if depth:
                child = getattr(message, field.name)
                child = child.add() if is_list else child
                child.SetInParent()
                filled(draw, child, depth - 1)
            continue
        values = (
            IDS.get(field.name, st.binary(max_size=4))
            if field.type == FieldDescriptor.TYPE_BYTES
            else VALUES[field.cpp_type]
        )
        if is_list:
            getattr(message, field.name).extend(draw(st.lists(values, max_size=3)))
        else:
            setattr(message, field.name, draw(values))
    return message


@st.composite
def requests(draw: st.DrawFn) -> tuple[Signal, bytes]:
    signal = draw(st.sampled_from([*REQUESTS]))
    return signal, filled(draw, REQUESTS[signal](), 7).SerializeToString()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("runs"), Limits())
    yield opened
    opened.close()


@given(requests())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_records_of_any_request_are_stored_and_found(store: Store, request: tuple[Signal, bytes]) -> None:
    signal, body = request
    records = read(signal, decode(signal, body, is_json=False), store.limits, 1)
    store.add(records, len(body), 1)

    while not store.is_empty:
        assert store.write(), store.problem
    answers = [queries.rows(store, table, {"limit": "5"}) for table in ("span", "log", "point")]
    answers += [queries.traces(store, {"limit": "2"}), queries.error_groups(store, {"limit": "5"})]
    for answer in [*answers, queries.metrics(store, {})]:
        JSONResponse(answer)  # raises an error for a value that JSON does not contain
