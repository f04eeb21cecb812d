"""OTLP over gRPC: an ASGI application for a server with HTTP/2 and trailers.

Sources: gRPC documentation, "gRPC over HTTP2", "Compression"; OpenTelemetry specification, "OTLP/gRPC";
google/rpc/status.proto and google/rpc/error_details.proto (`RetryInfo`).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from enum import IntEnum
from http import HTTPStatus
from typing import Any, TypeAlias

from infra_runtime.telemetry import KEY_HEADER, decode
from infra_runtime.telemetry.decode import Signal
from infra_runtime.telemetry.reception import RETRY_AFTER, Reception, RefusedError

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

#: path of a gRPC method → the signal whose records the method accepts
METHODS: Mapping[str, Signal] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
}
#: the number of bytes before a message: one states whether the message is compressed, four are its length
_PREFIX = 5


class Code(IntEnum):
    """The status codes of gRPC that this service returns."""

    OK = 0
    INVALID_ARGUMENT = 3
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


_CODES: Mapping[HTTPStatus, Code] = {
    HTTPStatus.BAD_REQUEST: Code.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: Code.UNAUTHENTICATED,
    HTTPStatus.NOT_FOUND: Code.UNIMPLEMENTED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Code.RESOURCE_EXHAUSTED,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Code.UNIMPLEMENTED,
    HTTPStatus.SERVICE_UNAVAILABLE: Code.UNAVAILABLE,
}


class Grpc:
    """The ASGI application that answers the calls of the three gRPC services of OTLP."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a call, or refuse a request that is not a call of gRPC."""
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if scope["method"] != "POST" or not headers.get("content-type", "").startswith("application/grpc"):
            # A web page cannot send this media type without a preflight request, and preflight requests fail.
            await send({"type": "http.response.start", "status": HTTPStatus.UNSUPPORTED_MEDIA_TYPE})
            await send({"type": "http.response.body", "body": b"use application/grpc"})
            return
        parts = _Parts(receive)
        try:
            body = await self._exported(scope["path"], headers, parts)
            trailers = _trailers(Code.OK)
        except RefusedError as error:
            body, trailers = b"", _trailers(_CODES[error.status], error.reason)
        # The client receives the status after it has sent the whole message.
        async for _ in parts.remaining():
            pass
        content_type = [(b"content-type", b"application/grpc")]
        await send({"type": "http.response.start", "status": 200, "headers": content_type, "trailers": True})
        await send({"type": "http.response.body", "body": body})
        await send({"type": "http.response.trailers", "headers": trailers})

    async def _exported(self, path: str, headers: Mapping[str, str], parts: _Parts) -> bytes:
        """Accept the records of a call, and return the message of the response with its prefix."""
        signal = METHODS.get(path)
        if signal is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"the method {path} does not exist")
        self._reception.check_key(headers.get(KEY_HEADER, ""))
        is_compressed, length = await parts.prefix()
        encoding = headers.get("grpc-encoding", "identity") if is_compressed else "identity"
        records = await self._reception.receive(signal, parts.message(length), encoding=encoding)
        body = decode.response(signal, records.rejected, records.reason, is_json=False)
        return b"\0" + len(body).to_bytes(4) + body


class _Parts:
    """Reads the body of a call as it arrives: the prefix of the message, and the bytes of the message."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._buffer, self._is_complete = receive, b"", False

    async def prefix(self) -> tuple[bool, int]:
        """Return whether the message is compressed, and its length."""
        while len(self._buffer) < _PREFIX:
            if self._is_complete:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "the message is missing")
            await self._read()
        head, self._buffer = self._buffer[:_PREFIX], self._buffer[_PREFIX:]
        return bool(head[0]), int.from_bytes(head[1:])

    async def message(self, length: int) -> AsyncIterator[bytes]:
        """Yield the bytes of the message; the call must contain only one message."""
        async for part in self.remaining():
            length -= len(part)
            if length < 0:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "the call contains more than one message")
            yield part
        if length:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"the message is cut off: {length} bytes are missing")

    async def remaining(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the call that have not been read yet."""
        while self._buffer or not self._is_complete:
            if not self._buffer:
                await self._read()
            part, self._buffer = self._buffer, b""
            yield part

    async def _read(self) -> None:
        event = await self._receive()
        self._buffer += event.get("body", b"")
        self._is_complete = event["type"] != "http.request" or not event.get("more_body", False)


def _trailers(code: Code, reason: str = "") -> list[tuple[bytes, bytes]]:
    trailers = [(b"grpc-status", str(code.value).encode())]
    if reason:
        trailers.append((b"grpc-message", _percent_encoded(reason)))
    if code is Code.UNAVAILABLE:
        details = decode.status(reason, code=code, retry_after=RETRY_AFTER)
        trailers.append((b"grpc-status-details-bin", base64.b64encode(details).rstrip(b"=")))
    return trailers


def _percent_encoded(text: str) -> bytes:
    encoded = text[:500].encode()
    return b"".join(
        bytes([byte]) if 0x20 <= byte < 0x7F and byte != 0x25 else b"%%%02X" % byte for byte in encoded
    )
