"""Forward the lines of the log files to the stream, each line once. This module needs nats-py.

The stream itself contains the position up to which each log was forwarded: the newest message of a service
contains the position of its line. Therefore, a forwarder continues after the last line that the server has
stored, even if the forwarder or the server was killed. The lines wait in the log files, not in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from infra_runtime.logs import stream
from infra_runtime.logs.files import services_with_logs
from infra_runtime.logs.tail import Tail
from infra_runtime.value import frozen

#: the maximum number of lines, and of bytes, that are sent for one service before lines of the next service
#: are sent
BATCH, BATCH_BYTES = 1000, 2**20
#: the seconds between two reads of the logs, and the shortest and longest time in seconds between two
#: attempts to connect
POLL, RETRY, LONGEST_RETRY = 0.25, 0.1, 5.0
#: the time limit in seconds for the confirmation of a batch by the server
CONFIRMATION = 30.0


class NotStoredError(Exception):
    """The server did not store a line."""


@frozen
class Settings:
    """The settings of the forwarder: the server, the folder of the logs, and the excluded services."""

    url: str
    folder: Path
    excluded: frozenset[str] = frozenset()
    limits: stream.Limits = stream.Limits()


class Session:
    """Forwards lines over one connection, until its first error."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings, self._client = settings, client
        self._context = client.jetstream(timeout=CONFIRMATION)
        self._tails: dict[str, Tail] = {}
        self._inbox = client.new_inbox()
        #: the number of lines that were sent, and the number of lines that the server has stored
        self._sent = self._stored = 0
        self._refusal = ""
        self._confirmed = asyncio.Event()

    async def run(self) -> None:
        """Forward lines until the connection ends. Raises the errors of nats-py, and `NotStoredError`."""
        await stream.ensure(self._context, self._settings.limits)
        await self._client.subscribe(self._inbox, cb=self._confirm)
        print(f"lines are forwarded to the stream {stream.STREAM}", flush=True)
        while True:
            if not await self._forward_all():
                await asyncio.sleep(POLL)

    async def _forward_all(self) -> bool:
        """Forward some lines of each service; return whether any line was forwarded."""
        progress = False
        for service in services_with_logs(self._settings.folder):
            if service in self._settings.excluded:
                continue
            if service not in self._tails:
                line = await stream.last(self._context, service)
                self._tails[service] = Tail(self._settings.folder, service, line)
            progress |= await self._forward(service, self._tails[service])
        if not progress and not self._client.is_connected:
            raise NotStoredError("the server has closed the connection")
        return progress

    async def _forward(self, service: str, tail: Tail) -> bool:
        subject, size, line = f"{stream.PREFIX}.{service}", 0, None
        first = self._sent
        for line in tail.lines():
            payload = line.text.encode(errors="replace")
            await self._client.publish(subject, payload, reply=self._inbox, headers=stream.headers(line))
            self._sent += 1
            size += len(payload)
            if self._sent - first >= BATCH or size >= BATCH_BYTES:
                break
        if line is None:
            return False
        await self._confirmation()
        tail.forwarded(line)
        return True

    async def _confirmation(self) -> None:
        """Wait until the server has stored all lines that were sent."""
        deadline = time.monotonic() + CONFIRMATION
        while self._stored < self._sent:
            self._confirmed.clear()
            # In Python 3.11, `asyncio.wait_for` loses a cancellation that arrives together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._confirmed.wait()
            if self._refusal:
                raise NotStoredError(self._refusal)
            if not self._client.is_connected:
                raise NotStoredError("the server has closed the connection")
            if time.monotonic() > deadline:
                raise NotStoredError(f"the server did not confirm a line within {CONFIRMATION:g} s")

    async def _confirm(self, message: Msg) -> None:
        """Handle the server's reply to the oldest line without a reply: the line is stored or refused."""
        if b'"error"' in message.data or not message.data:
            self._refusal = message.data.decode(errors="replace") or "no stream receives the lines"
        self._stored += 1
        if self._stored == self._sent or self._refusal:
            self._confirmed.set()


async def forward(settings: Settings) -> None:
    """Forward lines until the task is cancelled; after an error, connect again and continue."""
    delay, problem = RETRY, ""
    while True:
        start = time.monotonic()
        try:
            client = await stream.connect(settings.url)
            try:
                await Session(settings, client).run()
            finally:
                await client.close()
        except (NatsError, NotStoredError, OSError, TimeoutError) as error:
            if time.monotonic() - start > LONGEST_RETRY:
                delay = RETRY
            if (reason := str(error) or type(error).__name__) != problem:
                problem = reason
                print(f"lines are not forwarded: {reason}", file=sys.stderr, flush=True)
        await asyncio.sleep(delay)
        delay = min(delay * 2, LONGEST_RETRY)
