"""The removal of the containers of stopped services, in processes that do not block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from infra_runtime.host import containers
from infra_runtime.supervisor.binding import Bound
from infra_runtime.supervisor.children import Children
from infra_runtime.supervisor.guardian_process import Guardian


class ContainerRemoval:
    """Removes containers, and stores for which services the removal has failed."""

    def __init__(self, children: Children, guardian: Guardian, token: str) -> None:
        self._children, self._guardian, self._token = children, guardian, token
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: set[str] = set()

    def watch(self, bound: Bound) -> None:
        """Send the path of the container engine of a service to the guardian, before the service starts.

        If the supervisor exits unexpectedly, the guardian removes the stack's containers of this engine.
        """
        if bound.engine:
            self._guardian.watch_engine(bound.engine)

    def start(self, bound: Bound | None, log: str, done: Callable[[], None]) -> None:
        """Remove the containers of a service whose processes have exited, and then call `done`.

        `bound` is None if the service was not prepared. If no container runs the service, the event loop
        calls `done` in its next iteration. `log` is the path of the file for the messages of the container
        engine.
        """
        if bound is None or not bound.engine:
            asyncio.get_running_loop().call_soon(done)
            return
        name = bound.spec.name
        self._tasks[name] = asyncio.create_task(self._remove(name, bound.engine, log, done))

    async def _remove(self, name: str, engine: str, log: str, done: Callable[[], None]) -> None:
        command = containers.removing_process(engine, self._token, name)
        try:
            # The process is assigned to no service, because the processes of a service can be killed at any
            # time.
            status = await self._children.run("", command, cwd="/", log=log)
        except OSError:
            status = -1
        if status == 0:
            self._failed.discard(name)
        else:
            self._failed.add(name)
        done()

    async def finish(self, service: str) -> None:
        """Wait until the removal of a service's container has ended: the next container has the same name."""
        if task := self._tasks.get(service):
            await asyncio.wait([task])

    def left(self, services: Iterable[str]) -> list[str]:
        """Return the string `container of SERVICE` for each service whose container could not be removed."""
        return [f"container of {name}" for name in services if name in self._failed]
