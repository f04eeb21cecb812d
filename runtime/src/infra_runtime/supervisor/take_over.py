"""Use the early starts in the event loop: a service takes over the process that was started for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Mapping

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
        for early in starts.values():
            early.bound.is_preliminary = True

    def bound(self, spec: ServiceSpec) -> Bound | None:
        """Return the service with the ports and folders of its early start; None without an early start.

        An early start of the service with another spec is discarded.
        """
        early = self._starts.get(spec.name)
        if early and early.bound.spec == spec:
            return early.bound
        self.discard(spec.name)
        return None

    def keep(self, services: Collection[str]) -> list[str]:
        """Discard all early starts except those of `services`.

        Return a list with the text `process PID` for each process that did not exit.
        """
        discarded_services = [name for name in self._starts if name not in services]
        return [process for name in discarded_services for process in self.discard(name)]

    def discard(self, service: str) -> list[str]:
        """Kill the process of an early start, and remove the files of the service.

        Do nothing if the service has taken the process over. The service keeps its ports, because other
        services may already refer to them. Return a list with the text `process PID` for each process that
        did not exit.
        """
        if (early := self._remove(service)) is None:
            return []
        remaining = self._children.sweep(service)
        for folder in (early.bound.data, f"{early.bound.data}.new", early.bound.run):
            with contextlib.suppress(OSError):
                disk.remove(folder)
        return remaining

    def _remove(self, service: str) -> EarlyStart | None:
        """Remove an early start from this object, close its pipe, and return the early start."""
        early = self._starts.pop(service, None)
        if early and early.progress is not None:
            asyncio.get_running_loop().remove_reader(early.progress)
            os.close(early.progress)
        return early

    async def prepared(
        self, spec: ServiceSpec, scope: Scope, others: Mapping[str, Bound]
    ) -> EarlyStart | None:
        """Wait for the preparation of a service; return its early start if the service can use the process.

        Otherwise, return None. The early start is discarded in this case and if this coroutine is cancelled.
        """
        name = spec.name
        if (early := self._starts.get(name)) is None:
            return None
        try:
            is_unchanged = early.bound.spec == spec and early.scope == scope
            if is_unchanged and (early.progress is None or await _received(early.progress) == EXECUTES):
                early.bound.is_preliminary = False
                bind(early.bound, scope, others)
                self._prepared.add(name)
                return self._remove(name)
        except BindingError:
            pass  # a file of the service is missing; the service is prepared again
        finally:
            self.discard(name)
        return None

    def process(self, service: str) -> tuple[int, str] | None:
        """Return the pid and start time of the process that a prepared service takes over.

        The result is None if the service has no prepared process, or has already taken its process over.
        """
        if service not in self._prepared:
            return None
        self._prepared.remove(service)
        return self._children.take_over(service)


async def _received(descriptor: int) -> bytes:
    """Return all bytes that are written to a pipe before its last writer closes it.

    If this coroutine is cancelled, the caller removes the reader of the pipe from the event loop.
    """
    loop, content = asyncio.get_running_loop(), b""
    os.set_blocking(descriptor, False)
    while True:
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        await readable.wait()
        if not (block := os.read(descriptor, 4096)):
            return content
        content += block
