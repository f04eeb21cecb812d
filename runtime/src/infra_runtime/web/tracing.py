"""Tracing middleware: continues the trace of the client, with OpenTelemetry if it is installed.

Source: W3C Trace Context, section 3.2 (`traceparent`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra_runtime.web.asgi import REQUESTS, Application, Receive, ResponseProgress, Scope, Send, header
from infra_runtime.web.context import accepted_traceparent, traceparent

try:
    import opentelemetry.trace  # noqa: F401 - only to check whether the extra `tracing` is installed
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True


class Tracing:
    """Records a span for each request, in the trace of the header `traceparent` or in a new trace.

    Without OpenTelemetry, no span is recorded: the header is kept in the context variable `traceparent`, so
    that requests to other services continue the trace. An invalid header is ignored.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application within the span."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        received = accepted_traceparent(header(scope, "traceparent"))
        response = ResponseProgress(send)
        with _span(scope, received, response) as current:
            token = traceparent.set(current)
            try:
                await self.app(scope, receive, response.send)
            finally:
                traceparent.reset(token)


@contextmanager
def _span(scope: Scope, received: str, response: ResponseProgress) -> Iterator[str]:
    """Record a span, and yield the `traceparent` for requests to other services."""
    if not INSTALLED:
        yield received
        return
    from opentelemetry import propagate, trace

    carrier = {"traceparent": received, "tracestate": header(scope, "tracestate")} if received else {}
    method = scope.get("method", "WEBSOCKET")
    attributes = {
        "http.request.method": method,
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
    }
    tracer = trace.get_tracer("infra_runtime.web")
    with tracer.start_as_current_span(
        method, context=propagate.extract(carrier), kind=trace.SpanKind.SERVER, attributes=attributes
    ) as span:
        outgoing: dict[str, str] = {}
        propagate.inject(outgoing)
        try:
            yield outgoing.get("traceparent", received)
        finally:
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 500:
                span.set_status(trace.StatusCode.ERROR)
