"""Send requests to an ASGI application in this process, and receive its response."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from infra_runtime.web.asgi import Application, Message, Receive, Scope, Send

Fields = Iterable[tuple[str, str]]
#: a function that returns the records of the log
Records = Callable[[], list[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Response:
    """The response of an application; `status` is 0 if it sent none."""

    status: int
    fields: Sequence[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The headers; their names are in lower case."""
        return dict(self.fields)

    @property
    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)


def scope_of(path: str, *, method: str = "GET", headers: Fields = (), **fields: Any) -> Scope:
    """Return the scope of a request."""
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": encoded,
        "client": ("192.0.2.1", 50000),
        "server": ("testserver", 80),
        **fields,
    }


async def request(
    app: Application,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Fields = (),
    body: Sequence[bytes] = (b"",),
    **fields: Any,
) -> Response:
    """Send a request whose body arrives in these parts, and return the response."""
    parts = list(body)
    sent: list[Message] = []

    async def receive() -> Message:
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(path, method=method, headers=headers, **fields), receive, send)
    start = next((message for message in sent if message["type"] == "http.response.start"), None)
    if start is None:
        return Response(status=0, fields=(), body=b"")
    assert sum(message["type"] == "http.response.start" for message in sent) == 1
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]]
    content = b"".join(message["body"] for message in sent if message["type"] == "http.response.body")
    return Response(status=start["status"], fields=pairs, body=content)


def call(app: Application, path: str = "/", **options: Any) -> Response:
    """Send a request in a new event loop, and return the response."""
    return asyncio.run(request(app, path, **options))


async def connect(app: Application, path: str = "/", *, headers: Fields = ()) -> list[Message]:
    """Open a WebSocket, and return all messages that the application sends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(path, type="websocket", headers=headers), receive, send)
    return sent


def answering(status: int = 200, body: bytes = b"hello", headers: Fields = ()) -> Application:
    """Return an application that sends this response."""
    encoded = [(name.encode(), value.encode()) for name, value in headers]

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    return app


def raising(error: BaseException) -> Application:
    """Return an application that raises this exception before its response."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return app
