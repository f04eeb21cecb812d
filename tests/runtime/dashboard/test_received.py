"""The charts of metrics that services send: rates, percentiles and failed requests."""

from __future__ import annotations

from typing import Any

import pytest

from infra_runtime.dashboard.received import LABELS, charts

SECOND = 10**9


def point(name: str, at: float, value: float, kind: str = "gauge", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "unit": "",
        "delta": False,
        "service": "api",
        "resource": {},
        "attributes": {},
        "start": 0,
        "time": int(at * SECOND),
        "value": value,
        **more,
    }


def histogram(at: float, counts: list[int], **more: Any) -> dict[str, Any]:
    counted = {"count": sum(counts), "counts": counts, "bounds": [0.1, 1.0], "unit": "s"}
    return point("http.server.request.duration", at, 0.0, "histogram", **{**counted, **more})


def values(points: list[dict[str, Any]], step: float = 10) -> dict[str, dict[str, list[float]]]:
    """Return a mapping from chart title to series name to values."""
    return {
        chart.title: {series.name: [value for _, value in series.values] for series in chart.series}
        for chart in charts(points, step)
    }


def test_a_total_becomes_a_rate_and_a_restart_begins_at_zero() -> None:
    totals = [(10, 0, 0), (20, 50, 0), (30, 20, 25 * SECOND), (40, 120, 25 * SECOND)]
    points = [point("orders", at, value, "sum", monotonic=True, start=start) for at, value, start in totals]

    (chart,) = charts(points, 10)

    assert (chart.unit, [value for _, value in chart.series[0].values]) == ("/s", [5, 2, 10])


def test_a_delta_becomes_a_rate() -> None:
    points = [point("orders", at, 30, "sum", monotonic=True, delta=True) for at in (10, 20)]

    assert values(points) == {"orders": {"api": [3]}}


def test_other_values_are_shown_for_each_combination_of_attributes() -> None:
    points = [
        point("pool", 10, 1500, unit="ms", attributes={"state": "used"}),
        point("pool", 10, 500, unit="ms", attributes={"state": "idle"}),
    ]

    (chart,) = charts(points, 10)

    assert (chart.unit, [(series.name, series.values) for series in chart.series]) == (
        "s",
        [("api state=idle", ((10, 0.5),)), ("api state=used", ((10, 1.5),))],
    )


def test_requests_have_a_rate_percentiles_and_a_share_of_failed_ones() -> None:
    name = "http.server.request.duration"
    failed = {"attributes": {"http.response.status_code": 503}}
    points = [
        *(histogram(10, [0, 0, 0]), histogram(20, [80, 10, 0])),
        *(histogram(10, [0, 0, 0], **failed), histogram(20, [0, 10, 0], **failed)),
    ]

    shown = values(points)

    assert shown[f"{name}: rate"] == {"api": [10]}
    assert shown[f"{name}: failed"] == {"api": [10]}
    assert shown[f"{name}: percentiles"] == {
        "api p50": [pytest.approx(0.0625)],
        "api p95": [pytest.approx(0.775)],
        "api p99": [pytest.approx(0.955)],
    }


def test_a_period_without_requests_has_no_percentile() -> None:
    shown = values([histogram(10, [1, 0, 0]), histogram(20, [1, 0, 0])])

    assert "http.server.request.duration: percentiles" not in shown


def test_the_largest_bound_is_the_percentile_of_values_above_it() -> None:
    shown = values([histogram(10, [0, 0, 0]), histogram(20, [0, 0, 5])])

    assert shown["http.server.request.duration: percentiles"]["api p50"] == [1.0]


def test_a_long_name_is_cut() -> None:
    (series,) = values([point("pool", 10, 1, attributes={"x": "y" * 500})])["pool"]

    assert len(series) == LABELS
