"""Event streams: their format, and a browser that reads nothing, disconnects, or outlives the process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator

import pytest

pytest.importorskip("starlette", reason="the minimal profile has no web framework")

pytest.importorskip("uvicorn", reason="the minimal profile has no web server")

import uvicorn

from fakes.asgi import scope_of
from infra_runtime.dashboard import streams
from infra_runtime.dashboard.streams import Event, EventStream
from infra_runtime.web.asgi import Message, Receive, Scope, Send


def test_an_event_is_one_line_of_json_with_its_name_and_id() -> None:
    event = Event(name="lines", data={"text": "a\nb\r\u2028"}, id="db:1:2")

    assert event.encode() == b'id: db:1:2\nevent: lines\ndata: {"text": "a\\nb\\r\\u2028"}\n\n'
    assert Event().encode() == b":\n\n"


async def endless(ended: list[str]) -> AsyncGenerator[Event, None]:
    try:
        while True:
            yield Event(name="x", data=1)
            await asyncio.sleep(0)
    finally:
        ended.append("the events")


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_browser_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.01)
    ended: list[str] = []

    async def send(message: Message) -> None:
        if b"event" in message.get("body", b""):
            await asyncio.Event().wait()

    async def main() -> None:
        await EventStream(endless(ended), closing=asyncio.Event())(scope_of("/"), never, send)
        assert ended == ["the events"]

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.process
def test_the_buffer_of_a_browser_that_never_reads_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.5)
    ended: list[int] = []
    has_ended = asyncio.Event()

    async def large() -> AsyncGenerator[Event, None]:
        sent = 0
        try:
            while True:
                yield Event(name="x", data="x" * 65_536)
                sent += 65_536
        finally:
            ended.append(sent)
            has_ended.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(large(), closing=asyncio.Event())(scope, receive, send)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            with socket.create_connection(listening.getsockname()) as browser:
                browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await has_ended.wait()
            server.should_exit = True
            await serving

    asyncio.run(asyncio.wait_for(main(), 60))

    # The kernel buffers some megabytes for both ends of the connection.
    assert 0 < ended[0] < 64 << 20


@pytest.mark.parametrize("reason", ["the browser disconnects", "the process stops"])
def test_a_stream_ends_when_the_browser_or_the_process_ends(reason: str) -> None:
    ended: list[str] = []
    sent: list[Message] = []

    async def main() -> None:
        closing, disconnected = asyncio.Event(), asyncio.Event()

        async def send(message: Message) -> None:
            sent.append(message)
            if len(sent) == 5:
                (closing if reason == "the process stops" else disconnected).set()

        async def receive() -> Message:
            await disconnected.wait()
            return {"type": "http.disconnect"}

        await EventStream(endless(ended), closing=closing)(scope_of("/"), receive, send)
        assert ended == ["the events"]

    asyncio.run(asyncio.wait_for(main(), 60))

    assert sent[0]["status"] == 200
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_merged_events_arrive_from_all_sources_and_the_sources_are_closed() -> None:
    ended: list[str] = []

    async def source(name: str, count: int) -> AsyncGenerator[Event, None]:
        try:
            for number in range(count):
                yield Event(name=name, data=number)
                await asyncio.sleep(0)
            if name == "waits":
                await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def main() -> list[tuple[str, object]]:
        events = streams.merged(source("short", 2), source("waits", 3))
        first_events = [await anext(events) for _ in range(5)]
        await events.aclose()
        return [(event.name, event.data) for event in first_events]

    merged_events = asyncio.run(asyncio.wait_for(main(), 60))

    assert sorted(merged_events) == [("short", 0), ("short", 1), ("waits", 0), ("waits", 1), ("waits", 2)]
    assert sorted(ended) == ["short", "waits"]


def test_an_error_of_a_source_ends_the_merged_events_and_closes_the_others() -> None:
    ended: list[str] = []

    async def failing() -> AsyncGenerator[Event, None]:
        yield Event()
        raise ValueError("broken")

    async def main() -> None:
        async for _ in streams.merged(endless(ended), failing()):
            pass

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(asyncio.wait_for(main(), 60))

    assert ended == ["the events"]
