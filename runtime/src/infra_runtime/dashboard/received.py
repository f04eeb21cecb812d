"""Charts of the metrics that the stack's services send to the telemetry service.

For a sum that only increases, the chart shows its rate. For a distribution, charts show the rate, the share
of failed requests, and (for a histogram with bounds) percentiles. Other values are shown without changes.
Source: OpenTelemetry Specification, "Metrics Data Model", and its semantic conventions for HTTP metrics
(`http.response.status_code`, `error.type`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, TypeAlias

from infra_runtime.dashboard.charts import Chart, Series, chart
from infra_runtime.value import frozen

QUANTILES = (0.5, 0.95, 0.99)
#: the largest number of characters in the name of a series
LABELS = 80
#: units of OpenTelemetry (UCUM) → the unit of a chart and the factor. Source: UCUM
_UNITS = {"ms": ("s", 1e-3), "us": ("s", 1e-6), "ns": ("s", 1e-9), "By": ("B", 1.0), "1": ("", 1.0)}
Point: TypeAlias = Mapping[str, Any]


class _Key(NamedTuple):
    """The key of a series: the fields that are equal in all points of the series."""

    name: str
    type: str
    unit: str
    service: str
    #: the resource and the attributes as one string
    identity: str


@frozen
class _Change:
    """The change of a distribution (a histogram) between two points."""

    time: float
    seconds: float
    count: float
    counts: tuple[float, ...]
    bounds: tuple[float, ...]
    is_failed: bool


def charts(points: Iterable[Point], step: float) -> list[Chart]:
    """Return the charts for points of the query API, with at most one value per `step` seconds."""
    series: dict[_Key, list[Point]] = {}
    for point in points:
        identity = f"{point['resource']}{point['attributes']}"
        key = _Key(point["name"], point["type"], point["unit"], point["service"], identity)
        series.setdefault(key, []).append(point)
    by_name: dict[tuple[str, str, str], dict[_Key, list[Point]]] = {}
    for key, series_points in series.items():
        by_name.setdefault((key.name, key.type, key.unit), {})[key] = sorted(
            series_points, key=lambda p: p["time"]
        )
    charts: list[Chart] = []
    # Charts of HTTP metrics come first, because most services have these metrics.
    for (name, kind, unit), members in sorted(
        by_name.items(), key=lambda item: (not item[0][0].startswith("http"), item[0])
    ):
        charts_of = _distributions if kind in {"histogram", "exponential_histogram", "summary"} else _numbers
        charts += charts_of(name, unit, members, step)
    return [item for item in charts if item.series]


def _numbers(name: str, unit: str, members: Mapping[_Key, Sequence[Point]], step: float) -> Iterator[Chart]:
    unit_text, factor = _unit(unit)
    rates, values = [], []
    for key, points in members.items():
        label = _label(points[-1])
        if points[-1].get("monotonic"):
            changes = ((time, change / seconds * factor) for time, seconds, change in _changes(points))
            rates.append(Series(name=label, service=key.service, values=_thinned(changes, step)))
        else:
            numbers = ((point["time"] / 1e9, point["value"] * factor) for point in points)
            values.append(Series(name=label, service=key.service, values=_thinned(numbers, step)))
    yield chart(name, f"{unit_text}/s" if unit_text in {"", "B"} else f"{unit_text} per s", "received", rates)
    yield chart(name, unit_text, "received", values)


def _distributions(
    name: str, unit: str, members: Mapping[_Key, Sequence[Point]], step: float
) -> Iterator[Chart]:
    unit_text, factor = _unit(unit)
    by_service: dict[str, list[_Change]] = {}
    for key, points in members.items():
        by_service.setdefault(key.service, []).extend(_received(points))
    rates, failures, quantiles = [], [], []
    for service, changes in by_service.items():
        periods: dict[float, list[_Change]] = {}
        for change in changes:
            periods.setdefault(change.time // step * step, []).append(change)
        ordered = sorted(periods.items())
        counts = [
            (time, sum(point.count for point in changes_of_period)) for time, changes_of_period in ordered
        ]
        lengths = {
            time: max(point.seconds for point in changes_of_period) for time, changes_of_period in ordered
        }
        rates.append(
            Series(
                name=service,
                service=service,
                values=tuple((time, count / max(lengths[time], step)) for time, count in counts),
            )
        )
        if any(change.is_failed for change in changes):
            shares = tuple(
                (time, 100 * sum(point.count for point in changes_of_period if point.is_failed) / total)
                for (time, changes_of_period), (_, total) in zip(ordered, counts, strict=True)
                if total
            )
            failures.append(Series(name=service, service=service, values=shares))
        for quantile in QUANTILES:
            values = [(time, _quantile(changes_of_period, quantile)) for time, changes_of_period in ordered]
            measured = tuple((time, value * factor) for time, value in values if value is not None)
            quantiles.append(
                Series(name=f"{service} p{quantile * 100:.0f}", service=service, values=measured)
            )
    yield chart(f"{name}: rate", "/s", "received", rates)
    yield chart(f"{name}: failed", "%", "received", failures)
    yield chart(f"{name}: percentiles", unit_text, "received", quantiles)


def _received(points: Sequence[Point]) -> Iterator[_Change]:
    attributes = points[-1]["attributes"]
    status = str(attributes.get("http.response.status_code", attributes.get("http.status_code", "")))
    is_failed = "error.type" in attributes or status.startswith("5")
    for previous, point in pairwise([None, *points]):
        if point is None or (previous is None and not point["delta"]):
            continue
        counts = tuple(point.get("counts", ()))
        count, start = point["count"], point["start"]
        if previous is not None and not point["delta"] and _continues(previous, point, "count"):
            start = previous["time"]
            count -= previous["count"]
            former = previous.get("counts", ())
            if len(former) == len(counts):
                counts = tuple(max(now - then, 0) for now, then in zip(counts, former, strict=True))
        yield _Change(
            time=point["time"] / 1e9,
            seconds=max(point["time"] - start, 1) / 1e9,
            count=count,
            counts=counts,
            bounds=tuple(point.get("bounds", ())),
            is_failed=is_failed,
        )


def _changes(points: Sequence[Point]) -> Iterator[tuple[float, float, float]]:
    """Yield time, seconds since the previous point, and change of the total, for each point after the first.

    After a restart of the process, its total begins at 0 again.
    """
    for previous, point in pairwise(points):
        seconds = (point["time"] - previous["time"]) / 1e9
        if seconds <= 0:
            continue
        is_total = not point["delta"] and _continues(previous, point, "value")
        yield point["time"] / 1e9, seconds, point["value"] - (previous["value"] if is_total else 0.0)


def _continues(previous: Point, point: Point, field: str) -> bool:
    return bool(point["start"] == previous["start"] and point[field] >= previous[field])


def _quantile(changes: Sequence[_Change], quantile: float) -> float | None:
    """Return a quantile of the values in a period, interpolated in its bucket; None without values.

    A value above the last bound is treated as this bound, as in the function `histogram_quantile` of
    Prometheus.
    """
    bounds = max((change.bounds for change in changes), key=len)
    columns = [change.counts for change in changes if change.bounds == bounds and change.counts]
    if not bounds or not columns:
        return None
    totals = [*accumulate(sum(column) for column in zip(*columns, strict=True))]
    if not totals[-1]:
        return None
    rank = quantile * totals[-1]
    bucket = next(bucket for bucket, total in enumerate(totals) if total >= rank)
    if bucket >= len(bounds):
        return bounds[-1]
    lower, below = (bounds[bucket - 1], totals[bucket - 1]) if bucket else (min(0.0, bounds[0]), 0.0)
    share = (rank - below) / max(totals[bucket] - below, 1e-9)
    return float(lower + (bounds[bucket] - lower) * share)


def _thinned(values: Iterable[tuple[float, float]], step: float) -> tuple[tuple[float, float], ...]:
    """Return the last value of each period of `step` seconds."""
    return tuple({time // step: (time, value) for time, value in values}.values())


def _unit(unit: str) -> tuple[str, float]:
    if unit.startswith("{"):  # an annotation of UCUM, such as `{request}`, is not a unit
        return "", 1.0
    return _UNITS.get(unit, (unit, 1.0))


def _label(point: Point) -> str:
    attributes = ", ".join(f"{name}={value}" for name, value in sorted(point["attributes"].items()))
    text = f"{point['service']} {attributes}".strip()
    return text if len(text) <= LABELS else text[: LABELS - 1] + "…"
