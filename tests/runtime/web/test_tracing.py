from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from fakes.asgi import answering, call, raising
from infra_runtime.web import context, tracing
from infra_runtime.web.asgi import Receive, Scope, Send
from infra_runtime.web.tracing import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


def outgoing(received: str) -> str:
    """Return the `traceparent` that the application sends to other services."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(context.outgoing_headers().get("traceparent", ""))
        await answering()(scope, receive, send)

    assert call(Tracing(app), headers=[("traceparent", received)] if received else ()).status == 200
    assert context.traceparent.get() == ""
    return seen[0]


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave as if OpenTelemetry were not installed."""
    monkeypatch.setattr(tracing, "INSTALLED", False)


@pytest.mark.usefixtures("without_library")
def test_without_opentelemetry_the_trace_is_passed_on() -> None:
    assert outgoing(TRACEPARENT) == TRACEPARENT


@pytest.mark.parametrize(
    "invalid",
    [
        *("", "x", TRACEPARENT + "\n", TRACEPARENT.upper(), TRACEPARENT + "-more", "ff" + TRACEPARENT[2:]),
        *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", "0" * 100_000),
    ],
)
@pytest.mark.usefixtures("without_library")
def test_an_invalid_trace_is_ignored(invalid: str) -> None:
    assert outgoing(invalid) == ""


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Record the spans with the SDK of OpenTelemetry."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs opentelemetry-sdk")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def test_the_span_of_a_request_continues_the_trace_of_the_client(spans: InMemorySpanExporter) -> None:
    sent = outgoing(TRACEPARENT)

    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert sent == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200


def test_the_span_of_a_failed_request_has_the_exception(spans: InMemorySpanExporter) -> None:
    with pytest.raises(KeyError):
        call(Tracing(raising(KeyError("x"))))

    (span,) = spans.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert [event.name for event in span.events] == ["exception"]
