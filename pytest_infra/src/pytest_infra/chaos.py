"""Cause faults in tests: kill, stop or pause services, and disturb connections.

Every fault ends at the latest after the test. A fault in a service affects all tests that use the service.
With pytest-xdist, give such tests the marker `infra_exclusive`, run them on a separate stack, or use a proxy,
which affects only one test.
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
    """The value of the fixture `infra_chaos`: its methods cause faults in the services of the run.

    A fault with a `with` block ends with the block, at the latest after the test. A proxy is closed after the
    test. A fault in a service also affects all copies of the service that tests of this process use.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session = session_of(config)
        self._proxies = contextlib.ExitStack()
        #: the functions that end the current faults
        self._pending: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def killed(self, service: str) -> Iterator[None]:
        """Kill a service with SIGKILL; the service is started again at the end of the block."""
        stack, names = self._stack_with(service)
        with self._undoing(lambda: self._start(service, names)):
            stack.kill(*names)
            yield

    @contextlib.contextmanager
    def stopped(self, service: str) -> Iterator[None]:
        """Stop a service with its stop steps; the service is started again at the end of the block."""
        stack, names = self._stack_with(service)
        with self._undoing(lambda: self._start(service, names)):
            stack.stop(*names)
            yield

    @contextlib.contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Pause a service with SIGSTOP; its connections stay open, but the service does not answer."""
        stack, names = self._stack_with(service)
        with self._undoing(lambda: stack.resume(*names)):
            stack.pause(*names)
            yield

    def crash(self, service: str) -> None:
        """Kill a service with SIGKILL, and wait until its restart policy has made it ready again.

        Raises `StartError` if the service does not become ready.
        """
        stack, names = self._stack_with(service)
        stack.crash(*names, wait=True)
        self._renew(service)

    def proxy(self, service: str | Endpoint, port: str | None = None) -> Proxy:
        """Return a proxy between clients and a service or a unit; the proxy can delay or cut connections.

        A name selects the shared server of the service. Clients connect to the `endpoint` of the proxy.
        `port` selects one of the service's ports; the default is the main port. The proxy is closed after the
        test.
        """
        from pytest_infra.proxy import Proxy

        target = self._session.service(service) if isinstance(service, str) else service
        return self._proxies.enter_context(Proxy(target, port))

    def close(self) -> None:
        """End the faults that have not ended yet, and close the proxies."""
        with self._proxies:
            while self._pending:
                self._pending.pop()()

    @contextlib.contextmanager
    def _undoing(self, undo: Callable[[], None]) -> Iterator[None]:
        """Call `undo`, a function that ends a fault, at the end of the `with` block.

        If the context manager was entered without `with`, `close` calls `undo` after the test.
        """
        self._pending.append(undo)
        try:
            yield
        finally:
            if undo in self._pending:
                self._pending.remove(undo)
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


#: argument of the marker `infra_chaos` → the method of `Chaos` that causes the fault
FAULTS = {"kill": Chaos.killed, "stop": Chaos.stopped, "pause": Chaos.paused}


@contextlib.contextmanager
def faults_of(item: pytest.Item) -> Iterator[None]:
    """Cause the faults in a test's markers `infra_chaos`; the faults end at the end of the `with` block."""
    with contextlib.ExitStack() as faults:
        for marker in item.iter_markers("infra_chaos"):
            if unknown := ", ".join(map(repr, [*marker.args, *(marker.kwargs.keys() - FAULTS.keys())])):
                pytest.fail(
                    f"the marker `infra_chaos` takes {', '.join(FAULTS)}, not {unknown}", pytrace=False
                )
            for fault, service in marker.kwargs.items():
                faults.enter_context(FAULTS[fault](Chaos(item.config), service))
        yield
