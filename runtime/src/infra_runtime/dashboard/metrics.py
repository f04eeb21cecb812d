"""The charts of the stack, about the resource usage of its processes and the metrics of its services."""

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

#: the default time range of a request, and the longest time range in seconds
DEFAULT, LONGEST = "15m", 7 * 86400.0
#: the parameters of a request
PARAMETERS = ("since", "until", "service", "run")
#: the largest number of points in an answer of the telemetry service
MOST_POINTS = 10_000
#: the title, the field of `Usage`, the unit and the factor of each chart about processes
_USAGE = (
    ("CPU", "cpu", "%", 100.0),
    ("Memory", "memory", "B", 1.0),
    ("Read from disks", "read", "B/s", 1.0),
    ("Written to disks", "written", "B/s", 1.0),
)


@frozen
class Range:
    """A time range in Unix seconds."""

    since: float
    until: float

    @property
    def step(self) -> float:
        """The seconds between two values of a series in this time range."""
        return max((self.until - self.since) / POINTS, INTERVAL)


@frozen
class Measured:
    """The charts of a time range, and the reasons why sources have no charts."""

    range: Range
    charts: tuple[Chart, ...]
    #: source of charts → the reason why the source has no charts
    problems: Mapping[str, str]
    #: whether the stack has no telemetry service
    is_missing: bool = False


def range_of(query: Mapping[str, str]) -> Range:
    """Return the time range that the parameters of a request select, at most `LONGEST` seconds long.

    Raises `ParameterError` if a parameter is not a time, or if the range is empty.
    """
    now = time.time()
    until = min(time_of("until", query.get("until", ""), now), now)
    since = time_of("since", query.get("since", "") or DEFAULT, now)
    if since >= until:
        raise ParameterError("`since` must be before `until`, and not in the future")
    return Range(since=max(since, until - LONGEST, 0.0), until=until)


def usage_charts(stack: Stack, time_range: Range, service: str = "") -> list[Chart]:
    """Return the charts of the resource usage of all services, or of one service."""
    charts = []
    for title, field, unit, factor in _USAGE:
        samples = stack.history.read(field, time_range.since, time_range.until)
        series = [
            Series(
                name=name, service=name, values=tuple((moment, value * factor) for moment, value in values)
            )
            for name, values in samples.items()
            if service in {"", name}
        ]
        largest = chart(title, unit, "processes", series)
        thinned = tuple(_thinned(line, time_range.step) for line in largest.series)
        charts.append(replace(largest, series=thinned))
    return [item for item in charts if item.series]


async def read(stack: Stack, state: State, query: Mapping[str, str]) -> Measured:
    """Return the charts of a request with the parameters `PARAMETERS`. Raises `ParameterError`.

    The figures up to `state` are in the history, because `Stack.state` has added them.
    """
    if run := query.get("run", ""):
        return await _earlier(stack, query, run)
    time_range, service = range_of(query), query.get("service", "")
    related_names = related(state, service) if service else frozenset()
    problems: dict[str, str] = {}
    scraped, received_charts = await asyncio.gather(
        asyncio.to_thread(_collected, state, time_range),
        _received(stack, time_range, service),
        return_exceptions=True,
    )
    charts = usage_charts(stack, time_range, service)
    for source, result in (("collected", scraped), ("received", received_charts)):
        if isinstance(result, InfraError):
            problems[source] = str(result)
        elif isinstance(result, BaseException):
            raise result
        else:
            charts += _selected(result, related_names) if related_names else result
    is_missing = isinstance(received_charts, TelemetryError) and received_charts.is_missing
    return Measured(range=time_range, charts=tuple(charts), problems=problems, is_missing=is_missing)


async def _earlier(stack: Stack, query: Mapping[str, str], run: str) -> Measured:
    """Return the charts of the metrics that services have sent in an earlier run of the stack.

    Without `until`, the time range ends at the last value of the run. Raises `ParameterError`.
    """
    service = query.get("service", "")
    time_range, charts, problem, is_missing = range_of(query), [], "", False
    try:
        if not query.get("until"):
            parameters = {"run": run, "limit": "1", **({"service": service} if service else {})}
            newest = (await telemetry.ask(await stack.endpoints(), "points", parameters))["items"]
            newest_time = newest[-1]["time"] / 1e9 if newest else time_range.until
            length = time_range.until - time_range.since
            time_range = Range(since=max(newest_time - length, 0.0), until=newest_time)
        charts = await _received(stack, time_range, service, run)
    except TelemetryError as error:
        problem, is_missing = str(error), error.is_missing
    only = "for an earlier run, only the metrics that services have sent are stored"
    problems = {"processes": only, "collected": only, **({"received": problem} if problem else {})}
    return Measured(range=time_range, charts=tuple(charts), problems=problems, is_missing=is_missing)


def related(state: State, service: str) -> frozenset[str]:
    """Return the names of a service and of its exporters (the exporters that need the service)."""
    exporters = (
        exporter.name
        for exporter in state.services
        if exporter.kind.endswith("-exporter") and service in exporter.needs
    )
    return frozenset({service, *exporters})


def _collected(state: State, time_range: Range) -> list[Chart]:
    # Prometheus exports the names of its scrape jobs.
    exports = next(
        (service.exports for service in state.services if service.ready and "jobs" in service.exports), None
    )
    if exports is None:
        raise collected.CollectedError("the stack has no Prometheus that is ready")
    return collected.charts(exports["url"], time_range.since, time_range.until, time_range.step)


async def _received(stack: Stack, time_range: Range, service: str, run: str = "") -> list[Chart]:
    parameters = {
        "since": f"{time_range.since:.3f}",
        "until": f"{time_range.until:.3f}",
        "step": f"{time_range.step:.3f}",
        "limit": str(MOST_POINTS),
        **{name: text for name, text in (("service", service), ("run", run)) if text},
    }
    answer = await telemetry.ask(await stack.endpoints(), "points", parameters)
    return await asyncio.to_thread(received.charts, answer["items"], time_range.step)


def _selected(charts: Sequence[Chart], services: frozenset[str]) -> list[Chart]:
    charts_of_services = [
        replace(chart, series=tuple(series for series in chart.series if series.service in services))
        for chart in charts
    ]
    return [chart for chart in charts_of_services if chart.series]


def _thinned(series: Series, step: float) -> Series:
    """Return a series with the mean of each period of `step` seconds.

    A series that does not have more values than periods is returned without changes.
    """
    if len(series.values) <= (series.values[-1][0] - series.values[0][0]) / step + 1:
        return series
    periods: dict[float, list[tuple[float, float]]] = {}
    for moment, value in series.values:
        periods.setdefault(moment // step, []).append((moment, value))
    means = tuple(
        (period[-1][0], sum(value for _, value in period) / len(period)) for period in periods.values()
    )
    return replace(series, values=means)
