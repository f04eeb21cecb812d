"""A queue of coroutines that run one after another and are cancelled when the stack stops."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from infra_runtime.errors import SupervisorError

T = TypeVar("T")


class ExclusiveTask:
    """A queue of coroutines; at most one coroutine of the queue runs at a time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._closed = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait until no other coroutine of the queue runs, run `work`, and return its result.

        Raises `SupervisorError` if `close` is called before `work` ends.
        """
        async with self._lock:
            task = asyncio.get_running_loop().create_task(work)
            self._task = task
            if self._closed:
                task.cancel()
            await asyncio.wait([task])
            self._task = None
        if task.cancelled():
            raise SupervisorError("the stack is stopping")
        return task.result()

    async def close(self) -> None:
        """Cancel the running and all later coroutines; wait until the running coroutine has ended."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
