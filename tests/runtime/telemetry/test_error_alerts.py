"""Alerts about errors: a new kind is sent at once, equal errors once per interval with their number."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from fakes.clock import Clock
from infra_runtime.telemetry import error_alerts
from infra_runtime.telemetry.error_alerts import ErrorAlerts
from infra_runtime.telemetry.errors import ErrorGroup

SINK = "http://127.0.0.1:9093"


def group(kind: str, number: int = 1) -> ErrorGroup:
    return ErrorGroup(kind, "api", "KeyError", f"no {kind}", "", 5, 6, number, 0, b"")


class Sink:
    """A sink that stores the alerts of requests, and refuses requests while `problem` is set."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        self.problem: OSError | None = None

    def send(self, url: str, body: bytes) -> None:
        assert url == f"{SINK}/api/v2/alerts"
        if self.problem:
            raise self.problem
        self.requests.append(json.loads(body))

    def counts(self) -> list[dict[str, str]]:
        """Return a mapping from fingerprint to number for each request."""
        return [
            {alert["labels"]["fingerprint"]: alert["annotations"]["count"] for alert in request}
            for request in self.requests
        ]


def run(work: Callable[[ErrorAlerts, Clock, Sink], Awaitable[None]]) -> Sink:
    sink, clock = Sink(), Clock()

    async def main() -> None:
        await work(ErrorAlerts([SINK], 60.0, clock=clock, send=sink.send), clock, sink)

    asyncio.run(main())
    return sink


def test_1000_equal_errors_are_one_alert_and_a_new_kind_is_sent_at_once() -> None:
    async def work(alerts: ErrorAlerts, clock: Clock, _: Sink) -> None:
        alerts.add([group("a", 400)])
        await alerts.send()
        for _number in range(6):
            alerts.add([group("a", 100)])
        alerts.add([group("b")])
        await alerts.send()
        clock.now = 61
        alerts.add([group("a")])
        await alerts.send()

    sink = run(work)

    assert sink.counts() == [{"a": "400"}, {"b": "1"}, {"a": "601"}]
    assert sink.requests[0][0]["annotations"]["summary"] == "api: KeyError: no a"


def test_an_error_of_another_kind_does_not_delay_the_number_of_equal_errors() -> None:
    async def work(alerts: ErrorAlerts, clock: Clock, _: Sink) -> None:
        alerts.add([group("a")])
        await alerts.send()
        alerts.add([group("a", 5)])
        clock.now = 61
        alerts.add([group("b")])
        await alerts.send()

    assert run(work).counts() == [{"a": "1"}, {"b": "1", "a": "5"}]


def test_the_alerts_of_a_sink_that_does_not_answer_are_sent_again() -> None:
    async def work(alerts: ErrorAlerts, _: Clock, sink: Sink) -> None:
        sink.problem = ConnectionRefusedError()
        alerts.add([group("a")])
        assert not await alerts.send()
        sink.problem = None
        assert await alerts.send()

    assert run(work).counts() == [{"a": "1"}]


def test_the_task_sends_an_alert_as_soon_as_it_is_added() -> None:
    async def work() -> list[bytes]:
        loop, sent = asyncio.get_running_loop(), asyncio.Queue[bytes]()
        alerts = ErrorAlerts(
            [SINK], 60.0, send=lambda _, body: asyncio.run_coroutine_threadsafe(sent.put(body), loop).result()
        )
        task = asyncio.create_task(alerts.send_forever())
        bodies = []
        for kind in ("a", "b"):
            alerts.add([group(kind)])
            bodies.append(await asyncio.wait_for(sent.get(), 60))
        task.cancel()
        return bodies

    first, second = asyncio.run(work())

    assert [json.loads(body)[0]["labels"]["fingerprint"] for body in (first, second)] == ["a", "b"]


def test_the_task_ends_if_it_is_cancelled_when_an_error_arrives() -> None:
    async def work(alerts: ErrorAlerts, _: Clock, _sink: Sink) -> None:
        task = asyncio.create_task(alerts.send_forever())
        await asyncio.sleep(0)
        alerts.add([group("a")])
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.cancelled()

    assert run(work).counts() == []


def test_the_number_of_remembered_kinds_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_alerts, "KINDS", 20)

    async def work(alerts: ErrorAlerts, _: Clock, sink: Sink) -> None:
        sink.problem = ConnectionRefusedError()
        for number in range(50):
            alerts.add([group(str(number))])
        await alerts.send()
        sink.problem = None
        await alerts.send()

    (counts,) = run(work).counts()

    assert len(counts) == 20


@pytest.mark.process
def test_alerts_do_not_use_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = 60
        answering = Thread(target=server.handle_request)
        answering.start()

        async def main() -> None:
            alerts = ErrorAlerts([f"http://127.0.0.1:{server.server_port}"], 60.0)
            alerts.add([group("missing")])
            sending = asyncio.create_task(alerts.send_forever())
            await asyncio.to_thread(answering.join)
            sending.cancel()

        asyncio.run(main())

    assert [alert["labels"]["fingerprint"] for alert in json.loads(received[0])] == ["missing"]
