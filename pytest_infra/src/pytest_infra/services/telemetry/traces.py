"""The fixture `infra_traces`: the spans and log records that services have sent for a test."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from pytest_infra.kit_context import FixtureContext
from pytest_infra.label import Label, run_id
from pytest_infra.services.telemetry.query import ask
from pytest_infra.services.telemetry.store import ROWS, logs_of, spans_of
from pytest_infra.spans import PLUGIN, LogRecord, Recorder, Span

__all__ = ["LogRecord", "Pattern", "Span", "SpanMissingError", "Traces"]

#: a whole text, or a regular expression that matches somewhere in the text
Pattern: TypeAlias = str | re.Pattern[str]
#: seconds for which `wait_for` waits by default
TIMEOUT = 10.0
#: the maximum number of spans in an error message
_LISTED = 20


class SpanMissingError(InfraError, AssertionError):
    """The error that no span of the test met the conditions of `wait_for` within the time limit."""

    hint = (
        "Send the headers of `infra_label.headers` with the request (the clients of `http_client` do so), "
        "or increase `timeout`."
    )

    def __init__(self, expected: str, timeout: float, arrived: tuple[Span, ...]) -> None:
        super().__init__(expected, timeout, arrived)
        self.arrived = arrived
        lines = [f"no span with {expected} arrived within {timeout:g} s"]
        if arrived:
            listed = f", the last {_LISTED} are:" if len(arrived) > _LISTED else ":"
            lines.append(f"{len(arrived)} other spans of the test arrived{listed}")
            lines += [f"  {span.service}: {span.name} ({span.status})" for span in arrived[-_LISTED:]]
        else:
            lines.append("no span of the test arrived")
        self._text = "\n".join(lines)

    def __str__(self) -> str:
        return self._text


class Traces:
    """The spans of one test: those whose trace begins with the `traceparent` of the test.

    When the test has ended, the trace also contains the spans of pytest: the test, its phases, fixtures and
    waits.
    """

    def __init__(self, server: Endpoint, label: Label, recorder: Recorder) -> None:
        self._server, self._label, self._recorder = server, label, recorder

    @property
    def trace_id(self) -> str:
        """The id of the test's trace."""
        return self._label.trace_id

    def of(self, test: str) -> Traces:
        """Return the trace of another test of this run, by the test's id.

        If the test has ended in this process, the trace contains the spans of pytest. A worker of
        pytest-xdist sends them some time after the test has ended: `wait_for(service="pytest")` waits.
        """
        other_traces = Traces(self._server, Label.of(test, run_id()), self._recorder)
        if other_traces.trace_id in self._recorder.ended:
            self._recorder.flush(TIMEOUT)
            ask(self._server, "spans", TIMEOUT, trace=other_traces.trace_id, service=PLUGIN, limit=1)
        return other_traces

    def spans(self, *, service: str | None = None) -> list[Span]:
        """Return the spans of the test, or of a service in the test, that have arrived, sorted by start."""
        return spans_of(ask(self._server, "spans", trace=self.trace_id, service=service, limit=ROWS)["items"])

    def logs(self) -> list[LogRecord]:
        """Return the log records of the trace that have arrived, in the order of their times."""
        return logs_of(ask(self._server, "logs", trace=self.trace_id, limit=ROWS)["items"])

    def wait_for(
        self,
        *,
        name: Pattern | None = None,
        service: str | None = None,
        status: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
    ) -> Span:
        """Return the first span of the test that meets the conditions, or wait until it arrives.

        `name` is the whole name or a regular expression; `attributes` are attributes that the span has with
        these values. Services send spans in intervals, so a span can arrive after the answer to a request.
        Raises `SpanMissingError` after `timeout` seconds.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test that calls this method
        deadline = time.monotonic() + timeout
        arrived: list[Span] = []
        last_row = 0
        while True:
            remaining = deadline - time.monotonic()
            answer = ask(self._server, "spans", remaining, trace=self.trace_id, after=last_row, limit=ROWS)
            last_row = answer["last"]
            spans = spans_of(answer["items"])
            for span in spans:
                if (
                    _matches(name, span.name)
                    and service in {None, span.service}
                    and status in {None, span.status}
                    and (attributes or {}).items() <= span.attributes.items()
                ):
                    return span
            arrived += spans
            if not spans and remaining <= 0:
                break
        conditions = {"name": name, "service": service, "status": status, "attributes": attributes}
        expected = ", ".join(
            f"{key} {value.pattern if isinstance(value, re.Pattern) else value!r}"
            for key, value in conditions.items()
            if value is not None
        )
        raise SpanMissingError(expected or "any name", timeout, tuple(arrived))


def _matches(pattern: Pattern | None, text: str) -> bool:
    if isinstance(pattern, re.Pattern):
        return pattern.search(text) is not None
    return pattern in {None, text}


def traces(context: FixtureContext, unit: Endpoint) -> Iterator[Traces]:
    """Yield the spans of the test."""
    yield Traces(unit, context.label, Recorder.of(context.request.config))
