"""The metrics of an application in the format of Prometheus: HTTP, gRPC, database, jobs, process, business.

Sources: Prometheus documentation, "Metric and label naming"; for the metrics of gRPC, go-grpc-middleware's
provider `prometheus`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics import MetricWrapperBase

from infra_runtime.web.asgi import Application, Receive, ResponseProgress, Scope, Send

Kind = TypeVar("Kind", bound=MetricWrapperBase)

#: the methods with their own label; other methods have the label `OTHER`, so that a client cannot create time
#: series with invented methods
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BYTES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)


@dataclass
class GrpcCall:
    """A measured gRPC call; the `with` block of `Metrics.grpc` sets `code` to the call's status code."""

    code: str = "OK"


class Metrics:
    """The metrics of one application; without a registry, a new one that also has those of the process."""

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        prefix: str = "",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.registry = registry or CollectorRegistry()
        if registry is None:
            # The metrics of the process: start time, processor time, memory and open files.
            ProcessCollector(registry=self.registry)
        self._prefix, self._clock = prefix, clock
        self._business: dict[str, tuple[tuple[object, ...], MetricWrapperBase]] = {}
        self._http_requests = self._counter(
            "http_requests_total", "Requests by method and status.", "method", "status"
        )
        self._http_seconds = self._seconds(
            "http_request_duration_seconds", "Time from the request to the end of its response.", "method"
        )
        self._http_bytes = Histogram(
            "http_response_size_bytes", "Bytes of the response's body.", registry=self.registry, buckets=BYTES
        )
        self._http_active = self._gauge("http_active_connections", "Requests that are being served.")
        grpc = ("grpc_type", "grpc_service", "grpc_method")
        self._grpc_started = self._counter("grpc_server_started_total", "Started gRPC calls.", *grpc)
        self._grpc_handled = self._counter(
            "grpc_server_handled_total", "Completed gRPC calls by status code.", *grpc, "grpc_code"
        )
        self._grpc_seconds = self._seconds("grpc_server_handling_seconds", "Time of a gRPC call.", *grpc)
        self._query_seconds = self._seconds(
            "database_query_duration_seconds", "Time of a database query.", "query", "outcome"
        )
        self._jobs = self._counter("jobs_total", "Completed jobs by outcome.", "job", "outcome")
        self._job_seconds = self._seconds("job_duration_seconds", "Time of a job.", "job")
        self._jobs_running = self._gauge("jobs_running", "Jobs that are running.", "job")

    def exposition(self) -> tuple[bytes, str]:
        """Return all metrics in the format of Prometheus, and the content type of this format."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    @contextmanager
    def query(self, name: str) -> Iterator[None]:
        """Measure a database query; `name` is a fixed name, such as `find_order`, and not the SQL."""
        with self._measured(lambda outcome: self._query_seconds.labels(name, outcome)):
            yield

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """Count and measure a job, such as a task of a queue; the outcome is `done` or `failed`."""
        running, outcome = self._jobs_running.labels(name), "failed"
        running.inc()
        try:
            with self._measured(lambda _: self._job_seconds.labels(name)):
                yield
            outcome = "done"
        finally:
            running.dec()
            self._jobs.labels(name, outcome).inc()

    @contextmanager
    def grpc(self, service: str, method: str, kind: str = "unary") -> Iterator[GrpcCall]:
        """Count and measure a gRPC call of a server; an exception without a code counts as `UNKNOWN`.

        `kind` is `unary`, `client_stream`, `server_stream` or `bidi_stream`.
        """
        labels, call = (kind, service, method), GrpcCall()
        self._grpc_started.labels(*labels).inc()
        try:
            with self._measured(lambda _: self._grpc_seconds.labels(*labels)):
                yield call
        except BaseException:
            call.code = "UNKNOWN" if call.code == "OK" else call.code
            raise
        finally:
            self._grpc_handled.labels(*labels, call.code).inc()

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return the business counter with this name; it is created at the first call."""
        return self._business_metric(Counter, name, description, labels)

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
        """Return the business gauge with this name; it is created at the first call."""
        return self._business_metric(Gauge, name, description, labels)

    def histogram(self, name: str, description: str, labels: Sequence[str] = ()) -> Histogram:
        """Return the business histogram with this name; it is created at the first call."""
        return self._business_metric(Histogram, name, description, labels)

    def _business_metric(self, kind: type[Kind], name: str, description: str, labels: Sequence[str]) -> Kind:
        declaration = (kind, description, tuple(labels))
        if name not in self._business:
            metric = kind(name, description, tuple(labels), namespace=self._prefix, registry=self.registry)
            self._business[name] = declaration, metric
        existing, metric_ = self._business[name]
        if existing != declaration or not isinstance(metric_, kind):
            raise ValueError(f"the metric {name!r} already exists with another type, description or labels")
        return metric_

    @contextmanager
    def _measured(self, histogram: Callable[[str], Histogram]) -> Iterator[None]:
        start, outcome = self._clock(), "failed"
        try:
            yield
            outcome = "done"
        finally:
            histogram(outcome).observe(self._clock() - start)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self.registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self.registry)

    def _seconds(self, name: str, description: str, *labels: str) -> Histogram:
        return Histogram(name, description, labels, registry=self.registry, buckets=SECONDS)

    @contextmanager
    def http(self, method: str, response: ResponseProgress) -> Iterator[None]:
        """Count and measure a request; at its end, status (500 if none) and size are read from `response`."""
        method = method if method in METHODS else "OTHER"
        start = self._clock()
        self._http_active.inc()
        try:
            yield
        finally:
            self._http_active.dec()
            self._http_requests.labels(method, str(response.status or 500)).inc()
            self._http_seconds.labels(method).observe(self._clock() - start)
            self._http_bytes.observe(response.size)


class Measurement:
    """The middleware that counts and measures HTTP requests, not WebSockets; only `Cors` is around it."""

    def __init__(self, app: Application, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and count and measure the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = ResponseProgress(send)
        with self.metrics.http(scope["method"], response):
            await self.app(scope, receive, response.send)
