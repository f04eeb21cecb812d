"""Forwarding of spans to a receiver that accepts, refuses or does not answer; a server of this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from infra_runtime.telemetry.forwarding import BATCH_BYTES, Forwarder
from infra_runtime.telemetry.limits import Limits

pytestmark = pytest.mark.process

OK = "HTTP/1.1 200 OK"


class Sink:
    """A receiver that answers with the given status lines; the last line is for all further requests."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = list(lines)
        self.bodies: list[bytes] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("post /v1/traces http/1.1")
        assert "content-type: application/x-protobuf" in head
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        self.bodies.append(await reader.readexactly(length))
        line = self._lines[0] if len(self._lines) == 1 else self._lines.pop(0)
        writer.write(f"{line}\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()


@asynccontextmanager
async def sinking(*lines: str, port: int = 0) -> AsyncIterator[Sink]:
    sink = Sink(lines)
    server = await asyncio.start_server(sink.answer, "127.0.0.1", port)
    sink.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield sink


def forwarding(
    work: Callable[[Forwarder, Sink], Awaitable[Any]], *lines: str, limits: Limits | None = None
) -> dict[str, Any]:
    """Run `work` while a forwarder sends to a sink; return the state of the forwarder at the end."""

    async def main() -> dict[str, Any]:
        async with sinking(*lines) as sink:
            forwarder = Forwarder(sink.url, limits or Limits(), delay=0.001)
            task = asyncio.create_task(forwarder.run())
            await asyncio.wait_for(work(forwarder, sink), 60)
            task.cancel()
            return forwarder.state()

    return asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the counters have no event
        await asyncio.sleep(0.001)


def test_requests_are_sent_in_one_batch() -> None:
    async def work(forwarder: Forwarder, sink: Sink) -> None:
        forwarder.put(b"a", 2)
        forwarder.put(b"b", 3)
        await until(lambda: forwarder.sent)
        assert sink.bodies == [b"ab"]

    state = forwarding(work, OK)

    assert (state["sent"], state["queued"], state["problem"]) == (5, 0, "")


def test_a_large_request_is_sent_in_a_separate_message() -> None:
    large = b"x" * BATCH_BYTES

    async def work(forwarder: Forwarder, sink: Sink) -> None:
        forwarder.put(b"a", 1)
        forwarder.put(large, 1)
        forwarder.put(b"b", 1)
        await until(lambda: forwarder.sent == 3)
        assert sink.bodies == [b"a", large, b"b"]

    forwarding(work, OK)


@pytest.mark.parametrize("line", ["HTTP/1.1 503 Busy", "HTTP/1.1 429 Slow down", "nonsense"])
def test_a_batch_is_sent_again_until_the_sink_accepts_it(line: str) -> None:
    async def work(forwarder: Forwarder, sink: Sink) -> None:
        forwarder.put(b"a", 1)
        await until(lambda: forwarder.sent)
        assert sink.bodies == [b"a", b"a"]

    assert forwarding(work, line, OK)["problem"] == ""


def test_a_refused_batch_is_counted_and_not_sent_again() -> None:
    async def work(forwarder: Forwarder, sink: Sink) -> None:
        forwarder.put(b"a", 4)
        await until(lambda: forwarder.refused)
        assert forwarder.problem == "status 400"
        forwarder.put(b"b", 1)
        await until(lambda: forwarder.sent)
        assert sink.bodies == [b"a", b"b"]

    state = forwarding(work, "HTTP/1.1 400 Bad", OK)

    assert (state["sent"], state["refused"], state["problem"]) == (1, 4, "")


def test_spans_above_the_limit_of_the_queue_are_dropped_and_counted() -> None:
    async def work(forwarder: Forwarder, _: Sink) -> None:
        forwarder.put(b"a" * 8, 1)
        forwarder.put(b"b" * 8, 5)
        assert (forwarder.dropped, forwarder.state()["queued"]) == (5, 1)
        await until(lambda: forwarder.sent)
        forwarder.put(b"c" * 8, 1)
        await until(lambda: forwarder.sent == 2)

    assert forwarding(work, OK, limits=Limits(forward_bytes=10))["dropped"] == 5


def test_a_sink_that_starts_later_receives_the_queued_spans() -> None:
    async def main() -> tuple[str, dict[str, Any]]:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        forwarder = Forwarder(f"http://127.0.0.1:{port}", Limits(), delay=0.001)
        task = asyncio.create_task(forwarder.run())
        forwarder.put(b"a", 1)
        await until(lambda: forwarder.problem)
        problem = forwarder.problem
        async with sinking(OK, port=port):
            await until(lambda: forwarder.sent)
        task.cancel()
        return problem, forwarder.state()

    problem, state = asyncio.run(main())

    assert "ConnectionRefusedError" in problem
    assert (state["sent"], state["problem"]) == (1, "")
