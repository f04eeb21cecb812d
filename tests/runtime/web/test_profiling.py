from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("structlog", reason="needs the extra `web`")

from infra_runtime.web import profiling
from infra_runtime.web.problems import ProblemError


def test_the_memory_profile_names_the_file_that_allocates() -> None:
    kept: list[bytes] = []

    async def run() -> str:
        task = asyncio.ensure_future(profiling.memory_profile(0.001))
        await asyncio.sleep(0)
        kept.extend(bytes(1000) for _ in range(1000))
        return await task

    assert "test_profiling.py" in asyncio.run(run()).splitlines()[0]


def test_only_one_profile_is_recorded_at_a_time() -> None:
    async def run() -> None:
        task = asyncio.ensure_future(profiling.cpu_profile(20))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="409"):
            await profiling.memory_profile(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await profiling.memory_profile(0.001)

    asyncio.run(run())
