"""The tasks of the supervisor: an error that a task does not handle becomes an event of its service."""

from __future__ import annotations

import asyncio

import pytest

from infra_runtime.supervisor.state import Event
from infra_runtime.supervisor.supervisor import Supervisor


class RecordingSupervisor(Supervisor):
    """A supervisor without files and processes; it records the events."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self.events: list[Event] = []

    def dispatch(self, event: Event) -> None:
        self.events.append(event)


@pytest.mark.asyncio
async def test_an_unexpected_error_in_a_task_is_an_event_and_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    supervisor = RecordingSupervisor()

    async def work() -> None:
        raise AttributeError("pbkdf2_hmac")

    supervisor._task("db", work(), failed="probe-failed")
    await supervisor._tasks["db"]

    reason = "internal error, see supervisor.log: AttributeError('pbkdf2_hmac')"
    assert supervisor.events == [Event("probe-failed", "db", reason)]
    assert "AttributeError: pbkdf2_hmac" in capsys.readouterr().err
