"""Spans, the parts of a trace: spans of services, and spans that the plugin records for a test.

Source: OpenTelemetry specification, "Tracing API"; OpenTelemetry semantic conventions, "Test".
"""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import pytest

#: the value of `service` in the spans of the plugin
PLUGIN = "pytest"


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
        """The duration of the span in seconds."""
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


class Trace(NamedTuple):
    """The spans and the log records of one trace, in the order of their times."""

    id: str
    spans: list[Span]
    logs: list[LogRecord]


class TraceStore(Protocol):
    """The interface of a service that stores traces: it receives the spans of tests, and returns traces."""

    @abstractmethod
    def send(self, spans: Iterable[Span]) -> None:
        """Send spans without waiting for the response of the service."""

    @abstractmethod
    def flush(self, seconds: float) -> str:
        """Wait until the service has accepted all spans, but not longer than `seconds`.

        The result is a text with the number of spans that were not accepted, and the reason; the text is
        empty if all spans were accepted.
        """

    @abstractmethod
    def trace(self, trace_id: str, seconds: float) -> Trace:
        """Wait until no new span arrives for a short time, but not longer than `seconds`; return the trace.

        With 0 seconds, return the spans that have already arrived. Raises `OSError` or `InfraError` if the
        service does not answer.
        """


class Interval(NamedTuple):
    """A period in which a test waited or a fixture ran; times are nanoseconds since the epoch."""

    name: str
    start: int
    end: int
    attributes: Mapping[str, Any]
    #: the text of the error that ended the period; empty without an error
    error: str
    #: whether the test waited for a service or an isolation unit
    is_wait: bool


class Recorder:
    """The periods of the waits and fixtures of the running test, and the store to which spans are sent."""

    KEY: ClassVar[pytest.StashKey[Recorder]] = pytest.StashKey()

    def __init__(self) -> None:
        self._intervals: list[Interval] = []
        #: the store of the stack; None if the stack has no such store, or is not open yet
        self.store: TraceStore | None = None
        #: the ids of the traces whose root spans were sent
        self.ended: set[str] = set()

    @classmethod
    def of(cls, config: pytest.Config) -> Recorder:
        """Return the recorder of this process; it is created at the first call."""
        return config.stash.setdefault(cls.KEY, cls())

    @contextlib.contextmanager
    def measured(self, name: str, **attributes: Any) -> Iterator[None]:
        """Record the period of the block as a wait of the test."""
        start, error = time.time_ns(), ""
        try:
            yield
        except BaseException as raised:
            error = str(raised) or type(raised).__name__
            raise
        finally:
            self._intervals.append(Interval(name, start, time.time_ns(), attributes, error, is_wait=True))

    def add(
        self, name: str, start: int, *, shortest: int, attributes: Mapping[str, Any], error: str = ""
    ) -> None:
        """Record the set-up or tear-down of a fixture, from `start` until now.

        A period of less than `shortest` nanoseconds is recorded only if other recorded periods began in it.
        """
        end = time.time_ns()
        if end - start >= shortest or any(interval.start >= start for interval in self._intervals):
            self._intervals.append(Interval(name, start, end, attributes, error, is_wait=False))

    def take(self) -> list[Interval]:
        """Return the recorded intervals, and remove them from the recorder."""
        recorded_intervals, self._intervals = self._intervals, []
        return recorded_intervals

    def flush(self, seconds: float) -> str:
        """Wait until the store has accepted all spans; return the result of `TraceStore.flush`.

        Without a store, the result is empty.
        """
        return self.store.flush(seconds) if self.store else ""
