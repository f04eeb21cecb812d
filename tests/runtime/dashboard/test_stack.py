"""The connection to the supervisor, which the dashboard opens again after a restart of the supervisor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import Supervisor, service
from infra_runtime.dashboard import stack as module
from infra_runtime.dashboard.stack import Stack
from infra_runtime.dashboard.usage import UsageMeter
from infra_runtime.errors import SupervisorError


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
