"""The numbers beside the links of the navigation: failed services and tests, errors, firing alerts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from infra_runtime.dashboard import alerts, telemetry
from infra_runtime.dashboard.stack import Stack, State
from infra_runtime.data_directory import session_record
from infra_runtime.errors import InfraError
from infra_runtime.messages import Phase

#: the shortest time in seconds between two reads of the tests and alerts while a page is open
INTERVAL = 5.0
#: the largest number of alerts that are counted; the navigation shows `999+` for 1000 or more
MOST_ALERTS = 1000
#: the outcomes of the tests that are counted
_FAILURES = ("failed", "error")


class NavigationCounts:
    """The newest numbers, which all pages and streams share.

    Tests and alerts are read in the background, so that a page does not wait for them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed_tests = self._alerts = 0
        self._began = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def refresh(self, stack: Stack, reports: Iterable[Path]) -> None:
        """Start a task that reads the tests and alerts, at most once in `INTERVAL` seconds.

        `reports` are the data directories with the sessions of tests. If a number has changed, the streams of
        all pages send it.
        """
        is_reading = self._task is not None and not self._task.done()
        if is_reading or self._clock() - self._began < INTERVAL:
            return
        self._began = self._clock()
        self._task = asyncio.create_task(self._read(stack, tuple(reports)))

    def numbers(self, state: State | None) -> Mapping[str, tuple[int, str]]:
        """Return a mapping from id (of the element beside a link) to the number and its description."""
        failed = errors = 0
        if state:
            failed = sum(service.phase is Phase.FAILED for service in state.services)
            errors = sum(state.errors.values())
        tests, firing = self._failed_tests, self._alerts
        return {
            "count-services": (failed, f"{failed} failed service{_plural(failed)}"),
            "count-logs": (errors, f"{errors} error{_plural(errors)} in the logs"),
            "count-tests": (tests, f"{tests} failed test{_plural(tests)} in the newest session"),
            "count-alerts": (firing, f"{firing} firing alert{_plural(firing)}"),
        }

    async def _read(self, stack: Stack, reports: tuple[Path, ...]) -> None:
        previous_counts = self._failed_tests, self._alerts
        self._failed_tests = await asyncio.to_thread(_failed_tests, reports)
        # The supervisor or the telemetry service can be unavailable at the moment.
        with contextlib.suppress(InfraError):
            self._alerts = await _firing(stack)
        if (self._failed_tests, self._alerts) != previous_counts:
            stack.change()


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


def _failed_tests(reports: Iterable[Path]) -> int:
    """Return the number of failed tests in the newest session; 0 without a session."""
    newest = session_record.listing(reports, 1).sessions
    return sum(newest[0].counts.get(outcome, 0) for outcome in _FAILURES) if newest else 0


async def _firing(stack: Stack) -> int:
    """Return the number of firing alerts, or 0 if no telemetry service is running. Raises `InfraError`."""
    endpoints, state = await stack.endpoints(), stack.last
    name = telemetry.service_of(endpoints)
    pids = {service.name: service.pid for service in state.services} if state else {}
    # No request is sent to a telemetry service without a process, because the connection would start this
    # process.
    if name is None or not pids.get(name):
        return 0
    stored, _ = await alerts.stored(endpoints, {"status": "firing"}, MOST_ALERTS)
    return sum(alert.status == "firing" for alert in stored)
