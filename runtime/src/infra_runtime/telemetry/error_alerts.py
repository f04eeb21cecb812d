"""The alerts about errors in spans and log records, which are sent to the alert sinks of the stack.

The first error of a group is sent immediately; for further equal errors, one alert with their number is sent
per interval.

Source: Alertmanager documentation, "Clients".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from infra_runtime.occurrences import Occurrences
from infra_runtime.telemetry.errors import ErrorGroup

NAME = "Error"
#: the largest number of groups for which the time of the last alert is stored, and of alerts in a request
KINDS = 1000
#: the seconds after which an alert ends if it is not sent again
FIRES = 300.0
#: the time limit in seconds for the answer of an alert sink, and the seconds until a failed request is
#: repeated
_PATIENCE, _RETRY = 5.0, 1.0


class ErrorAlerts:
    """The rate limit of alerts about errors, and the task that sends them."""

    def __init__(
        self,
        sinks: Sequence[str],
        interval: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        send: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._sinks, self._interval = sinks, interval
        self._occurrences = Occurrences(interval, clock=clock, kinds=KINDS)
        self._send = send or _post
        #: fingerprint → the newest group with this fingerprint
        self._groups: dict[str, ErrorGroup] = {}
        #: fingerprint → the number of errors that are not reported yet
        self._pending: dict[str, int] = {}
        self._added = asyncio.Event()

    def add(self, groups: Iterable[ErrorGroup]) -> None:
        """Count errors; if an alert may be sent now, `send_forever` sends it."""
        if not self._sinks:
            return
        if len(self._groups) >= KINDS:
            self._groups = {kind: self._groups[kind] for kind in self._pending}
        for group in groups:
            self._groups[group.fingerprint] = group
            if number := self._occurrences.add(group.fingerprint, group.number):
                self._queue(group.fingerprint, number)
                self._added.set()

    async def send_forever(self) -> None:
        """Send alerts until the task is cancelled."""
        while True:
            # In Python 3.11, `asyncio.wait_for` loses a cancellation that arrives together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._added.wait()
            self._added.clear()
            if not await self.send():
                await asyncio.sleep(_RETRY)
                self._added.set()

    async def send(self) -> bool:
        """Send the due alerts to one sink after the other; return False at the first sink that fails."""
        for kind, number in self._occurrences.due().items():
            if kind in self._groups:
                self._queue(kind, number)
        sent_numbers, self._pending = self._pending, {}
        if not sent_numbers:
            return True
        alerts = [_alert(self._groups[kind], number) for kind, number in sent_numbers.items()]
        body = json.dumps(alerts).encode()
        try:
            for sink in self._sinks:
                await asyncio.to_thread(self._send, f"{sink}/api/v2/alerts", body)
        except OSError:  # the sink is not ready, or it is stopped
            for kind, number in sent_numbers.items():
                self._queue(kind, number)
            return False
        return True

    def _queue(self, kind: str, number: int) -> None:
        if kind in self._pending or len(self._pending) < KINDS:
            self._pending[kind] = self._pending.get(kind, 0) + number


def _alert(group: ErrorGroup, number: int) -> dict[str, Any]:
    title = f"{group.type}: {group.message}" if group.type else group.message
    now = time.time()
    return {
        "labels": {
            "alertname": NAME,
            "service": group.service,
            "severity": "warning",
            "type": group.type,
            "fingerprint": group.fingerprint,
        },
        "annotations": {
            "summary": f"{group.service}: {title}",
            "count": str(number),
            "frame": group.frame,
            "trace": group.trace.hex(),
        },
        "startsAt": _text(group.first / 1e9 if 0 < group.first / 1e9 < now else now),
        "endsAt": _text(now + FIRES),
    }


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - a URL of the stack
    # A proxy in an environment variable cannot reach services on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_PATIENCE) as answer:
        answer.read()
