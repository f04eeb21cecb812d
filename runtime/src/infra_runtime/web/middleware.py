"""The middleware that protects and identifies requests: Recovery, Timeout, MetaInject and ErrorHandler.

Each class is plain ASGI 3. `composition.application` nests the classes in their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from infra_runtime.web import context
from infra_runtime.web.asgi import (
    REQUESTS,
    Application,
    Message,
    Receive,
    ResponseProgress,
    Scope,
    Send,
    adding_headers,
    header,
)
from infra_runtime.web.problems import DEFAULT_STATUSES, ProblemError, problem_of, send_problem

log = structlog.get_logger("infra.web")


class Recovery:
    """Answers an unexpected exception with 500 and logs it with its traceback.

    If the response has already started, the exception is raised again. The server then closes the connection,
    so that the client detects that the response is incomplete.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; answer an exception with 500."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        response = ResponseProgress(send)
        try:
            await self.app(scope, receive, response.send)
        except Exception:
            log.exception("request_failed", path=scope["path"], **context.ids_of(scope))
            if response.started:
                raise
            await send_problem(scope, send, ProblemError(500))


class Timeout:
    """Answers 504 if the response has not started after a number of seconds.

    A response that has started, such as a stream of events, and a WebSocket have no time limit.
    """

    def __init__(self, app: Application, *, seconds: float) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and cancel it if the response has not started before the time limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        deadline = asyncio.timeout(self.seconds)

        async def send_in_time(message: Message) -> None:
            if deadline.expired():
                return  # an answer of the application after its cancellation is ignored: the response is 504
            if message["type"] == "http.response.start":
                deadline.reschedule(None)
            await send(message)

        try:
            async with deadline:
                await self.app(scope, receive, send_in_time)
        except TimeoutError:
            if not deadline.expired():
                raise
        if deadline.expired():
            log.warning(
                "request_timed_out", path=scope["path"], seconds=self.seconds, **context.ids_of(scope)
            )
            await send_problem(
                scope, send, ProblemError(504, f"the response did not start within {self.seconds:g} s")
            )


class MetaInject:
    """Generates the request id, accepts or generates the correlation id, and sends both in the response.

    A correlation id in the header `X-Correlation-ID`, or `X-Request-ID`, is accepted if it has at most 128
    letters, digits, dots, hyphens and underscores, and begins with a letter or digit. Otherwise the
    correlation id is the request id.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the context variables of the request."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        request = context.new_identifier()
        sent = context.accepted_identifier(header(scope, "x-correlation-id"))
        correlation = sent or context.accepted_identifier(header(scope, "x-request-id")) or request
        # The middleware around this one reads the ids from the scope, so the scope is not copied.
        scope[context.SCOPE_KEY] = {"request_id": request, "correlation_id": correlation}
        tokens = context.request_id.set(request), context.correlation_id.set(correlation)
        try:
            headers = {"x-request-id": request, "x-correlation-id": correlation}
            await self.app(scope, receive, adding_headers(send, headers))
        finally:
            context.request_id.reset(tokens[0])
            context.correlation_id.reset(tokens[1])


class ErrorHandler:
    """Answers a `ProblemError`, or an exception whose class is in `statuses`; `Recovery` answers all others.

    Starlette answers an unexpected exception with 500, and then raises the exception again. Therefore, a
    response with the status 500 is sent only after the application has ended, if its body is one message.
    """

    def __init__(self, app: Application, *, statuses: Mapping[type[Exception], int] | None = None) -> None:
        self.app = app
        self.statuses = {**DEFAULT_STATUSES, **(statuses or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; if it raises an exception of `statuses`, send the problem document."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        response = ResponseProgress(send)
        held: list[Message] = []

        async def send_held() -> None:
            while held:
                await response.send(held.pop(0))

        async def send_or_hold(message: Message) -> None:
            is_start = message["type"] == "http.response.start" and message["status"] == 500
            is_whole_body = message["type"] == "http.response.body" and not message.get("more_body")
            if is_start or (len(held) == 1 and is_whole_body):
                held.append(message)
                return
            await send_held()
            await response.send(message)

        try:
            await self.app(scope, receive, send_or_hold)
        except Exception as error:
            problem = problem_of(error, self.statuses)
            if problem is None or (response.started and scope["type"] == "http"):
                raise
            if problem.status >= 500:
                log.exception("request_failed", path=scope["path"])
            await send_problem(scope, send, problem)
        else:
            await send_held()
