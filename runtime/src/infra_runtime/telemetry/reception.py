"""The code that receives OTLP requests over HTTP and gRPC: key, decompression, limits, and queues."""

from __future__ import annotations

import asyncio
import hmac
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

from infra_runtime.telemetry import KEY_HEADER, alerts, decode
from infra_runtime.telemetry.decode import DecodeError, Signal
from infra_runtime.telemetry.forwarding import Forwarder
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import Records, read
from infra_runtime.telemetry.store import Store, StoreUnavailableError

#: the seconds after which a client may repeat a request that was refused because of the load
RETRY_AFTER = 1
_STEP = 64 * 2**10


class RefusedError(Exception):
    """The error that a request is refused, with the HTTP status of the response."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason

    def __str__(self) -> str:
        return self.reason


class Reception:
    """Decodes requests, and puts their records into the queues of the store and of the forwarders."""

    def __init__(self, store: Store, limits: Limits, key: str, forwarders: Sequence[Forwarder] = ()) -> None:
        self._store, self._limits, self._key = store, limits, key.encode()
        self._forwarders = forwarders
        #: the size of all incomplete bodies in bytes, after decompression
        self._receiving = 0
        #: an event that is set when the queue of the store contains records
        self.queued = asyncio.Event()
        #: the requests whose records are not stored yet: the position of the last record, and the result
        self._waiting: deque[tuple[int, asyncio.Future[str]]] = deque()

    def check_key(self, key: str) -> None:
        """Raise `RefusedError` if the key of a client is not the key of the service."""
        if not hmac.compare_digest(key.encode(), self._key):
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED, f"the header {KEY_HEADER} does not contain the key of the service"
            )

    async def receive(
        self, signal: Signal, parts: AsyncIterator[bytes], *, encoding: str, is_json: bool = False
    ) -> Records:
        """Store the records in a request body; return them, with the number of rejected records.

        `encoding` is `gzip`, `x-gzip` or `identity`. The function returns when the records are committed. If
        the process is killed before the commit, the client gets no response and can send the records again.
        Raises `RefusedError`.
        """
        body = bytearray()
        try:
            async for part in _inflated(self._bounded(parts), encoding):
                body += part
                self._receiving += len(part)
                self._check_size(len(body))
            return await self._store_records(signal, bytes(body), is_json=is_json)
        except DecodeError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from error
        finally:
            self._receiving -= len(body)

    async def receive_alerts(self, parts: AsyncIterator[bytes]) -> None:
        """Store the alerts in the body of a request. Raises `RefusedError` or `AlertsError`."""
        body = bytearray()
        async for part in parts:
            body += part
            if len(body) > alerts.REQUEST_BYTES:
                reason = f"the request is larger than {alerts.REQUEST_BYTES} bytes"
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
        try:
            self._store.put_alerts(alerts.read(bytes(body), self._limits, time.time_ns()))
        except StoreUnavailableError as error:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error

    async def _bounded(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the parts of a body, compressed or not. Raises `RefusedError` above the size limit.

        A compressed body can exceed the limit although its decompressed content does not.
        """
        size = 0
        async for part in parts:
            size += len(part)
            self._check_size(size)
            yield part

    def _check_size(self, size: int) -> None:
        limits = self._limits
        if size > limits.request_bytes:
            reason = f"the request is larger than {limits.request_bytes} bytes"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
        if self._receiving > limits.receiving_bytes:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests at the same time")

    async def _store_records(self, signal: Signal, body: bytes, *, is_json: bool) -> Records:
        message = decode.decode(signal, body, is_json=is_json)
        arrival = time.time_ns()
        records = read(signal, message, self._limits, arrival)
        try:
            records = self._store.add(records, len(body), arrival)
        except StoreUnavailableError as error:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        result = asyncio.get_running_loop().create_future()
        self._waiting.append((self._store.added, result))
        self.queued.set()
        if problem := await result:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, problem)
        if records.spans and self._forwarders:
            encoded = message.SerializeToString() if is_json else body
            for forwarder in self._forwarders:
                forwarder.put(encoded, len(records.spans))
        return records

    def answer(self) -> None:
        """Answer the requests whose records are stored; after a failed transaction, refuse all that wait."""
        while self._waiting and self._waiting[0][0] <= self._store.settled:
            _, result = self._waiting.popleft()
            if not result.done():  # the client has closed the connection
                result.set_result(self._store.problem)


async def _inflated(parts: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Yield the content of a body in parts of at most `_STEP` bytes per step of the decompression.

    The encoding gzip is one or more streams. Sources: RFC 1952, section 2.2; RFC 9110, section 8.4.1.3.
    """
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the content encoding {encoding} is not supported; use gzip"
        )
    if encoding == "identity":
        async for part in parts:
            yield part
        return
    inflater = zlib.decompressobj(wbits=31)
    async for compressed in parts:
        pending = compressed
        while pending:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=31)
            try:
                yield inflater.decompress(pending, _STEP)
            except zlib.error as error:
                raise DecodeError(f"the body is not gzip: {error}") from error
            pending = inflater.unconsumed_tail or inflater.unused_data
    if not inflater.eof:
        raise DecodeError("the gzip stream is incomplete")
