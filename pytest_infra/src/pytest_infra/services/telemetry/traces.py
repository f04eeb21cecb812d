"""The fixture `infra_traces`: the spans and log records that services have sent for a test."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from pytest_infra.kit_context import FixtureContext
from pytest_infra.label import Label, run_id
from pytest_infra.services.telemetry.query import ask

__all__ = ["LogRecord", "Pattern", "Span", "SpanMissingError", "Traces"]

#: a whole text, or a regular expression that matches somewhere in the text
Pattern: TypeAlias = str | re.Pattern[str]
#: seconds for which `wait_for` waits by default
TIMEOUT = 10.0
#: the number of spans in an error message
_SHOWN = 20


class Span(NamedTuple):
    """A span; times are nanoseconds since the epoch."""

    service: str
    name: str
    #: internal | server | client | producer | consumer
    kind: str
    #: unset | ok | error
    status: str
    message: str
    start: int
    end: int
    attributes: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    trace: str
    id: str
    parent: str

    @property
    def seconds(self) -> float:
        """The duration of the span."""
        return (self.end - self.start) / 1e9


class LogRecord(NamedTuple):
    """A log record of a service; `time` is nanoseconds since the epoch."""

    service: str
    time: int
    level: str
    body: str
    attributes: Mapping[str, Any]
    trace: str
    span: str


class SpanMissingError(InfraError, AssertionError):
    """The error that no span of the test met the conditions of `wait_for` within the time limit."""

    hint = (
        "Send the headers of `infra_label.headers` with the request, which `http_client` does, or increase "
        "`timeout`."
    )

    def __init__(self, expected: str, timeout: float, arrived: tuple[Span, ...]) -> None:
        super().__init__(expected, timeout, arrived)
        self.arrived = arrived
        lines = [f"no span with {expected} arrived within {timeout:g} s"]
        if arrived:
            lines.append(f"{len(arrived)} other spans of the test arrived:")
            lines += [f"  {span.service}: {span.name} ({span.status})" for span in arrived[-_SHOWN:]]
        else:
            lines.append("no span of the test arrived")
        self._text = "\n".join(lines)

    def __str__(self) -> str:
        return self._text


class Traces:
    """The spans of one test: those whose trace begins with the `traceparent` of the test."""

    def __init__(self, server: Endpoint, label: Label) -> None:
        self._server, self._label = server, label

    @property
    def trace_id(self) -> str:
        """The id of the test's trace."""
        return self._label.trace_id

    def of(self, test: str) -> Traces:
        """Return the spans of another test of this run, by the test's id."""
        return Traces(self._server, Label.of(test, run_id()))

    def spans(self) -> list[Span]:
        """Return the spans that have arrived, in the order of their start."""
        answer = ask(self._server, "spans", trace=self.trace_id, limit=10_000)
        return sorted((_span(item) for item in answer["items"]), key=lambda span: span.start)

    def logs(self) -> list[LogRecord]:
        """Return the log records of the trace that have arrived, in the order of their times."""
        answer = ask(self._server, "logs", trace=self.trace_id, limit=10_000)
        records = (LogRecord(**{key: item[key] for key in LogRecord._fields}) for item in answer["items"])
        return sorted(records, key=lambda record: record.time)

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
        __tracebackhide__ = True  # a failing test shows its own line
        deadline = time.monotonic() + timeout
        arrived: list[Span] = []
        last = 0
        while True:
            remaining = deadline - time.monotonic()
            answer = ask(self._server, "spans", remaining, trace=self.trace_id, after=last, limit=10_000)
            last = answer["last"]
            spans = [_span(item) for item in answer["items"]]
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


def _span(item: Mapping[str, Any]) -> Span:
    return Span(**{**{key: item[key] for key in Span._fields}, "events": tuple(item["events"])})


def traces(context: FixtureContext, unit: Endpoint) -> Iterator[Traces]:
    """Yield the spans of the test."""
    yield Traces(unit, context.label)
