"""The types of ASGI 3, and functions that read requests and send responses.

Source: ASGI specification 3.0, "HTTP & WebSocket ASGI Message Format".
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
#: the headers; their names are in lower case, as in ASGI
Headers: TypeAlias = Mapping[str, str]

#: the types of scopes that the middleware handles (some middleware only `http`); other types, such as
#: `lifespan`, are passed to the application
REQUESTS = frozenset({"http", "websocket"})


def header(scope: Scope, name: str) -> str:
    """Return the value of a request header; empty if the header is missing or occurs more than once.

    A header that occurs twice is ambiguous: a proxy can have checked one value, while the application reads
    the other value.
    """
    encoded_name = name.encode("latin-1")
    values = [value for key, value in scope.get("headers", ()) if key.lower() == encoded_name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def local_path(scope: Scope) -> str:
    """Return the path of a request, relative to the path at which the server has mounted the application."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def client_address(scope: Scope) -> str:
    """Return the address of the client; empty if the server does not know it (with a Unix socket).

    Behind a proxy, this is the address of the proxy unless the server reads `X-Forwarded-For`. uvicorn does
    this for a proxy on the same machine, and for the addresses of `--forwarded-allow-ips`.
    """
    client = scope.get("client")
    return str(client[0]) if client else ""


def with_headers(message: Message, headers: Headers) -> Message:
    """Return a copy of the first message of a response; `headers` replace headers with the same names."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    names = {name for name, _ in encoded}
    other_headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
    return {**message, "headers": [*other_headers, *encoded]}


def adding_headers(send: Send, headers: Headers) -> Send:
    """Return a function that sends messages, and sets `headers` at the start of a response or WebSocket."""

    async def send_with_headers(message: Message) -> None:
        is_start = message["type"] in {"http.response.start", "websocket.accept"}
        await send(with_headers(message, headers) if is_start else message)

    return send_with_headers


async def respond(
    send: Send, status: int, body: bytes, content_type: str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Send a complete HTTP response that caches must not store."""
    fields = [
        ("content-type", content_type),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        *headers,
    ]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, document: Mapping[str, object]) -> None:
    """Send a JSON document as a complete HTTP response."""
    await respond(send, status, json.dumps(document).encode(), "application/json")


class ResponseProgress:
    """Sends the messages of a response, and records its status and the size of its body.

    For a WebSocket, the status is 101 after the connection was accepted, and 403 if it was closed before. If
    the application refuses it with a response, the status is that of the response.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        #: the status; 0 until the response has started
        self.status = 0
        #: the number of sent bytes of the body
        self.size = 0

    @property
    def started(self) -> bool:
        """Whether the start of the response was sent, so that no other response is possible."""
        return self.status != 0

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
            case "http.response.body" | "websocket.http.response.body":
                self.size += len(message.get("body", b""))
            case "websocket.accept":
                self.status = 101
            case "websocket.close" if not self.started:
                self.status = 403
        await self._send(message)
