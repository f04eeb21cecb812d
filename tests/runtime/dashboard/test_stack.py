"""The state of the stack, and the connection to the supervisor, which is opened again after its restart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import Supervisor, service
from infra_runtime.dashboard import stack as module
from infra_runtime.dashboard.error_counts import ErrorCounts
from infra_runtime.dashboard.stack import FRESH_FOR_PAGES, Stack
from infra_runtime.dashboard.usage import Usage, UsageMeter
from infra_runtime.errors import SupervisorError
from infra_runtime.messages import Endpoints, Phase, Services, Status


class Restarting(Supervisor):
    """A supervisor that exits during the first connection, and refuses the second one."""

    def __init__(self) -> None:
        super().__init__(service("db"))
        self.connections = 0
        self.is_followed, self.ends = threading.Event(), threading.Event()

    def follow(self, changed: Callable[[], None]) -> None:
        self.connections += 1
        if self.connections == 2:
            raise SupervisorError("the supervisor has exited")
        changed()
        if self.connections == 3:
            self.is_followed.set()
            self.ends.wait(300)


def test_the_events_are_followed_again_after_a_restart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    supervisor = Restarting()

    async def main() -> None:
        stack = Stack(supervisor, UsageMeter(), ErrorCounts(tmp_path))
        stack.follow()
        assert await asyncio.to_thread(supervisor.is_followed.wait, 60)
        supervisor.services["db"] = service("db", restarts=7)
        stack.change()
        assert (await stack.state()).services["db"].restarts == 7

    asyncio.run(main())
    supervisor.ends.set()
    for thread in threading.enumerate():
        if thread.name == "events":
            thread.join(60)


class Stopped(Supervisor):
    """A supervisor whose clock has stopped: the seconds in a phase stay the same."""

    def status(self) -> Status:
        return replace(super().status(), services=Services(self.services.values()))


def test_the_start_of_a_phase_changes_only_with_the_phase(tmp_path: Path) -> None:
    supervisor, now = Stopped(service("db")), [1000.0]
    stack = Stack(supervisor, UsageMeter(), ErrorCounts(tmp_path), clock=lambda: now[0])

    async def since() -> float:
        stack.change()
        return (await stack.state()).since["db"]

    async def main() -> None:
        assert await since() == 995.0
        now[0] += 0.9  # the call was slow
        assert await since() == 995.0
        supervisor.services["db"] = service("db", phase=Phase.PAUSED)
        assert await since() == 995.9
        now[0] += 60  # the service was paused again
        assert await since() == 1055.9

    asyncio.run(main())


class Counted(Supervisor):
    """A supervisor that counts its calls."""

    def __init__(self) -> None:
        super().__init__(service("db"))
        self.calls: list[str] = []

    def status(self) -> Status:
        self.calls.append("status")
        return super().status()

    def endpoints(self) -> Endpoints:
        self.calls.append("endpoints")
        return super().endpoints()


def test_a_page_uses_an_older_state_until_an_event_arrives(tmp_path: Path) -> None:
    supervisor, now = Counted(), [1000.0]
    stack = Stack(supervisor, UsageMeter(), ErrorCounts(tmp_path), clock=lambda: now[0])

    async def main() -> list[int]:
        counts = []
        for seconds, is_changed in ((0.0, False), (30.0, False), (0.5, True), (30.0, False), (60.0, False)):
            now[0] += seconds
            if is_changed:
                stack.change()
            await stack.state(FRESH_FOR_PAGES)
            await stack.endpoints()
            counts.append(len(supervisor.calls))
        return counts

    assert asyncio.run(main()) == [2, 2, 4, 4, 6]


def test_the_state_after_an_event_has_the_figures_that_were_measured_before_it(tmp_path: Path) -> None:
    measured: list[float] = []

    class Meter(UsageMeter):
        def measure(self, pids: Mapping[str, int]) -> dict[str, Usage]:
            measured.append(now[0])
            return super().measure(pids)

    now = [1000.0]
    stack = Stack(Supervisor(service("db")), Meter(), ErrorCounts(tmp_path), clock=lambda: now[0])

    async def main() -> None:
        await stack.state()
        for seconds in (2.0, 2.0, 2.0):
            now[0] += seconds
            stack.change()
            await stack.state()
        now[0] += 2.0
        await stack.state()

    asyncio.run(main())

    assert measured == [1000.0, 1006.0, 1008.0]
