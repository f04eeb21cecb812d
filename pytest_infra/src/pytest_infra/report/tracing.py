"""The trace of a test: the test is the root span, and its phases, fixtures and waits are spans below it.

The clients of the fixtures `http_client` and `http_async_client` send the id of the root span
(`traceparent`), so the spans of services are below it. Other clients must send the headers
`infra_label.headers`.

Source: OpenTelemetry semantic conventions, "Test"; W3C Recommendation "Trace Context".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from infra_runtime.errors import InfraError
from infra_runtime.redaction import redacted
from pytest_infra.instances import Instances
from pytest_infra.kit import load
from pytest_infra.label import label_of
from pytest_infra.notes import Notes
from pytest_infra.report import fixture_spans
from pytest_infra.session import Session
from pytest_infra.spans import PLUGIN, Recorder, Span, Trace, TraceStore

#: the maximum number of characters of an error message in a span
MESSAGE = 500
#: seconds to wait for the spans of a failed test's services
ARRIVAL = 2.0
#: the maximum number of failed tests in a process for whose spans the plugin waits
MAX_TESTS = 50
#: seconds to wait, at the end of the run, until the store has accepted the spans of the last tests
FLUSH = 5.0


class Tracing:
    """Creates the spans of tests from their phases, and sends them to the service that stores traces.

    Without such a service in the stack, the spans of a test are discarded.
    """

    def __init__(
        self, session: Session, config: pytest.Config, secrets: Callable[[], Collection[str]]
    ) -> None:
        self._session, self._secrets = session, secrets
        self._instances, self._notes = Instances.of(config), Notes.of(config)
        self._recorder, self._plugins = Recorder.of(config), config.pluginmanager
        self._fixtures = fixture_spans.FixtureSpans(self._recorder, self._instances)
        self._plugins.register(self._fixtures, fixture_spans.NAME)
        #: the name of the service that stores traces; empty if the stack has no such service
        self._service = ""
        #: the spans of the running test, without its root span
        self._spans: list[Span] = []
        #: whether the running test has waited for a service or a unit
        self._has_waited = False
        #: the result of the running test: pass | fail | skip
        self._result = "pass"
        #: the number of failed tests for whose spans the plugin has waited
        self._awaited = 0
        #: whether the service that stores traces has failed to answer a query
        self._is_silent = False

    def ready(self, services: Collection[str]) -> None:
        """Search `services`, which are ready, for the service that stores traces, and use it for spans.

        Fixtures are measured only if there is such a service.
        """
        if not self._service:
            # `SERVICE.N` is a copy of a service, for tests of one process.
            names = (name for name in sorted(services) if "." not in name)
            storing = (name for name in names if self._instances[name].kit.trace_store)
            self._service = next(storing, "")
        is_measured = self._plugins.has_plugin(fixture_spans.NAME)
        if self._service and not is_measured:
            self._plugins.register(self._fixtures, fixture_spans.NAME)
        elif is_measured and not self._service:
            self._plugins.unregister(name=fixture_spans.NAME)

    def record(
        self, item: pytest.Item, call: pytest.CallInfo[Any], report: pytest.TestReport
    ) -> dict[str, Any]:
        """Add the spans of a phase, its fixtures and its waits; after the last phase, send all spans.

        Nothing is sent if the test does not use a service or the stack does not store traces.

        Return the data about the phase for the record of the session: `waits` (names and seconds),
        `services`, the id of the `trace`, and the `error` with masked secrets. Keys without a value are
        omitted.
        """
        intervals = self._recorder.take()
        waits = [interval for interval in intervals if interval.is_wait]
        if call.when == "setup":
            self._spans, self._has_waited, self._result = [], False, "pass"
        self._has_waited = self._has_waited or bool(waits)
        if report.failed:
            self._result = "fail"
        elif report.skipped and not hasattr(report, "wasxfail") and self._result == "pass":
            self._result = "skip"
        label, error = label_of(item), ""
        if report.failed:
            error = (call.excinfo.exconly() if call.excinfo else report.longreprtext) or "failed"
        phase = self._span(call.when, _nanoseconds(call.start), _nanoseconds(call.stop), error)
        phase = phase._replace(trace=label.trace_id, parent=label.span_id)
        self._spans.append(phase)
        ancestors = [phase]
        for interval in sorted(intervals, key=lambda interval: (interval.start, -interval.end)):
            while len(ancestors) > 1 and ancestors[-1].end < interval.end:
                ancestors.pop()
            span = self._span(interval.name, interval.start, interval.end, interval.error)
            ancestors.append(
                span._replace(trace=label.trace_id, parent=ancestors[-1].id, attributes=interval.attributes)
            )
            self._spans.append(ancestors[-1])
        if call.when == "teardown" and self._uses_services(item) and (store := self._store()):
            store.send([self._root(item), *self._spans])
            self._recorder.ended.add(label.trace_id)
        details = {
            "waits": [[wait.name, round((wait.end - wait.start) / 1e9, 4)] for wait in waits],
            "services": sorted({service for wait in waits for service in _services_of(wait.attributes)}),
            "trace": label.trace_id if self._uses_services(item) else "",
            "error": phase.message.partition("\n")[0],
        }
        return {key: value for key, value in details.items() if value}

    def trace(self, item: pytest.Item, answering: Collection[str], *, wait: bool) -> Trace | None:
        """Return the trace of the running test, with the spans that exist at the time of the call.

        The result is None if the stack does not store traces, or if the test does not use a service.

        With `wait`, the method first waits until no new span has arrived for a short time, but not longer
        than `ARRIVAL` seconds, and only for the first `MAX_TESTS` failures of the process. If the service
        that stores traces does not answer, or is not in `answering`, the trace contains only the spans of the
        plugin.
        """
        if not self._service or not self._uses_services(item):
            return None
        plugin_spans = [self._root(item), *self._spans]
        stored = Trace(plugin_spans[0].trace, [], [])
        store = self._store() if self._service in answering and not self._is_silent else None
        if store is not None:
            self._awaited += wait
            try:
                stored = store.trace(
                    plugin_spans[0].trace, ARRIVAL if wait and self._awaited <= MAX_TESTS else 0.0
                )
            except (OSError, InfraError) as error:
                self._is_silent = True
                self._notes.add_message(f"{self._service} returns no traces: {error}")
        ids = {span.id for span in plugin_spans}
        spans = [*plugin_spans, *(span for span in stored.spans if span.id not in ids)]
        return stored._replace(spans=sorted(spans, key=lambda span: (span.start, -span.end)))

    def close(self) -> None:
        """Wait at most `FLUSH` seconds until the store has accepted the spans of the last tests."""
        if problem := self._recorder.flush(FLUSH):
            self._notes.add_message(f"{self._service} did not store all spans of tests: {problem}")
        self._recorder.store = None

    def _uses_services(self, item: pytest.Item) -> bool:
        return self._has_waited or (self._result != "skip" and self._instances.are_used_by(item))

    def _store(self) -> TraceStore | None:
        if self._recorder.store is None and self._service:
            target = self._instances[self._service].kit.trace_store
            try:
                self._recorder.store = load(target)(self._session.lease[self._service])
            except InfraError:  # the supervisor has exited
                return None
        return self._recorder.store

    def _root(self, item: pytest.Item) -> Span:
        """Return the span of the test. Its attributes have the names of the semantic conventions."""
        label = label_of(item)
        first_span, last_span = self._spans[0], max(self._spans, key=lambda span: span.end)
        message = next((span.message for span in self._spans if span.status == "error"), "")
        attributes = {
            "test.case.name": item.nodeid,
            "test.case.result.status": self._result,
            "test.suite.name": item.nodeid.partition("::")[0],
        }
        return self._span(item.name, first_span.start, last_span.end)._replace(
            status="error" if self._result == "fail" else "unset",
            message=message,
            attributes=attributes,
            trace=label.trace_id,
            id=label.span_id,
        )

    def _span(self, name: str, start: int, end: int, error: str = "") -> Span:
        """Return a span of the plugin with a new id; the caller sets the trace and the parent."""
        return Span(
            service=PLUGIN,
            name=name,
            kind="internal",
            status="error" if error else "unset",
            message=redacted(error, self._secrets())[:MESSAGE] if error else "",
            start=start,
            end=end,
            attributes={},
            events=(),
            trace="",
            id=os.urandom(8).hex(),
            parent="",
        )


def _services_of(attributes: Mapping[str, Any]) -> list[str]:
    """Return the services in the attributes of a wait."""
    service = attributes.get("infra.service")
    return [service] if service else [*attributes.get("infra.services", ())]


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
