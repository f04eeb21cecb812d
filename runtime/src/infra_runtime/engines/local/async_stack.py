"""The variants of `start`, `attach` and `Stack` for async code, with coroutines for most methods."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from infra_runtime.engines.local import engine
from infra_runtime.engines.local.stack import Endpoint, Stack

P = ParamSpec("P")
T = TypeVar("T")


def _twin(
    method: Callable[Concatenate[Stack, P], T],
) -> Callable[Concatenate[AsyncStack, P], Coroutine[Any, Any, T]]:
    """Return an async method that calls a method of `Stack` in a thread, without blocking the event loop."""

    @functools.wraps(method)
    async def awaited(self: AsyncStack, /, *arguments: P.args, **options: P.kwargs) -> T:
        return await asyncio.to_thread(method, self._stack, *arguments, **options)

    return awaited


class AsyncStack:
    """A running stack for async code, with the methods of `Stack`, most of which are coroutines.

    `endpoints`, `env` and the endpoints of services are not: they block the event loop until the supervisor
    has answered one request, which takes milliseconds. `up` and `events` are the methods of `Stack`, which
    block the event loop, too.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def data(self) -> Path:
        """The path of the stack's data directory, as in `Stack.data`."""
        return self._stack.data

    def __getattr__(self, name: str) -> Endpoint:
        if name.startswith("_"):  # `copy` reads such attributes before the new object has `_stack`
            raise AttributeError(name)
        return getattr(self._stack, name)  # type: ignore[no-any-return]  # a Stack's unknown names are endpoints

    def __getitem__(self, name: str) -> Endpoint:
        return self._stack[name]

    def endpoints(self) -> dict[str, Endpoint]:
        """Return a mapping from service name to endpoint, as in `Stack.endpoints`."""
        return self._stack.endpoints()

    def env(self) -> dict[str, str]:
        """Return the environment variables for programs, as in `Stack.env`."""
        return self._stack.env()

    def last_change(self) -> tuple[int, int] | None:
        """Return a value that changes with each event of the stack, as in `Stack.last_change`."""
        return self._stack.last_change()

    status = _twin(Stack.status)
    start = _twin(Stack.start)
    stop = _twin(Stack.stop)
    restart = _twin(Stack.restart)
    wait = _twin(Stack.wait)
    kill = _twin(Stack.kill)
    crash = _twin(Stack.crash)
    pause = _twin(Stack.pause)
    resume = _twin(Stack.resume)
    snapshot = _twin(Stack.snapshot)
    restore = _twin(Stack.restore)
    stay = _twin(Stack.stay)
    down = _twin(Stack.down)
    finish = _twin(Stack.finish)
    close = _twin(Stack.close)

    def __repr__(self) -> str:
        return f"<AsyncStack {self._stack.data}>"


@asynccontextmanager
async def astart(*services: str, **options: Any) -> AsyncIterator[AsyncStack]:
    """Start services like `start`, for async code: `async with infra.astart("postgres") as stack`."""
    async with _held(functools.partial(engine.start, *services, **options)) as async_stack:
        yield async_stack


@asynccontextmanager
async def aattach(data: Path | str | None = None, **options: Any) -> AsyncIterator[AsyncStack]:
    """Connect to a running stack like `attach`, for async code: `async with infra.aattach() as stack`."""
    async with _held(functools.partial(engine.attach, data, **options)) as async_stack:
        yield async_stack


@asynccontextmanager
async def _held(open_stack: Callable[[], Stack]) -> AsyncIterator[AsyncStack]:
    async_stack = AsyncStack(await asyncio.to_thread(open_stack))
    try:
        yield async_stack
    finally:
        await async_stack.close()
