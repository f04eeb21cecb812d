"""Tasks that exclude each other: order, result, and cancellation."""

from __future__ import annotations

import asyncio

import pytest

from infra_runtime.errors import SupervisorError
from infra_runtime.supervisor.exclusive_task import ExclusiveTask


def test_a_task_begins_when_the_previous_one_has_ended_and_its_result_is_returned() -> None:
    async def scenario() -> None:
        tasks, steps = ExclusiveTask(), []

        async def work(name: str) -> str:
            steps.append(f"{name} begins")
            await asyncio.sleep(0)
            steps.append(f"{name} ends")
            return name

        results = await asyncio.gather(tasks.run(work("one")), tasks.run(work("two")))

        assert results == ["one", "two"]
        assert steps == ["one begins", "one ends", "two begins", "two ends"]

    asyncio.run(scenario())


def test_an_error_of_a_task_is_raised_and_the_next_task_runs() -> None:
    async def scenario() -> None:
        tasks = ExclusiveTask()

        async def fail() -> None:
            raise ValueError("wrong")

        async def succeed() -> str:
            return "right"

        with pytest.raises(ValueError, match="wrong"):
            await tasks.run(fail())
        assert await tasks.run(succeed()) == "right"

    asyncio.run(scenario())


def test_closing_cancels_the_running_task_and_those_that_wait_for_it() -> None:
    async def scenario() -> None:
        tasks, steps, began = ExclusiveTask(), [], asyncio.Event()

        async def work(name: str) -> None:
            steps.append(f"{name} begins")
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                steps.append(f"{name} has cleaned up")

        running = [asyncio.ensure_future(tasks.run(work(name))) for name in ("one", "two")]
        await began.wait()

        await tasks.close()

        assert steps == ["one begins", "one has cleaned up"]
        for result in await asyncio.gather(*running, return_exceptions=True):
            assert isinstance(result, SupervisorError)
        assert steps == ["one begins", "one has cleaned up"]

    asyncio.run(scenario())
