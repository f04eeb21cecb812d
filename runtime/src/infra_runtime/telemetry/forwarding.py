"""Forwarding of spans to another receiver of OTLP over HTTP, such as the trace sink of the stack.

Requests wait in a bounded queue and are sent in batches. All fields of a request are repeated fields, so the
concatenation of encoded requests is a valid request (source: protobuf documentation, "Encoding", "Last One
Wins").
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from infra_runtime.telemetry.limits import Limits

#: the largest size of a batch in bytes, unless its only request is larger
BATCH_BYTES = 2**20
#: the time limit in seconds for the answer of the receiver
PATIENCE = 10.0
#: the seconds until a batch is sent again after a failure: the first value, and the largest value
SHORTEST_DELAY, LONGEST_DELAY = 0.5, 30.0
#: the statuses after which a request is sent again. Source: OpenTelemetry specification, "OTLP/HTTP"
_RETRIED = frozenset({429, 502, 503, 504})


class Forwarder:
    """The queue of requests for one receiver, and the numbers of their spans."""

    def __init__(self, url: str, limits: Limits, *, delay: float = SHORTEST_DELAY) -> None:
        """Forward to the path `/v1/traces` below `url`, which begins with `http://`."""
        self.url, self._limits, self._delay = url, limits, delay
        self._queue: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        #: the numbers of spans that the receiver has accepted, that it has refused, and that were dropped
        #: because the queue was full
        self.sent = self.refused = self.dropped = 0
        #: the reason why the last batch was not accepted; empty if it was accepted
        self.problem = ""

    def put(self, request: bytes, spans: int) -> None:
        """Add an encoded request with `spans` spans to the queue; drop the request if the queue is full."""
        if self._bytes + len(request) > self._limits.forward_bytes:
            self.dropped += spans
            return
        self._queue.append((request, spans))
        self._bytes += len(request)
        self._arrived.set()

    def state(self) -> dict[str, Any]:
        """Return the last problem and the numbers of sent, refused, dropped and queued spans as JSON data."""
        return {
            "url": self.url,
            "sent": self.sent,
            "refused": self.refused,
            "dropped": self.dropped,
            "queued": sum(spans for _, spans in self._queue),
            "problem": self.problem,
        }

    async def run(self) -> None:
        """Send the queued requests until the task is cancelled."""
        delay = self._delay
        while True:
            await self._arrived.wait()
            batch = self._batch()
            if await self._send(b"".join(request for request, _ in batch), sum(count for _, count in batch)):
                delay = self._delay
                self._remove(len(batch))
            else:
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY)

    def _batch(self) -> list[tuple[bytes, int]]:
        batch, size = [self._queue[0]], len(self._queue[0][0])
        for request in list(self._queue)[1:]:
            size += len(request[0])
            if size > BATCH_BYTES:
                break
            batch.append(request)
        return batch

    def _remove(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= len(self._queue.popleft()[0])
        if not self._queue:
            self._arrived.clear()

    async def _send(self, body: bytes, spans: int) -> bool:
        """Send a batch; return False if it must be sent again."""
        try:
            status = await _post(f"{self.url}/v1/traces", body)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            self.problem = f"{type(error).__name__}: {error}"
            return False
        is_accepted = 200 <= status < 300
        self.problem = "" if is_accepted else f"status {status}"
        if status in _RETRIED:
            return False
        if is_accepted:
            self.sent += spans
        else:
            self.refused += spans
        return True


async def _post(url: str, body: bytes) -> int:
    """Send a request, and return the status of the response.

    Raises `OSError` if the server does not answer, and `ValueError` if the answer is not HTTP.
    """
    address = urlsplit(url)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            line = await reader.readline()
        finally:
            writer.close()
    words = line.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError(f"the answer {line[:40]!r} is not HTTP")
    return int(words[1])
