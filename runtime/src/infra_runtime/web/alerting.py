"""Alerts about failed requests, at most one alert per interval for each kind of failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict

import structlog

from infra_runtime.occurrences import Occurrences
from infra_runtime.value import frozen
from infra_runtime.web import context
from infra_runtime.web.asgi import REQUESTS, Application, Receive, ResponseProgress, Scope, Send

log = structlog.get_logger("infra.web")


@frozen
class Alert:
    """A failed request, and the number of failures of this kind since the last alert."""

    #: the kind of failure: the class of the exception, such as `KeyError`, or the status, such as `status
    #: 503`
    failure: str
    method: str
    path: str
    count: int
    request_id: str
    correlation_id: str


async def log_alert(alert: Alert) -> None:
    """Write an alert to the log, with the level `critical`."""
    log.critical("alert", **asdict(alert))


class Alerting:
    """Reports requests that end with an exception, a cancellation, or a status of 500 or above.

    `notify` runs in a task beside the request, so that a slow receiver of alerts does not delay a response.
    """

    def __init__(
        self,
        app: Application,
        *,
        notify: Callable[[Alert], Awaitable[None]] = log_alert,
        interval: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self._notify = notify
        self._failures = Occurrences(interval, clock=clock)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; if the request fails, report the failure."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        response = ResponseProgress(send)
        try:
            await self.app(scope, receive, response.send)
        except BaseException as error:
            self._report(type(error).__name__, scope)
            raise
        if response.status >= 500:
            self._report(f"status {response.status}", scope)

    def _report(self, failure: str, scope: Scope) -> None:
        count = self._failures.add(failure)
        if not count:
            return
        alert = Alert(
            failure=failure,
            method=scope.get("method", "WEBSOCKET"),
            path=scope["path"],
            count=count,
            request_id=context.request_id.get(),
            correlation_id=context.correlation_id.get(),
        )
        task = asyncio.get_running_loop().create_task(self._send(alert))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, alert: Alert) -> None:
        try:
            await self._notify(alert)
        except Exception:
            log.exception("alert_not_sent", failure=alert.failure)
