"""Server-sent events: a response that sends events until the browser, or the process, ends it.

The stream of a page sends the parts that have changed, rendered by the same templates as the page.

Source: HTML Living Standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from http import HTTPStatus
from typing import TypeAlias, TypeVar

from starlette.responses import Response

from infra_runtime.dashboard.context import Dashboard
from infra_runtime.errors import InfraError
from infra_runtime.value import frozen
from infra_runtime.web.asgi import Receive, Scope, Send

#: seconds in which a browser must read an event; a browser that reads slower is disconnected
WRITE_SECONDS = 10.0
#: milliseconds until a browser connects again
RETRY = 1000
#: the shortest and the longest seconds between two updates of a page
PAUSE, UPDATE = 0.05, 2.0
_Part = TypeVar("_Part")
#: the id of an element → its HTML, or the name of a service → its JSON data
Parts: TypeAlias = dict[str, _Part]


@frozen
class Event:
    """One event; an event without a name is a comment, which keeps the connection open."""

    name: str = ""
    data: object = None
    #: the id that the browser sends when it connects again
    id: str = ""

    def encode(self) -> bytes:
        """Return the bytes of the event. JSON contains no line break, so the data are one line."""
        if not self.name:
            return f"id: {self.id}\n:\n\n".encode() if self.id else b":\n\n"
        head = f"id: {self.id}\n" if self.id else ""
        return f"{head}event: {self.name}\ndata: {json.dumps(self.data)}\n\n".encode()


class EventStream(Response):
    """A response with the events of an asynchronous generator."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[Event, None], *, closing: asyncio.Event) -> None:
        super().__init__(status_code=HTTPStatus.OK, headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events, self._closing = events, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send events until the browser disconnects, reads too slowly, or the process stops."""
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        tasks = [
            asyncio.create_task(self._send(send)),
            asyncio.create_task(_disconnected(receive)),
            asyncio.create_task(self._closing.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._events.aclose()
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        await _write(send, f"retry: {RETRY}\n\n".encode())
        async for event in self._events:
            await _write(send, event.encode())


def parts_stream(
    dashboard: Dashboard,
    parts: Callable[[], Awaitable[Parts[_Part]]],
    *,
    order: str = "",
    beside: Collection[str] = (),
    sent: Parts[_Part] | None = None,
    every: float = 0.0,
    further: AsyncGenerator[Event, None] | None = None,
) -> Response:
    """Return a stream of changed parts.

    `order` is the element that contains all parts in order, except those in `beside`. `sent` are the parts
    that the page already has. With `every`, the parts are sent at this interval in seconds, and not when the
    stack changes. The stream also has the events in `further`.
    """
    sent_before: Parts[_Part] = sent or {}

    async def events() -> AsyncGenerator[Event, None]:
        sent, is_lost = sent_before, False
        while True:
            # The stack may change while the parts are computed.
            change, began = dashboard.stack.next_change(), time.monotonic()
            try:
                current = await parts()
            except InfraError as error:
                is_lost = True
                yield Event(name="lost", data=str(error))
            else:
                changed = {key: html for key, html in current.items() if sent.get(key) != html}
                names = [name for name in current if name not in beside]
                is_reordered = bool(order) and names != [name for name in sent if name not in beside]
                if changed or is_reordered or is_lost:  # after `lost`, also an event without parts
                    reordered = {order: names} if is_reordered else {}
                    yield Event(name="parts", data={"parts": changed, "order": reordered})
                else:
                    yield Event()
                sent, is_lost = current, False
            if every:
                await asyncio.sleep(every)
            else:
                await _wait(change, UPDATE)
                await asyncio.sleep(began + PAUSE - time.monotonic())

    sources = [events()] if further is None else [events(), further]
    return EventStream(merged(*sources), closing=dashboard.closing)


def value_stream(
    dashboard: Dashboard, value: Callable[[], Awaitable[object]], *, first: object, every: float = 0.0
) -> Response:
    """Return a stream with a value of JSON data, which is sent again when it has changed.

    The arguments are those of `parts_stream`; `first` is the present value.
    """

    async def events() -> AsyncGenerator[Event, None]:
        sent, change = first, dashboard.stack.next_change()
        yield Event(name="value", data=first)
        while True:
            await asyncio.sleep(every or PAUSE)
            if not every:
                await _wait(change, UPDATE)
            change = dashboard.stack.next_change()  # the stack may change while the value is computed
            try:
                current = await value()
            except (InfraError, ValueError) as error:
                yield Event(name="lost", data=str(error))
                continue
            yield Event() if current == sent else Event(name="value", data=current)
            sent = current

    return EventStream(events(), closing=dashboard.closing)


async def merged(*sources: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """Yield the events of several generators as they arrive, and close the generators at the end."""
    waiting = {asyncio.ensure_future(anext(source)): source for source in sources}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                source = waiting.pop(task)
                with contextlib.suppress(StopAsyncIteration):
                    event = task.result()
                    waiting[asyncio.ensure_future(anext(source))] = source
                    yield event
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for source in sources:
            await source.aclose()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most this number of seconds."""
    # In Python 3.11, `asyncio.wait_for` loses a cancellation that arrives together with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _write(send: Send, data: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await send({"type": "http.response.body", "body": data, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
