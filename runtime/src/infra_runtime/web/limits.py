"""Middleware for the limits of requests: the number of requests per client, and the size of a body."""

from __future__ import annotations

import asyncio
import ipaddress
import math

import structlog

from infra_runtime.web.asgi import (
    REQUESTS,
    Application,
    Message,
    Receive,
    ResponseProgress,
    Scope,
    Send,
    adding_headers,
    client_address,
    header,
)
from infra_runtime.web.problems import ProblemError
from infra_runtime.web.storage import Storage

log = structlog.get_logger("infra.web")


class RateLimit:
    """Answers 429 if a client sends more than `limit` requests in `period` seconds.

    A client is an IPv4 address, or an IPv6 network with a prefix of 64 bits, because an IPv6 client usually
    has all addresses of such a network. If the storage fails, or does not answer within `patience` seconds,
    requests are allowed and the failure is logged, so that a failure of Valkey does not become a failure of
    the application.
    """

    def __init__(
        self, app: Application, *, storage: Storage, limit: int, period: float, patience: float = 1.0
    ) -> None:
        self.app, self._storage, self._limit, self._period = app, storage, limit, period
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or answer 429 if the client has reached its limit."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._patience):
                key = f"rate:{network(client_address(scope))}"
                hit = await self._storage.hit(key, self._limit, self._period)
        except Exception:
            log.exception("rate_limit_failed")
            await self.app(scope, receive, send)
            return
        headers = {"ratelimit-limit": str(self._limit), "ratelimit-remaining": str(hit.remaining)}
        if not hit.allowed:
            seconds = str(max(1, math.ceil(hit.retry_after)))
            raise ProblemError(429, "too many requests", {**headers, "retry-after": seconds})
        await self.app(scope, receive, adding_headers(send, headers))


def network(address: str) -> str:
    """Return the network of an address; all requests from the same network are counted together."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class BodyLimit:
    """Answers 413 if the body of a request has more than `max_bytes` bytes.

    The header `Content-Length` is checked before the application runs; the body is also counted while the
    application reads it. If the response has already started, 413 is not possible, and the exception of the
    reading is raised.
    """

    def __init__(self, app: Application, *, max_bytes: int) -> None:
        self.app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, which reads at most `max_bytes` bytes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = header(scope, "content-length")
        if length.isascii() and length.isdigit() and self._is_too_long(length):
            raise self._problem()
        size, response = 0, ResponseProgress(send)

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._max_bytes:
                    raise self._problem()
            return message

        async def send_unless_too_long(message: Message) -> None:
            # If `receive_counted` raises an exception, FastAPI answers 400 instead of 413.
            if size <= self._max_bytes or response.started:
                await response.send(message)

        try:
            await self.app(scope, receive_counted, send_unless_too_long)
        except Exception:
            if size <= self._max_bytes or response.started:
                raise
        if size > self._max_bytes and not response.started:
            raise self._problem()

    def _is_too_long(self, length: str) -> bool:
        # Python refuses to convert a number of more than 4300 digits
        digits = length.lstrip("0")
        return len(digits) > 18 or int(digits or "0") > self._max_bytes

    def _problem(self) -> ProblemError:
        return ProblemError(413, f"the body has more than {self._max_bytes} bytes", {"connection": "close"})
