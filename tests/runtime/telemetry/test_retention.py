"""The limits on stored rows: old metric points are thinned, and the oldest rows are deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_runtime.telemetry import retention
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import Point, Records, Resource
from infra_runtime.telemetry.store import Store

API = Resource("api", "{}")
SECOND, MINUTE, HOUR = 10**9, 60 * 10**9, 3600 * 10**9
#: the begin of a minute
START = 1_700_000_040 * SECOND


def point(
    time: int, name: str = "requests", *, delta: int = 0, attributes: str = "{}", unit: str = ""
) -> Point:
    return Point(API, name, "sum", unit, delta, attributes, START, time, float(time), "{}")


def written(store: Store, *points: Point) -> None:
    """Write points that arrive at their times."""
    for one in points:
        store.add(Records([], [], [one], 0, ""), 100, one.time)
        assert store.write()


def times(store: Store, name: str = "requests") -> list[int]:
    """Return the seconds from the start to each point of a metric."""
    rows = store.read("SELECT time FROM point WHERE name = ? ORDER BY seq", [name])
    return [(row["time"] - START) // SECOND for row in rows]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path, Limits())
    yield opened
    opened.close()


def test_after_an_hour_the_last_point_of_each_minute_remains(store: Store) -> None:
    written(store, *(point(START + number * 10 * SECOND) for number in range(14)))

    written(store, point(START + HOUR + 121 * SECOND))

    assert times(store) == [50, 110, 120, 130, 3721]


def test_the_points_of_an_hour_remain(store: Store) -> None:
    written(store, *(point(START + number * SECOND) for number in range(5)))

    written(store, point(START + HOUR))

    assert times(store) == [0, 1, 2, 3, 4, 3600]


def test_each_series_has_its_own_points(store: Store) -> None:
    written(
        store,
        point(START, attributes='{"path":"/a"}'),
        point(START + SECOND, attributes='{"path":"/b"}'),
        point(START + 2 * SECOND, attributes='{"path":"/a"}'),
        point(START + 3 * SECOND, "errors"),
    )

    written(store, point(START + 2 * HOUR))

    assert (times(store), times(store, "errors")) == ([1, 2, 7200], [3])


def test_a_delta_is_not_deleted(store: Store) -> None:
    written(store, *(point(START + number * SECOND, delta=1) for number in range(3)))

    written(store, point(START + 2 * HOUR))

    assert times(store) == [0, 1, 2, 7200]


def test_more_points_than_a_slice_are_thinned_step_by_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(store, *(point(START + number * SECOND) for number in range(30)))
    monkeypatch.setattr(retention, "SLICE", 10)

    written(store, *(point(START + 2 * HOUR + number) for number in range(4)))

    assert times(store) == [29, 7200, 7200, 7200, 7200]


def test_old_points_are_thinned_after_a_restart(tmp_path: Path) -> None:
    first = Store(tmp_path, Limits())
    written(first, *(point(START + number * SECOND) for number in range(3)))
    first._writer.close()  # as by the kernel
    second = Store(tmp_path, Limits())

    written(second, point(START + 2 * HOUR))

    assert times(second) == [2, 7200]
    second.close()


def test_points_are_thinned_after_the_clock_was_set_back(store: Store) -> None:
    written(store, *(point(START + 2 * HOUR + number * SECOND) for number in range(3)))

    written(store, point(START))

    assert times(store) == [7202, 0]


def test_points_that_were_thinned_do_not_count_for_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits(points=12))
    written(store, *(point(START + number * SECOND) for number in range(10)))

    written(store, *(point(START + 2 * HOUR + number * SECOND) for number in range(8)))

    assert times(store) == [9, *range(7200, 7208)]
    assert store.read("SELECT * FROM dropped WHERE name = 'point'") == []
    store.close()


def test_metrics_with_one_name_and_different_units_are_different_series(store: Store) -> None:
    written(store, point(START, unit="s"), point(START + SECOND, unit="ms"))

    written(store, point(START + HOUR + 61 * SECOND))

    assert times(store) == [0, 1, 3661]
