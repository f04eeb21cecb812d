"""The JSON API of the inbox: requests as data, and the functions that send them with or without asyncio.

A sequence of requests is a generator that yields each `Request`, receives its `Response`, and returns the
result. The same generator serves the synchronous and the asynchronous fixture.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Generator
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlencode

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.inbox.message import Message, parse
from pytest_infra.isolation.connection import PATIENCE, CommandError

T = TypeVar("T")


class Request(NamedTuple):
    """A request to the inbox: its method, its path with the query, and the seconds that the server waits."""

    method: str
    target: str
    seconds: float = 0.0


class Response(NamedTuple):
    """The response of the inbox: the HTTP status and the body."""

    status: int
    body: bytes


Exchange: TypeAlias = Generator[Request, Response, T]


def summaries(unit: str, *, after: int = 0, wait: float = 0.0) -> Exchange[list[dict[str, Any]]]:
    """Return the summaries of a unit's messages with ids above `after`, the oldest first.

    If `unit` is empty, the messages of all units are returned. The server waits at most `wait` seconds until
    such a message exists.
    """
    query = {"unit": unit, "after": after, "wait": f"{wait:.3f}"}
    response = yield Request("GET", f"/api/messages?{urlencode(query)}", wait)
    messages: list[dict[str, Any]] = json.loads(_checked(response))["messages"]
    return messages


def message(summary: dict[str, Any]) -> Exchange[Message | None]:
    """Return the message with this summary; None if it was deleted meanwhile."""
    response = yield Request("GET", f"/api/messages/{summary['id']}/raw")
    return None if response.status == 404 else parse(_checked(response), summary)


def messages(unit: str) -> Exchange[list[Message]]:
    """Return the messages of a unit (of all units if `unit` is empty), the oldest first."""
    received: list[Message] = []
    for summary in (yield from summaries(unit)):
        received_message = yield from message(summary)
        received += [received_message] if received_message is not None else []
    return received


def clear(unit: str) -> Exchange[None]:
    """Delete the messages of a unit; of all units if `unit` is empty."""
    _checked((yield Request("DELETE", f"/api/messages?{urlencode({'unit': unit})}")))


def _checked(response: Response) -> bytes:
    if response.status >= 300:
        raise CommandError(f"the inbox answers with status {response.status}: {response.body[:500]!r}")
    return response.body


# --- sending ---------------------------------------------------------------------------------------


def run(server: Endpoint, exchange: Exchange[T]) -> T:
    """Send the requests that a generator yields, and return its result.

    Raises `OSError` if the server is stopped, and `CommandError` if it rejects a request.
    """
    __tracebackhide__ = True
    try:
        request = next(exchange)
        while True:
            request = exchange.send(_send(server, request))
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(server: Endpoint, exchange: Exchange[T]) -> T:
    """Send the requests that a generator yields, like `run`, without blocking the event loop."""
    __tracebackhide__ = True
    try:
        request = next(exchange)
        while True:
            request = exchange.send(await _send_async(server, request))
    except StopIteration as end:
        result: T = end.value
        return result


def _send(server: Endpoint, request: Request) -> Response:
    address = server.host, int(server["inbox_port"])
    with socket.create_connection(address, PATIENCE) as connection:
        connection.settimeout(PATIENCE + request.seconds)
        connection.sendall(_encoded(server, request))
        # The server closes the connection after the response.
        with connection.makefile("rb") as reader:
            return _decoded(reader.read())


async def _send_async(server: Endpoint, request: Request) -> Response:
    async with asyncio.timeout(PATIENCE + request.seconds):
        reader, writer = await asyncio.open_connection(server.host, int(server["inbox_port"]))
        try:
            writer.write(_encoded(server, request))
            return _decoded(await reader.read())
        finally:
            writer.close()


def _encoded(server: Endpoint, request: Request) -> bytes:
    host = f"{server.host}:{server['inbox_port']}"
    return f"{request.method} {request.target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def _decoded(response: bytes) -> Response:
    head, end, body = response.partition(b"\r\n\r\n")
    if not end:
        raise ConnectionError("the inbox has closed the connection without a response")
    return Response(int(head.split(b" ", 2)[1]), body)
