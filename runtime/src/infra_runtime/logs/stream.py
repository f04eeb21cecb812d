"""The JetStream stream with the log lines, and the messages in it. This module needs nats-py.

Each line is a message with the subject `logs.SERVICE`: the text of the line is the payload, and the headers
contain the time and the position of the line in the log file. The position is also the id of the message, so
that the stream refuses a line that it has received in the last two minutes (the default of NATS).
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig
from nats.js.errors import NotFoundError

from infra_runtime.logs.line import Line, position
from infra_runtime.value import frozen

STREAM, PREFIX = "LOGS", "logs"
#: the default limits of the stream: the age of a line in seconds, and the size in bytes
MAX_AGE, MAX_BYTES = 30 * 86400.0, 2**30
#: Source: NATS documentation, "JetStream Model Deep Dive", "Message Deduplication"
ID = "Nats-Msg-Id"
TIME, END, DROPPED = "Infra-Time", "Infra-End", "Infra-Dropped"
#: the number of messages that are read from the stream at once
_BATCH = 500
#: the time limit in seconds for an answer of the server
_TIMEOUT = 10.0

T = TypeVar("T")


@frozen
class Limits:
    """The limits of the stream; beyond a limit, the oldest lines are removed."""

    age: float = MAX_AGE
    bytes: int = MAX_BYTES


async def connect(url: str) -> Client:
    """Return a connection to a NATS server. The connection ends at the first error: it never reconnects.

    Therefore, if some messages are not stored, they are always the last messages that were sent.
    """

    async def quiet(_: Exception) -> None:
        """Ignore an error: the call of nats-py also raises it, and the default callback would log it."""

    return await nats.connect(url, allow_reconnect=False, connect_timeout=5, error_cb=quiet)


async def ensure(context: JetStreamContext, limits: Limits) -> None:
    """Create the stream if it is missing; do not change the limits of an existing stream."""
    try:
        await context.stream_info(STREAM)
    except NotFoundError:
        await context.add_stream(
            StreamConfig(
                name=STREAM,
                description="the log lines of the services (pytest-infra)",
                subjects=[f"{PREFIX}.*"],
                max_age=limits.age,
                max_bytes=limits.bytes,
                allow_direct=True,
            )
        )


def headers(line: Line) -> dict[str, str]:
    """Return the headers of the message for a line."""
    values = {
        ID: f"{line.service}:{line.cursor}{':gap' if line.dropped else ''}",
        TIME: f"{line.time:.3f}",
        END: str(line.end),
    }
    return values | ({DROPPED: str(line.dropped)} if line.dropped else {})


def read(subject: str, payload: bytes, header: Mapping[str, str] | None) -> Line | None:
    """Return the line in a message; None if another program has sent the message."""
    header = header or {}
    service = subject.removeprefix(f"{PREFIX}.")
    try:
        cursor = header[ID].removeprefix(f"{service}:").removesuffix(":gap")
        file, offset = position(cursor)
        time, end, dropped = float(header[TIME]), int(header[END]), int(header.get(DROPPED, 0))
    except (KeyError, ValueError):
        return None
    return Line(time, service, payload.decode(errors="replace"), file, offset, end, dropped)


async def last(context: JetStreamContext, service: str) -> Line | None:
    """Return the newest line of a service in the stream; None if its newest message is not a line."""
    try:
        message = await context.get_last_msg(STREAM, f"{PREFIX}.{service}")
    except NotFoundError:
        return None
    return read(message.subject or "", message.data or b"", message.headers)


# --- reading ---------------------------------------------------------------------------------------


class Reader:
    """Reads the lines in the stream, in a program without an event loop.

    Each method can raise the errors of nats-py.
    """

    def __init__(self, url: str) -> None:
        """Connect to the server. Raises `OSError` or an error of nats-py, such as for a missing stream."""
        self._runner = asyncio.Runner()
        try:
            self._client = self._run(connect(url))
        except BaseException:
            self._runner.close()
            raise
        try:
            self._context = self._client.jetstream(timeout=_TIMEOUT)
            information = self._run(self._context.stream_info(STREAM, subjects_filter=f"{PREFIX}.*"))
        except BaseException:
            self.close()
            raise
        #: the names of the services with lines in the stream, and the number of the newest message in the
        #: stream
        self.services = sorted(
            subject.removeprefix(f"{PREFIX}.") for subject in information.state.subjects or {}
        )
        self._newest = information.state.last_seq

    def close(self) -> None:
        """Close the connection to the server."""
        try:
            self._run(self._client.close())
        finally:
            self._runner.close()

    def merged(self, services: Iterable[str], since: float = 0.0) -> Iterator[Line]:
        """Yield the lines of several services since a time, sorted by time, as `files.merged` does.

        Only lines that were in the stream when this object was created are yielded.
        """
        streams = [self._lines(service, since) for service in services]
        return heapq.merge(*streams, key=lambda line: line.time)

    def following(self, services: Iterable[str]) -> Iterator[Line]:
        """Yield the lines that are added after this object was created; the iterator does not end.

        If `services` is empty, the lines of all services are yielded.
        """
        selected_services = set(services)
        consumer = self._subscribe(
            f"{PREFIX}.*",
            ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._newest + 1),
        )
        while True:
            for message in self._batch(consumer, 1.0):
                line = read(message.subject, message.data, message.headers)
                if line and (not selected_services or line.service in selected_services):
                    yield line

    def _lines(self, service: str, since: float) -> Iterator[Line]:
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        if since > 0:  # a line is added to the stream after it was written
            start: Any = datetime.fromtimestamp(since, UTC).isoformat()
            config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=start)
        consumer = self._subscribe(f"{PREFIX}.{service}", config)
        remaining = self._run(consumer.consumer_info()).num_pending or 0
        while remaining > 0 and (messages := self._batch(consumer, _TIMEOUT, min(remaining, _BATCH))):
            remaining -= len(messages)
            for message in messages:
                if message.metadata.sequence.stream > self._newest:
                    return
                line = read(message.subject, message.data, message.headers)
                if line and line.time >= since:
                    yield line

    def _subscribe(self, subject: str, config: ConsumerConfig) -> JetStreamContext.PullSubscription:
        config = config.evolve(ack_policy=AckPolicy.NONE, inactive_threshold=60.0)
        return self._run(self._context.pull_subscribe(subject, stream=STREAM, config=config))

    def _batch(
        self, consumer: JetStreamContext.PullSubscription, seconds: float, count: int = _BATCH
    ) -> list[Msg]:
        try:
            return self._run(consumer.fetch(count, timeout=seconds))
        except TimeoutError:
            return []

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)
