"""The use of early starts by the event loop: a service takes over the process that was started for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping

from infra_runtime.host import disk
from infra_runtime.spec import ServiceSpec
from infra_runtime.supervisor.binding import BindingError, Bound, Scope, bind
from infra_runtime.supervisor.children import Children
from infra_runtime.supervisor.early_starts import EXECUTES, EarlyStart


class EarlyStarts:
    """The early starts of a supervisor that no service has taken over yet."""

    def __init__(self, starts: Mapping[str, EarlyStart], children: Children) -> None:
        self._starts = {**starts}
        self._children = children
        #: the services that are prepared, and will use the processes of their early starts
        self._prepared: set[str] = set()
        children.adopt(starts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._starts)

    def bound(self, spec: ServiceSpec) -> Bound | None:
        """Return the ports and folders of an early start with this spec; None if there is none."""
        early = self._starts.get(spec.name)
        return early.bound if early and early.bound.spec == spec else None

    async def prepared(
        self, spec: ServiceSpec, scope: Scope, others: Mapping[str, Bound]
    ) -> EarlyStart | None:
        """Wait for the preparation of a service; return its early start if the service can use the process.

        If the result is None although there was an early start, its process has ended, and its files are
        removed. The service keeps its ports, because other services may already refer to them.
        """
        name = spec.name
        if (early := self._starts.get(name)) is None:
            return None
        is_usable = False
        try:
            is_same = early.bound.spec == spec and early.scope == scope
            if is_same and (early.progress is None or await _received(early.progress) == EXECUTES):
                bind(early.bound, scope, others)
                is_usable = True
        except BindingError:
            pass  # a file of the service has gone; the service is prepared again
        finally:
            del self._starts[name]
            if early.progress is not None:
                os.close(early.progress)
            if not is_usable:
                self._children.sweep(name)
                _remove_data(early.bound)
        if not is_usable:
            return None
        self._prepared.add(name)
        return early

    def process(self, service: str) -> tuple[int, str] | None:
        """Return the pid and start time of the process that a prepared service takes over, but only once."""
        if service not in self._prepared:
            return None
        self._prepared.remove(service)
        return self._children.take_over(service)


def _remove_data(bound: Bound) -> None:
    """Remove what an incomplete preparation has left. The process of the service has exited."""
    for folder in (bound.data, f"{bound.data}.new", bound.run):
        with contextlib.suppress(OSError):
            disk.remove(folder)


async def _received(descriptor: int) -> bytes:
    """Return all bytes that processes write to a pipe, when the last of them has closed it."""
    loop, content = asyncio.get_running_loop(), b""
    os.set_blocking(descriptor, False)
    while True:
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        if not (block := os.read(descriptor, 4096)):
            return content
        content += block
