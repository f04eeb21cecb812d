"""The charts of the stack: the resource usage of its processes, and the metrics of its services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from infra_runtime.dashboard import collected, received, telemetry
from infra_runtime.dashboard.charts import POINTS, Chart, Series, chart
from infra_runtime.dashboard.parameters import ParameterError, time_of
from infra_runtime.dashboard.stack import Stack, State
from infra_runtime.dashboard.telemetry import TelemetryError
from infra_runtime.dashboard.usage_history import INTERVAL
from infra_runtime.errors import InfraError
from infra_runtime.value import frozen

#: the time range of a request without one, and the longest one
DEFAULT, LONGEST = "15m", 7 * 86400.0
#: the parameters of a request
PARAMETERS = ("since", "until", "service", "run")
#: points that the telemetry service returns at most
MOST_POINTS = 10_000
#: title, field of the usage, unit and factor of the charts of processes
_USAGE = (
    ("CPU", "cpu", "%", 100.0),
    ("Memory", "memory", "B", 1.0),
    ("Read from disks", "read", "B/s", 1.0),
    ("Written to disks", "written", "B/s", 1.0),
)


@frozen
class Range:
    """A time range in Unix seconds, with the seconds between two values."""

    since: float
    until: float

    @property
    def step(self) -> float:
        """The seconds between two values of a series."""
        return max((self.until - self.since) / POINTS, INTERVAL)


@frozen
class Measured:
    """The charts of a time range; for each source without charts, the reason."""

    range: Range
    charts: tuple[Chart, ...]
    #: the source → the reason
    problems: Mapping[str, str]
    #: whether the stack has no telemetry service
    is_missing: bool = False


def range_of(query: Mapping[str, str]) -> Range:
    """Return the time range that the parameters of a request select.

    Raises `ParameterError` if a parameter is not a time, or if the range is empty.
    """
    now = time.time()
    until = min(time_of("until", query.get("until", ""), now), now)
    since = time_of("since", query.get("since", "") or DEFAULT, now)
    if since >= until:
        raise ParameterError("`since` must be before `until`, and not in the future")
    return Range(since=max(since, until - LONGEST, 0.0), until=until)


def usage_charts(stack: Stack, chosen: Range, service: str = "") -> list[Chart]:
    """Return the charts of the resource usage of all services, or of one service."""
    charts = []
    for title, field, unit, factor in _USAGE:
        own = stack.history.read(field, chosen.since, chosen.until)
        series = [
            Series(name=name, service=name, values=tuple((at, value * factor) for at, value in values))
            for name, values in own.items()
            if service in {"", name}
        ]
        largest = chart(title, unit, "processes", series)
        thinned = tuple(_thinned(line, chosen.step) for line in largest.series)
        charts.append(replace(largest, series=thinned))
    return [item for item in charts if item.series]


async def read(stack: Stack, state: State, query: Mapping[str, str]) -> Measured:
    """Return the charts of a request with the parameters `PARAMETERS`. Raises `ParameterError`.

    A newer `state` contains newer figures, because `Stack.state` adds them to the history.
    """
    if run := query.get("run", ""):
        return await _earlier(stack, query, run)
    chosen, service = range_of(query), query.get("service", "")
    own = related(state, service) if service else frozenset()
    problems: dict[str, str] = {}
    scraped, sent = await asyncio.gather(
        asyncio.to_thread(_collected, state, chosen),
        _received(stack, chosen, service),
        return_exceptions=True,
    )
    charts = usage_charts(stack, chosen, service)
    for source, result in (("collected", scraped), ("received", sent)):
        if isinstance(result, InfraError):
            problems[source] = str(result)
        elif isinstance(result, BaseException):
            raise result
        else:
            charts += _selected(result, own) if own else result
    missing = isinstance(sent, TelemetryError) and sent.is_missing
    return Measured(range=chosen, charts=tuple(charts), problems=problems, is_missing=missing)


async def _earlier(stack: Stack, query: Mapping[str, str], run: str) -> Measured:
    """Return the charts of what services have sent in an earlier run.

    Without `until`, the range ends at the last value of the run. Raises `ParameterError`.
    """
    service = query.get("service", "")
    chosen, charts, problem, is_missing = range_of(query), [], "", False
    try:
        if not query.get("until"):
            selected = {"run": run, "limit": "1", **({"service": service} if service else {})}
            newest = (await telemetry.ask(await stack.endpoints(), "points", selected))["items"]
            end = newest[-1]["time"] / 1e9 if newest else chosen.until
            length = chosen.until - chosen.since
            chosen = Range(since=max(end - length, 0.0), until=end)
        charts = await _received(stack, chosen, service, run)
    except TelemetryError as error:
        problem, is_missing = str(error), error.is_missing
    only = "an earlier run has only the metrics that services have sent"
    problems = {"processes": only, "collected": only, **({"received": problem} if problem else {})}
    return Measured(range=chosen, charts=tuple(charts), problems=problems, is_missing=is_missing)


def related(state: State, service: str) -> frozenset[str]:
    """Return a service and the exporters with its metrics, which are services that need it."""
    exporters = (
        exporter.name
        for exporter in state.services
        if exporter.kind.endswith("-exporter") and service in exporter.needs
    )
    return frozenset({service, *exporters})


def _collected(state: State, chosen: Range) -> list[Chart]:
    # The service with scrape jobs exports their names.
    exports = next(
        (service.exports for service in state.services if service.ready and "jobs" in service.exports), None
    )
    if exports is None:
        raise collected.CollectedError("the stack has no Prometheus that is ready")
    return collected.charts(exports["url"], chosen.since, chosen.until, chosen.step)


async def _received(stack: Stack, chosen: Range, service: str, run: str = "") -> list[Chart]:
    parameters = {
        "since": f"{chosen.since:.3f}",
        "until": f"{chosen.until:.3f}",
        "step": f"{chosen.step:.3f}",
        "limit": str(MOST_POINTS),
        **{name: text for name, text in (("service", service), ("run", run)) if text},
    }
    answer = await telemetry.ask(await stack.endpoints(), "points", parameters)
    return await asyncio.to_thread(received.charts, answer["items"], chosen.step)


def _selected(charts: Sequence[Chart], services: frozenset[str]) -> list[Chart]:
    selected = [
        replace(item, series=tuple(series for series in item.series if series.service in services))
        for item in charts
    ]
    return [item for item in selected if item.series]


def _thinned(series: Series, step: float) -> Series:
    """Return the mean of each period, if a series has more values than periods."""
    if len(series.values) <= (series.values[-1][0] - series.values[0][0]) / step + 1:
        return series
    periods: dict[float, list[tuple[float, float]]] = {}
    for at, value in series.values:
        periods.setdefault(at // step, []).append((at, value))
    means = tuple((part[-1][0], sum(value for _, value in part) / len(part)) for part in periods.values())
    return replace(series, values=means)
