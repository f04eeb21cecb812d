"""Requests of OTLP in protobuf and JSON: equal messages, and errors for everything that is not OTLP."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the minimal profile has no protobuf")

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from fakes.samples import every
from infra_runtime.telemetry.decode import DecodeError, decode, error, response

TRACE, SPAN = "5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174"


def request(**span: Any) -> dict[str, Any]:
    """Return a request in OTLP's JSON with one span."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": TRACE, "spanId": SPAN, **span}]}]}]}


def decoded_span(**span: Any) -> Any:
    message: Any = decode("traces", json.dumps(request(**span)).encode(), is_json=True)
    return message.resource_spans[0].scope_spans[0].spans[0]


def test_json_and_protobuf_give_the_same_message() -> None:
    body = json.dumps(
        request(
            name="charge",
            kind=2,
            startTimeUnixNano="1544712660000000000",
            endTimeUnixNano=1544712661000000000,
            attributes=[
                {"key": "text", "value": {"stringValue": "x"}},
                {"key": "number", "value": {"intValue": "-3"}},
                {
                    "key": "list",
                    "value": {"arrayValue": {"values": [{"boolValue": True}, {"doubleValue": 0.5}]}},
                },
                {"key": "bytes", "value": {"bytesValue": "AQI="}},
            ],
            links=[{"traceId": TRACE.lower(), "spanId": SPAN}],
            status={"code": 2, "message": "declined"},
        )
    )
    message = decode("traces", body.encode(), is_json=True)

    again: Any = decode("traces", message.SerializeToString(), is_json=False)

    assert again == message
    span = again.resource_spans[0].scope_spans[0].spans[0]
    assert span.trace_id.hex() == span.links[0].trace_id.hex() == TRACE.lower()
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1544712660000000000, 1544712661000000000)
    assert span.attributes[3].value.bytes_value == b"\x01\x02"
    assert span.kind == Span.SPAN_KIND_SERVER


def test_unknown_keys_and_null_are_ignored() -> None:
    assert decoded_span(future={"a": [1]}, name=None).name == ""


def test_the_name_of_an_enum_is_accepted() -> None:
    assert decoded_span(kind="SPAN_KIND_CLIENT").kind == Span.SPAN_KIND_CLIENT


@pytest.mark.parametrize("text", ["-_8=", "-_8", "+/8=", "+/8"])
def test_bytes_are_base64_of_either_alphabet(text: str) -> None:
    span = decoded_span(attributes=[{"key": "k", "value": {"bytesValue": text}}])

    assert span.attributes[0].value.bytes_value == b"\xfb\xff"


@every(
    [
        (b"{", "not JSON"),
        (b"[]", "the body must be a JSON object"),
        (b'{"resourceSpans": {}}', "the body.resourceSpans must be a JSON array"),
        (b'{"resourceSpans": [3]}', r"resourceSpans\[0\] must be a JSON object"),
        (json.dumps(request(traceId="xyz")).encode(), "traceId: "),
        (json.dumps(request(name=3)).encode(), "name: 3 must be a string"),
        (json.dumps(request(attributes=[{"value": {"bytesValue": "$"}}])).encode(), "bytesValue: "),
        (json.dumps(request(kind=1.5)).encode(), "kind: 1.5 must be an integer"),
        (json.dumps(request(flags=2**40)).encode(), "flags: "),
        (json.dumps(request(startTimeUnixNano=-1)).encode(), "startTimeUnixNano: "),
    ]
)
def test_an_error_names_the_part_that_is_wrong(body: bytes, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        decode("traces", body, is_json=True)


def test_brackets_of_any_depth_are_refused() -> None:
    gc.disable()  # the finalizer of another test's object would fail at the recursion limit
    try:
        with pytest.raises(DecodeError, match="not JSON"):
            decode("traces", b'{"resourceSpans":' + b"[" * 100_000, is_json=True)
    finally:
        gc.enable()


@every([b'{"resourceSpans":[' + b"{}," * 4_000_000 + b"{}]}", b'{"other":[' + b"[]," * 4_000_000 + b"[]]}"])
def test_a_body_of_very_many_objects_is_refused_before_it_is_read(body: bytes) -> None:
    with pytest.raises(DecodeError, match="more than 4000000 objects and arrays"):
        decode("traces", body, is_json=True)


def test_deeply_nested_values_are_refused() -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(200):
        value = {"arrayValue": {"values": [value]}}

    with pytest.raises(DecodeError, match="nested in more than 100 objects"):
        decoded_span(attributes=[{"key": "k", "value": value}])


def test_other_bytes_than_a_protobuf_message_are_refused() -> None:
    with pytest.raises(DecodeError, match="not a protobuf message"):
        decode("logs", b"\xff\xff", is_json=False)


def test_the_response_has_a_partial_success_only_for_rejected_records() -> None:
    assert response("traces", 0, "", is_json=False) == b""
    assert response("traces", 0, "", is_json=True) == b"{}"
    assert json.loads(response("metrics", 2, "no value", is_json=True)) == {
        "partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "no value"}
    }
    assert b"bad id" in response("traces", 1, "bad id", is_json=False)


def test_an_error_is_a_status_message() -> None:
    assert json.loads(error("too large", is_json=True)) == {"message": "too large"}
    assert error("x" * 200, is_json=False) == b"\x12\xc8\x01" + b"x" * 200
