"""Trouble on purpose, always undone: services killed, stopped, frozen, or at the end of a bad line.

What is done to a service is done to everybody who uses it: under xdist, give such tests a stack of their
own, or a proxy, which is the test's alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_infra.process import session_of
from pytest_infra.unit_registry import UnitRegistry

if TYPE_CHECKING:
    from infra_runtime.engines.local.stack import Endpoint, Stack
    from pytest_infra.isolation.unit import Unit
    from pytest_infra.proxy import Proxy


class Chaos:
    """What can be done to the services of the run. Each act is undone when its `with` ends, or the test.

    Whoever names a service means it and the copies of it that tests of this process have.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session = session_of(config)
        self._undone_last = contextlib.ExitStack()
        #: what was done and is not undone
        self._open: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def killed(self, service: str) -> Iterator[None]:
        """SIGKILL, and nobody starts it again meanwhile."""
        stack, names = self._stack_with(service)
        with self._undoing(lambda: self._start(service, names)):
            stack.kill(*names)
            yield

    @contextlib.contextmanager
    def stopped(self, service: str) -> Iterator[None]:
        """Stopped as it likes to be stopped."""
        stack, names = self._stack_with(service)
        with self._undoing(lambda: self._start(service, names)):
            stack.stop(*names)
            yield

    @contextlib.contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Frozen: connections stay open, and nothing answers."""
        stack, names = self._stack_with(service)
        with self._undoing(lambda: stack.resume(*names)):
            stack.pause(*names)
            yield

    def crash(self, service: str) -> None:
        """SIGKILL, and return when the supervisor has it ready again."""
        stack, names = self._stack_with(service)
        stack.crash(*names, wait=True)
        self._renew(service)

    def proxy(self, service: str | Endpoint, port: str | None = None) -> Proxy:
        """A line to a service, or to a unit of one, that can be made slow or cut until the test's end.

        Clients are given its `endpoint`. `port` names one where the service has several.
        """
        from pytest_infra.proxy import Proxy

        target = self._session.service(service) if isinstance(service, str) else service
        return self._undone_last.enter_context(Proxy(target, port))

    def close(self) -> None:
        """Undo what is left to undo, and end the proxies."""
        with self._undone_last:
            while self._open:
                self._open.pop()()

    @contextlib.contextmanager
    def _undoing(self, undo: Callable[[], None]) -> Iterator[None]:
        """Whoever enters a block without `with` may never leave it."""
        self._open.append(undo)
        try:
            yield
        finally:
            if undo in self._open:
                self._open.remove(undo)
                undo()

    def _start(self, service: str, names: Iterable[str]) -> None:
        self._session.lease.start(*names)
        self._renew(service)

    def _renew(self, service: str) -> None:
        for unit in self._units(service):
            unit.renew()

    def _units(self, service: str) -> list[Unit]:
        registry = self._config.stash.get(UnitRegistry.KEY, None)
        return [unit for unit in registry.live if unit.name == service] if registry else []

    def _stack_with(self, service: str) -> tuple[Stack, list[str]]:
        self._session.service(service)
        copies = {unit.process for unit in self._units(service)} - {service}
        return self._session.lease, [service, *sorted(copies)]


#: the marker's words
ACTS = {"kill": Chaos.killed, "stop": Chaos.stopped, "pause": Chaos.paused}


@contextlib.contextmanager
def marked(item: pytest.Item) -> Iterator[None]:
    """What the markers of a test ask for, while it runs."""
    with contextlib.ExitStack() as acts:
        for marker in item.iter_markers("infra_chaos"):
            if unknown := ", ".join(map(repr, [*marker.args, *(marker.kwargs.keys() - ACTS.keys())])):
                pytest.fail(f"the marker infra_chaos takes {', '.join(ACTS)}, not {unknown}", pytrace=False)
            for act, service in marker.kwargs.items():
                acts.enter_context(ACTS[act](Chaos(item.config), service))
        yield
