"""The fixture `infra_metrics`: the values of metrics that services have sent."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from pytest_infra.kit_context import FixtureContext
from pytest_infra.services.telemetry.query import ask

__all__ = ["Change", "MetricMissingError", "Metrics", "Point"]

#: seconds for which a method waits for the next export of a service
TIMEOUT = 10.0
#: seconds for which `change` waits for an export before its block; a service without metrics sends no exports
FIRST_EXPORT = 1.0


class MetricMissingError(InfraError, AssertionError):
    """The error that no value of a metric arrived within the time limit."""

    hint = "Correct the name or the service, or increase `timeout`."


class Point(NamedTuple):
    """A value of a metric; `time` is nanoseconds since the epoch. The value of a distribution is its sum."""

    service: str
    name: str
    value: float
    attributes: Mapping[str, Any]
    time: int


class Change:
    """The change of a metric during a block; `value` is set when the block has ended."""

    value: float


class Metrics:
    """The metrics of the services of a stack. They do not belong to a test: all tests share the services."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server

    def points(self, name: str, *, service: str | None = None, **attributes: Any) -> list[Point]:
        """Return the newest values of a metric: one for each series that has these attributes."""
        return [*self._series(name, service, attributes).values()]

    def _series(
        self, name: str, service: str | None, attributes: Mapping[str, Any], *, restarts: bool = False
    ) -> dict[str, Point]:
        answer = ask(self._server, "points", name=name, service=service, limit=10_000)
        return newest_points(answer["items"], attributes, restarts=restarts)

    def value(
        self, name: str, *, service: str | None = None, timeout: float = TIMEOUT, **attributes: Any
    ) -> float:
        """Return the sum over the series of a metric, when a value of an export after this call has arrived.

        If several services send the metric, select one with `service`: the values of the others can be older.
        The sum is 0 if no series has these attributes. Raises `MetricMissingError` if no value of the metric
        arrives within `timeout` seconds.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test that calls this method
        self._wait(name, service, time.time(), timeout)
        return sum(point.value for point in self.points(name, service=service, **attributes))

    @contextlib.contextmanager
    def change(
        self, name: str, *, service: str | None = None, timeout: float = TIMEOUT, **attributes: Any
    ) -> Iterator[Change]:
        """Yield an object whose `value` is the change of a metric during the block.

        A metric that does not exist before the block has the value 0. A counter that begins at 0 again,
        because its service was restarted, continues with its last value. Before the block, wait for the next
        export of any metric, at most `FIRST_EXPORT` seconds; at the end of the block, wait for the next
        export of this metric, at most `timeout` seconds.
        """
        __tracebackhide__ = True
        change = Change()
        ask(self._server, "points", FIRST_EXPORT, service=service, since=f"{time.time():.9f}", limit=1)
        before = self._series(name, service, attributes, restarts=True)
        yield change
        self._wait(name, service, time.time(), timeout)
        after = self._series(name, service, attributes, restarts=True)
        change.value = sum(point.value for point in after.values()) - sum(
            point.value for point in before.values()
        )

    def _wait(self, name: str, service: str | None, since: float, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        query = {"name": name, "service": service, "since": f"{since:.9f}", "limit": 1}
        while not ask(self._server, "points", deadline - time.monotonic(), **query)["items"]:
            if time.monotonic() < deadline:  # the service has waited for `LONGEST_WAIT`
                continue
            arrived = [metric["name"] for metric in ask(self._server, "metrics")["items"]]
            raise MetricMissingError(
                f"no value of the metric {name!r} arrived within {timeout:g} s; "
                f"metrics that arrived before: {', '.join(arrived) or 'none'}"
            )


def newest_points(
    items: Iterable[Mapping[str, Any]], attributes: Mapping[str, Any], *, restarts: bool = False
) -> dict[str, Point]:
    """Return a mapping from series to newest value, for the series with these attributes.

    `items` are points of the query API, the oldest first. With `restarts`, a counter whose value decreases
    has begun at 0 again, and its previous value is added.
    """
    newest: dict[str, Point] = {}
    offsets: dict[str, float] = {}
    for point in items:
        if not attributes.items() <= point["attributes"].items():
            continue
        series = repr((point["resource"], sorted(point["attributes"].items())))
        previous_value = newest[series].value if series in newest else 0.0
        offset = offsets.get(series, 0.0)
        if point["delta"] or (
            restarts and point.get("monotonic") and point["value"] < previous_value - offset
        ):
            offset = offsets[series] = previous_value
        fields: dict[str, Any] = {field: point.get(field) for field in Point._fields}
        newest[series] = Point(**fields)._replace(value=point["value"] + offset)
    return newest


def metrics(_context: FixtureContext, unit: Endpoint) -> Iterator[Metrics]:
    """Yield the metrics of the services."""
    yield Metrics(unit)
