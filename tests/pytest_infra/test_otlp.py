"""The sender of spans: it does not wait for responses, and sends again what was not accepted."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_infra import otlp
from pytest_infra.otlp import BATCH, QUEUE, Exporter, encoded
from pytest_infra.spans import Span

PATIENCE = 60.0


class Receiver:
    """A receiver of OTLP that records the names of the spans, and answers when it is allowed to."""

    def __init__(self) -> None:
        #: the statuses of the next responses; afterwards, 200
        self.statuses: list[int] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.requests: list[list[str]] = []
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
                receiver.headers = dict(self.headers)
                receiver.requests.append([span["name"] for span in spans])
                receiver.may_answer.wait(PATIENCE)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the name in the base class

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def exporter(self) -> Exporter:
        """Return an exporter for this receiver."""
        return Exporter("127.0.0.1", self.server.server_port, {"x-key": "secret"}, {"service.name": "pytest"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that runs in a thread."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    receiver.may_answer.set()
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


def span(name: str, **attributes: Any) -> Span:
    """Return a span of the plugin."""
    return Span(
        "pytest", name, "internal", "error", "no", 1, 2**62, attributes, (), "a" * 32, "b" * 16, "c" * 16
    )


@pytest.mark.process
def test_the_test_does_not_wait_and_spans_are_collected_until_the_receiver_answers(
    receiver: Receiver,
) -> None:
    receiver.may_answer.clear()
    exporter = receiver.exporter()

    for name in ("first", "second", "third"):
        exporter.add([span(name)])
    problem = exporter.flush(0.0)
    receiver.may_answer.set()

    assert problem == "3 spans: no answer within 0 s"
    assert exporter.flush(PATIENCE) == ""
    assert receiver.requests == [["first"], ["second", "third"]]
    assert receiver.headers["x-key"] == "secret"


@pytest.mark.process
def test_spans_are_sent_again_after_a_refusal_that_is_temporary(receiver: Receiver) -> None:
    receiver.statuses = [503, 429]
    exporter = receiver.exporter()

    exporter.add([span("first")])

    assert exporter.flush(PATIENCE) == ""
    assert receiver.requests == [["first"]] * 3


@pytest.mark.process
def test_spans_that_the_receiver_rejects_are_reported_once(receiver: Receiver) -> None:
    receiver.statuses = [400]
    exporter = receiver.exporter()

    exporter.add([span("first"), span("second")])

    assert exporter.flush(PATIENCE) == "2 spans: status 400: {}"
    assert exporter.flush(PATIENCE) == ""


@pytest.mark.process
def test_many_spans_are_sent_in_several_requests(receiver: Receiver) -> None:
    exporter = receiver.exporter()

    exporter.add([span(str(number)) for number in range(BATCH + 1)])

    assert exporter.flush(PATIENCE) == ""
    assert [len(names) for names in receiver.requests] == [BATCH, 1]


@pytest.mark.process
def test_a_missing_receiver_causes_a_message_and_no_error(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "INTERVAL", 0.0)
    exporter = receiver.exporter()
    receiver.server.server_close()

    exporter.add([span(str(number)) for number in range(QUEUE + 5)])

    assert "refused" in exporter.flush(0.01)
    assert exporter.flush(0.0).startswith(f"{QUEUE} spans: ")


def test_the_encoding_is_that_of_the_protocol() -> None:
    decode = pytest.importorskip(
        "infra_runtime.telemetry.decode", reason="opentelemetry-proto is not installed"
    )
    attributes = {"text": "\ud800é", "flag": True, "number": 2**40, "part": 0.5, "names": ["a", "b"]}

    body = encoded([span("charge", **attributes)], {"service.name": "pytest"})

    group = decode.decode("traces", body, is_json=True).resource_spans[0]
    [decoded] = group.scope_spans[0].spans
    assert group.resource.attributes[0].value.string_value == "pytest"
    assert (decoded.trace_id.hex(), decoded.span_id.hex(), decoded.parent_span_id.hex()) == (
        "a" * 32, "b" * 16, "c" * 16,
    )  # fmt: skip
    assert (decoded.name, decoded.kind, decoded.start_time_unix_nano, decoded.end_time_unix_nano) == (
        "charge", 1, 1, 2**62,
    )  # fmt: skip
    assert (decoded.status.code, decoded.status.message) == (2, "no")
    values = {pair.key: pair.value for pair in decoded.attributes}
    assert values["flag"].bool_value
    assert values["number"].int_value == 2**40
    assert values["part"].double_value == 0.5
    assert values["text"].string_value == "?é"
    assert [value.string_value for value in values["names"].array_value.values] == ["a", "b"]
