"""The fixture `prometheus_queries`: queries whose answers include all changes before the query.

Source: Prometheus documentation, "HTTP API", "Querying basics".
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from pytest_infra.isolation.http_request import send
from pytest_infra.kit_context import FixtureContext

#: seconds for which `query` waits for a scrape; Prometheus finds its targets 5 s after its start
TIMEOUT = 30.0
#: the time limit for one request, in seconds
_STEP = 30.0
#: seconds between two requests while `query` waits
_PAUSE = 0.05


class QueryError(InfraError):
    """The error that Prometheus rejects a request, or that an expression does not have exactly one sample."""

    hint = "Correct the expression; sum(…) and similar functions aggregate several samples."


class ScrapeMissingError(InfraError, AssertionError):
    """The error that Prometheus has not requested the metrics of a job within the time limit."""

    hint = "Increase `timeout`, or use `wait=False` to query the samples that exist."


class Sample(NamedTuple):
    """A sample of a metric: its labels, its value, and the time in seconds since the epoch."""

    labels: Mapping[str, str]
    value: float
    time: float


class Queries:
    """Sends queries to one Prometheus server."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server
        #: the names of the jobs; each job has the name of a service with metrics
        self.jobs = tuple(filter(None, server.get("jobs", "").split(",")))

    def query(self, expression: str, *, wait: bool = True, timeout: float = TIMEOUT) -> list[Sample]:
        """Return the current samples of an expression in PromQL.

        The method first waits until Prometheus has requested the metrics of every job again, so that the
        samples contain what the services counted before the call; `wait=False` disables the waiting. Raises
        `ScrapeMissingError` after `timeout` seconds, and `QueryError` for an invalid expression.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test that calls this method
        if wait:
            self._wait_for_scrape(time.time(), timeout)
        answer = self.request("/api/v1/query", query=expression)
        if answer["resultType"] in {"scalar", "string"}:
            return [_sample({}, answer["result"])]
        samples = [_sample(series["metric"], _last(series)) for series in answer["result"]]
        return sorted(samples, key=lambda sample: sorted(sample.labels.items()))

    def value(self, expression: str, *, wait: bool = True, timeout: float = TIMEOUT) -> float:
        """Return the value of an expression that has exactly one sample; otherwise raise `QueryError`."""
        __tracebackhide__ = True
        samples = self.query(expression, wait=wait, timeout=timeout)
        if len(samples) != 1:
            raise QueryError(f"{self._server.name}: {expression!r} has {len(samples)} samples instead of one")
        return samples[0].value

    def request(self, path: str, **parameters: str) -> Any:
        """Send a request to the HTTP API, and return the field `data` of the answer.

        Raises `QueryError` if Prometheus rejects the request.
        """
        url = f"{self._server.url}{quote(path)}?{urlencode(parameters)}"
        status, _, body = send(url, seconds=_STEP)
        if status != http.client.OK:
            raise QueryError(
                f"{self._server.name} answers the query with HTTP status {status}: {_error(body)}"
            )
        return json.loads(body)["data"]

    def _wait_for_scrape(self, moment: float, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while missing := self._not_scraped_since(moment):
            if time.monotonic() >= deadline:
                raise ScrapeMissingError(
                    f"{self._server.name} has not requested the metrics of {', '.join(missing)} "
                    f"within {timeout:g} s"
                )
            time.sleep(_PAUSE)

    def _not_scraped_since(self, moment: float) -> list[str]:
        """Return the jobs whose last scrape began before a moment. The metric `up` is part of each scrape."""
        answer = self.request("/api/v1/query", query="min by (job) (timestamp(up))")
        times = {series["metric"]["job"]: float(series["value"][1]) for series in answer["result"]}
        return [job for job in self.jobs if times.get(job, 0.0) <= moment]


def _last(series: Mapping[str, Any]) -> list[Any]:
    """Return the time and the value of a series; if the expression has a range, those of its last sample."""
    pair: list[Any] = series["value"] if "value" in series else series["values"][-1]
    return pair


def _sample(labels: Mapping[str, str], pair: list[Any]) -> Sample:
    return Sample(labels=labels, value=float(pair[1]), time=float(pair[0]))


def _error(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return repr(body[:200])


def queries(_context: FixtureContext, unit: Endpoint) -> Iterator[Queries]:
    """Yield the object that sends the queries of a test."""
    yield Queries(unit)
