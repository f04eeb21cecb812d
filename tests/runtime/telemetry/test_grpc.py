"""OTLP over gRPC: the application without a server."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the minimal profile has no protobuf")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")

from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from infra_runtime.telemetry import KEY_HEADER
from infra_runtime.telemetry.application import Telemetry
from infra_runtime.telemetry.grpc import METHODS, Code, Grpc
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.reception import Reception
from infra_runtime.telemetry.store import Store, StoreUnavailableError

KEY = "k" * 20
TRACES = next(iter(METHODS))


def spans(*names: str, trace: bytes = b"t" * 16) -> Message:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, name in enumerate(names, 1):
        scope.spans.add(trace_id=trace, span_id=number.to_bytes(8), name=name)
    return request


def framed(message: Message | bytes, *, compressed: bool = False) -> bytes:
    content = message if isinstance(message, bytes) else message.SerializeToString()
    return bytes([compressed]) + len(content).to_bytes(4) + content


class Answer:
    """The status, the message and the headers that the application has sent."""

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        self.http = events[0]["status"]
        self.body = b"".join(event.get("body", b"") for event in events)
        self.headers = {
            name.decode(): value.decode() for event in events for name, value in event.get("headers", ())
        }

    @property
    def code(self) -> int:
        return int(self.headers["grpc-status"])


def called(
    folder: Path,
    *parts: bytes,
    path: str = TRACES,
    limits: Limits | None = None,
    content_type: str = "application/grpc",
    **headers: str,
) -> tuple[Answer, list[str]]:
    """Call a method with a body in parts; return the answer, and the names of the stored spans."""
    given = {KEY_HEADER: KEY, "content-type": content_type, "te": "trailers"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    received = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    received.append({"type": "http.request", "body": b"", "more_body": False})
    events: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return received.pop(0)

    async def send(event: Any) -> None:
        events.append(event)

    store = Store(folder, limits or Limits())
    reception = Reception(store, limits or Limits(), KEY)

    async def call() -> None:
        writing = asyncio.create_task(Telemetry(store, reception).write_forever())
        await Grpc(reception)(scope, receive, send)
        writing.cancel()

    asyncio.run(call())
    names = [row["name"] for row in store.read("SELECT name FROM span")]
    store.close()
    assert not received or content_type != "application/grpc"
    return Answer(events), names


def test_spans_of_a_call_are_stored(tmp_path: Path) -> None:
    answer, names = called(tmp_path, framed(spans("a", "b")))

    assert (answer.http, answer.code, answer.body) == (200, Code.OK, framed(b""))
    assert names == ["a", "b"]


def test_a_message_may_arrive_in_parts_of_a_byte(tmp_path: Path) -> None:
    content = framed(spans("a"))

    answer, names = called(tmp_path, *(content[number : number + 1] for number in range(len(content))))

    assert (answer.code, names) == (Code.OK, ["a"])


def test_a_message_may_be_compressed_with_gzip(tmp_path: Path) -> None:
    content = framed(gzip.compress(spans("zipped").SerializeToString()), compressed=True)

    answer, names = called(tmp_path, content, grpc_encoding="gzip")

    assert (answer.code, names) == (Code.OK, ["zipped"])


def test_a_message_without_the_flag_is_not_compressed_whatever_the_header(tmp_path: Path) -> None:
    answer, names = called(tmp_path, framed(spans("plain")), grpc_encoding="gzip")

    assert (answer.code, names) == (Code.OK, ["plain"])


def test_rejected_spans_are_counted_in_the_response(tmp_path: Path) -> None:
    answer, names = called(tmp_path, framed(spans("a", trace=b"\0" * 16)))

    response = ExportTraceServiceResponse.FromString(answer.body[5:])
    assert (answer.code, response.partial_success.rejected_spans, names) == (Code.OK, 1, [])


@pytest.mark.parametrize(
    ("content", "headers", "code", "text"),
    [
        (
            framed(gzip.compress(b"\0" * 2**20), compressed=True),
            {"grpc_encoding": "gzip"},
            8,
            "larger than 1000 bytes",
        ),
        (framed(b"x" * 1001), {}, 8, "larger than 1000 bytes"),
        (framed(b"\xff" * 10), {}, 3, "not a protobuf message"),
        (framed(b"{}", compressed=True), {"grpc_encoding": "gzip"}, 3, "not gzip"),
        (framed(b"x", compressed=True), {"grpc_encoding": "snappy"}, 12, "snappy is not supported"),
        (framed(b"")[:3], {}, 3, "the message is missing"),
        (framed(b"")[:4] + b"\x09", {}, 3, "9 bytes are missing"),
        (framed(b"") + b"x", {}, 3, "more than one message"),
        (framed(b""), {KEY_HEADER.replace("-", "_"): "wrong"}, 16, "does not contain the key"),
        (framed(b""), {"path": "/other.Service/Call"}, 12, "/other.Service/Call does not exist"),
    ],
    ids=["bomb", "huge", "nonsense", "plain", "snappy", "empty", "cut", "longer", "key", "method"],
)
def test_an_invalid_call_gets_the_status_code_of_its_error(
    tmp_path: Path, content: bytes, headers: dict[str, str], code: int, text: str
) -> None:
    answer, names = called(tmp_path, content, limits=Limits(request_bytes=1000), **headers)

    assert (answer.http, answer.code, names) == (200, code, [])
    assert text in answer.headers["grpc-message"]


def test_a_full_queue_is_an_error_after_which_the_client_sends_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailableError("the disk is 100% full")

    monkeypatch.setattr(Store, "add", full)

    answer, _ = called(tmp_path, framed(spans("a")))

    details = answer.headers["grpc-status-details-bin"]
    decoded = base64.b64decode(details + "=" * (-len(details) % 4))
    assert (answer.code, answer.headers["grpc-message"]) == (Code.UNAVAILABLE, "the disk is 100%25 full")
    assert decoded.endswith(b"type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x01")


def test_a_web_page_cannot_send_records(tmp_path: Path) -> None:
    answer, names = called(tmp_path, framed(spans("a")), content_type="text/plain")

    assert (answer.http, names) == (415, [])
