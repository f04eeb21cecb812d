"""Server-sent events: a response that sends events until the browser disconnects or the process stops.

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

#: the seconds in which a browser must read an event; a slower browser is disconnected
WRITE_SECONDS = 10.0
#: the milliseconds after which a browser connects again
RETRY = 1000
#: the shortest and the longest time in seconds between two updates of a page
PAUSE, UPDATE = 0.05, 2.0
_Part = TypeVar("_Part")
#: the id of an element → its HTML, or the name of a service → its JSON data
Parts: TypeAlias = dict[str, _Part]


@frozen
class Event:
    """One event; an event without a name is a comment, which keeps the connection open."""

    name: str = ""
    data: object = None
    #: the id of the event; the browser sends the last id when it connects again
    id: str = ""

    def encode(self) -> bytes:
        """Return the event as bytes; the JSON data contains no line break, so it is one line."""
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
    initial_parts: Parts[_Part] | None = None,
    every: float = 0.0,
    other_events: AsyncGenerator[Event, None] | None = None,
) -> Response:
    """Return a response that sends the changed parts of a page.

    `order` is the id of the element that contains the parts in order, except the parts in `beside`.
    `initial_parts` are the parts that the page already contains. If `every` is not 0, the parts are computed
    at this interval in seconds, and not when the stack changes. The stream also sends `other_events`.
    """

    async def events() -> AsyncGenerator[Event, None]:
        sent_parts, is_lost = initial_parts or {}, False
        while True:
            # The event is created first, because the stack can change while the parts are computed.
            change, start = dashboard.stack.next_change(), time.monotonic()
            try:
                current_parts = await parts()
            except InfraError as error:
                is_lost = True
                yield Event(name="lost", data=str(error))
            else:
                changed_parts = {
                    key: html for key, html in current_parts.items() if sent_parts.get(key) != html
                }
                names = [name for name in current_parts if name not in beside]
                is_reordered = bool(order) and names != [name for name in sent_parts if name not in beside]
                # After `lost`, an event without parts is also sent.
                if changed_parts or is_reordered or is_lost:
                    reordered = {order: names} if is_reordered else {}
                    yield Event(name="parts", data={"parts": changed_parts, "order": reordered})
                else:
                    yield Event()
                sent_parts, is_lost = current_parts, False
            if every:
                await asyncio.sleep(every)
            else:
                await _wait(change, UPDATE)
                await asyncio.sleep(start + PAUSE - time.monotonic())

    sources = [events()] if other_events is None else [events(), other_events]
    return EventStream(merged(*sources), closing=dashboard.closing)


def value_stream(
    dashboard: Dashboard, value: Callable[[], Awaitable[object]], *, initial_value: object, every: float = 0.0
) -> Response:
    """Return a response that sends JSON data: `initial_value`, and then each changed result of `value`.

    If `every` is not 0, the value is computed at this interval in seconds, and not when the stack changes.
    """

    async def events() -> AsyncGenerator[Event, None]:
        sent_value, change = initial_value, dashboard.stack.next_change()
        yield Event(name="value", data=initial_value)
        while True:
            await asyncio.sleep(every or PAUSE)
            if not every:
                await _wait(change, UPDATE)
            change = dashboard.stack.next_change()  # the stack can change while the value is computed
            try:
                current_value = await value()
            except (InfraError, ValueError) as error:
                yield Event(name="lost", data=str(error))
                continue
            yield Event() if current_value == sent_value else Event(name="value", data=current_value)
            sent_value = current_value

    return EventStream(events(), closing=dashboard.closing)


async def merged(*sources: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """Yield the events of several generators as they arrive, and close the generators at the end."""
    waiting = {asyncio.ensure_future(anext(source)): source for source in sources}
    try:
        while waiting:
            completed_tasks, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in completed_tasks:
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
    """Wait until the event is set, at most `seconds` seconds."""
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
