"""Charts of the metrics that the stack's services send to the telemetry service.

A sum that only increases becomes a rate; a distribution becomes a rate, percentiles and the share of failed
requests; other values are shown as they are. Source: OpenTelemetry Specification, "Metrics Data Model", and
its semantic conventions for HTTP metrics (`http.response.status_code`, `error.type`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, TypeAlias

from infra_runtime.dashboard.charts import Chart, Series, chart
from infra_runtime.value import frozen

QUANTILES = (0.5, 0.95, 0.99)
#: characters of the attributes in the name of a series
LABELS = 80
#: units of OpenTelemetry (UCUM) → the unit of a chart and the factor. Source: UCUM
_UNITS = {"ms": ("s", 1e-3), "us": ("s", 1e-6), "ns": ("s", 1e-9), "By": ("B", 1.0), "1": ("", 1.0)}
Point: TypeAlias = Mapping[str, Any]


class _Key(NamedTuple):
    """The fields that are equal in all points of a series, such as the name and the attributes."""

    name: str
    type: str
    unit: str
    service: str
    #: the resource and the attributes, as text
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
    """Return the charts of points of the query API, with one value for each `step` seconds."""
    series: dict[_Key, list[Point]] = {}
    for point in points:
        identity = f"{point['resource']}{point['attributes']}"
        key = _Key(point["name"], point["type"], point["unit"], point["service"], identity)
        series.setdefault(key, []).append(point)
    by_name: dict[tuple[str, str, str], dict[_Key, list[Point]]] = {}
    for key, own in series.items():
        by_name.setdefault((key.name, key.type, key.unit), {})[key] = sorted(own, key=lambda p: p["time"])
    charts: list[Chart] = []
    # Metrics of HTTP are first, because most services have them.
    for (name, kind, unit), members in sorted(
        by_name.items(), key=lambda item: (not item[0][0].startswith("http"), item[0])
    ):
        shown = _distributions if kind in {"histogram", "exponential_histogram", "summary"} else _numbers
        charts += shown(name, unit, members, step)
    return [item for item in charts if item.series]


def _numbers(name: str, unit: str, members: Mapping[_Key, Sequence[Point]], step: float) -> Iterator[Chart]:
    shown, factor = _unit(unit)
    rates, values = [], []
    for key, points in members.items():
        label = _label(points[-1])
        if points[-1].get("monotonic"):
            changes = ((time, change / seconds * factor) for time, seconds, change in _changes(points))
            rates.append(Series(name=label, service=key.service, values=_thinned(changes, step)))
        else:
            own = ((point["time"] / 1e9, point["value"] * factor) for point in points)
            values.append(Series(name=label, service=key.service, values=_thinned(own, step)))
    yield chart(name, f"{shown}/s" if shown in {"", "B"} else f"{shown} per s", "received", rates)
    yield chart(name, shown, "received", values)


def _distributions(
    name: str, unit: str, members: Mapping[_Key, Sequence[Point]], step: float
) -> Iterator[Chart]:
    shown, factor = _unit(unit)
    by_service: dict[str, list[_Change]] = {}
    for key, points in members.items():
        by_service.setdefault(key.service, []).extend(_received(points))
    rates, failures, quantiles = [], [], []
    for service, changes in by_service.items():
        periods: dict[float, list[_Change]] = {}
        for change in changes:
            periods.setdefault(change.time // step * step, []).append(change)
        ordered = sorted(periods.items())
        counts = [(time, sum(point.count for point in part)) for time, part in ordered]
        lengths = {time: max(point.seconds for point in part) for time, part in ordered}
        rates.append(
            Series(
                name=service,
                service=service,
                values=tuple((time, count / max(lengths[time], step)) for time, count in counts),
            )
        )
        if any(change.is_failed for change in changes):
            shares = tuple(
                (time, 100 * sum(point.count for point in part if point.is_failed) / total)
                for (time, part), (_, total) in zip(ordered, counts, strict=True)
                if total
            )
            failures.append(Series(name=service, service=service, values=shares))
        for quantile in QUANTILES:
            values = [(time, _quantile(part, quantile)) for time, part in ordered]
            measured = tuple((time, value * factor) for time, value in values if value is not None)
            quantiles.append(
                Series(name=f"{service} p{quantile * 100:.0f}", service=service, values=measured)
            )
    yield chart(f"{name}: rate", "/s", "received", rates)
    yield chart(f"{name}: failed", "%", "received", failures)
    yield chart(f"{name}: percentiles", shown, "received", quantiles)


def _received(points: Sequence[Point]) -> Iterator[_Change]:
    attributes = points[-1]["attributes"]
    status = str(attributes.get("http.response.status_code", attributes.get("http.status_code", "")))
    is_failed = "error.type" in attributes or status.startswith("5")
    for before, point in pairwise([None, *points]):
        if point is None or (before is None and not point["delta"]):
            continue
        counts = tuple(point.get("counts", ()))
        count, since = point["count"], point["start"]
        if before is not None and not point["delta"] and _continues(before, point, "count"):
            since = before["time"]
            count -= before["count"]
            former = before.get("counts", ())
            if len(former) == len(counts):
                counts = tuple(max(now - then, 0) for now, then in zip(counts, former, strict=True))
        yield _Change(
            time=point["time"] / 1e9,
            seconds=max(point["time"] - since, 1) / 1e9,
            count=count,
            counts=counts,
            bounds=tuple(point.get("bounds", ())),
            is_failed=is_failed,
        )


def _changes(points: Sequence[Point]) -> Iterator[tuple[float, float, float]]:
    """Yield the time, the seconds and the change of a total since the previous point.

    A total of a process that has started again begins at 0.
    """
    for before, point in pairwise(points):
        seconds = (point["time"] - before["time"]) / 1e9
        if seconds <= 0:
            continue
        is_total = not point["delta"] and _continues(before, point, "value")
        yield point["time"] / 1e9, seconds, point["value"] - (before["value"] if is_total else 0.0)


def _continues(before: Point, point: Point, field: str) -> bool:
    return bool(point["start"] == before["start"] and point[field] >= before[field])


def _quantile(changes: Sequence[_Change], quantile: float) -> float | None:
    """Return a quantile of the values in a period, interpolated in its bucket; None without values.

    The values above the last bound count as this bound, as in Prometheus's `histogram_quantile`.
    """
    bounds = max((change.bounds for change in changes), key=len)
    columns = [change.counts for change in changes if change.bounds == bounds and change.counts]
    if not bounds or not columns:
        return None
    totals = [*accumulate(sum(column) for column in zip(*columns, strict=True))]
    if not totals[-1]:
        return None
    rank = quantile * totals[-1]
    place = next(place for place, total in enumerate(totals) if total >= rank)
    if place >= len(bounds):
        return bounds[-1]
    lower, below = (bounds[place - 1], totals[place - 1]) if place else (min(0.0, bounds[0]), 0.0)
    share = (rank - below) / max(totals[place] - below, 1e-9)
    return float(lower + (bounds[place] - lower) * share)


def _thinned(values: Iterable[tuple[float, float]], step: float) -> tuple[tuple[float, float], ...]:
    """Return the last value of each period."""
    return tuple({time // step: (time, value) for time, value in values}.values())


def _unit(unit: str) -> tuple[str, float]:
    if unit.startswith("{"):  # an annotation such as `{request}`
        return "", 1.0
    return _UNITS.get(unit, (unit, 1.0))


def _label(point: Point) -> str:
    attributes = ", ".join(f"{name}={value}" for name, value in sorted(point["attributes"].items()))
    text = f"{point['service']} {attributes}".strip()
    return text if len(text) <= LABELS else text[: LABELS - 1] + "…"
