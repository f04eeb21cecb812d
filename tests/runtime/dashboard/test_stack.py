"""The state of the stack, and the connection to the supervisor, which is opened again after its restart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import Supervisor, service
from infra_runtime.dashboard import stack as module
from infra_runtime.dashboard.stack import Stack
from infra_runtime.dashboard.usage import UsageMeter
from infra_runtime.errors import SupervisorError
from infra_runtime.messages import Phase, Services, Status


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
            self.ends.wait(60)


def test_the_events_are_followed_again_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    supervisor = Restarting()

    async def main() -> None:
        stack = Stack(supervisor, UsageMeter())
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


def test_the_start_of_a_phase_changes_only_with_the_phase() -> None:
    supervisor, now = Stopped(service("db")), [1000.0]
    stack = Stack(supervisor, UsageMeter(), clock=lambda: now[0])

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
