"""The newest values of series, from the points of the query API."""

from __future__ import annotations

from typing import Any

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.telemetry import metrics
from pytest_infra.services.telemetry.metrics import newest_points


def item(value: float, *, delta: int = 0, monotonic: bool = True, path: str = "/") -> dict[str, Any]:
    return {
        "service": "api",
        "name": "requests",
        "value": value,
        "attributes": {"path": path},
        "resource": {"service.name": "api"},
        "time": 1,
        "delta": delta,
        "monotonic": monotonic,
    }


def test_a_value_is_awaited_with_several_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers a request after at most `LONGEST_WAIT` seconds, also without a value."""
    answers = iter([{"items": []}, {"items": [item(3)]}, {"items": [item(3)]}])
    monkeypatch.setattr(metrics, "ask", lambda *_, **_parameters: next(answers))
    server = Endpoint("telemetry", {}, {}, "")

    assert metrics.Metrics(server).value("requests") == 3


def total(items: list[dict[str, Any]], *, restarts: bool) -> float:
    return sum(point.value for point in newest_points(items, {}, restarts=restarts).values())


@pytest.mark.parametrize(
    ("values", "newest", "continued"),
    [([3, 5], 5, 5), ([3, 5, 1], 1, 6), ([3, 1, 2, 1], 1, 6), ([5, 0, 5, 5], 5, 10)],
    ids=["increases", "restarted", "restarted-twice", "restarted-at-the-same-value"],
)
def test_a_restarted_counter_continues_with_its_last_value(
    values: list[float], newest: float, continued: float
) -> None:
    items = [item(value) for value in values]

    assert total(items, restarts=False) == newest
    assert total(items, restarts=True) == continued


def test_a_gauge_that_decreases_is_not_restarted() -> None:
    assert total([item(5, monotonic=False), item(2, monotonic=False)], restarts=True) == 2


def test_deltas_of_a_metric_are_added_up() -> None:
    assert total([item(2, delta=1), item(1, delta=1), item(4, delta=1)], restarts=True) == 7


def test_each_set_of_attributes_is_a_series() -> None:
    items = [item(5, path="/a"), item(2, path="/b"), item(6, path="/a")]

    assert total(items, restarts=True) == 8
    assert [point.value for point in newest_points(items, {"path": "/b"}).values()] == [2]
