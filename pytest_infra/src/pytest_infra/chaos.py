"""Trouble on purpose, always undone: services killed, stopped, frozen, or at the end of a bad line.

What is done to a service is done to everybody who uses it: under xdist, give such tests a stack of their
own, or a proxy, which is the test's alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_infra.fixtures import session_of

if TYPE_CHECKING:
    from infra_runtime.stack import Endpoint, Stack
    from pytest_infra.proxy import Proxy
    from pytest_infra.session import Session

MARKER = (
    "infra_chaos(kill=SERVICE, stop=SERVICE, pause=SERVICE): do that to the service while the test runs, "
    "and undo it afterwards (pytest-infra)"
)


class Chaos:
    """What can be done to the services of the run. Each act is undone at the end of its `with`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._proxies = contextlib.ExitStack()

    @contextlib.contextmanager
    def killed(self, service: str) -> Iterator[None]:
        """SIGKILL, and nobody starts it again meanwhile."""
        stack = self._stack_with(service)
        try:
            stack.kill(service)
            yield
        finally:
            stack.start(service)

    @contextlib.contextmanager
    def stopped(self, service: str) -> Iterator[None]:
        """Stopped as it likes to be stopped."""
        stack = self._stack_with(service)
        try:
            stack.stop(service)
            yield
        finally:
            stack.start(service)

    @contextlib.contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Frozen: connections stay open, and nothing answers."""
        stack = self._stack_with(service)
        try:
            stack.pause(service)
            yield
        finally:
            stack.resume(service)

    def crash(self, service: str) -> None:
        """SIGKILL, and return when the supervisor has it ready again."""
        self._stack_with(service).crash(service, wait=True)

    def proxy(self, service: str | Endpoint, port: str | None = None) -> Proxy:
        """A line to a service, or to a unit of one, that can be made slow or cut until the test's end.

        Clients are given its `endpoint`. `port` names one where the service has several.
        """
        from pytest_infra.proxy import Proxy

        target = self._session.service(service) if isinstance(service, str) else service
        return self._proxies.enter_context(Proxy(target, port))

    def close(self) -> None:
        """End the proxies."""
        self._proxies.close()

    def _stack_with(self, service: str) -> Stack:
        self._session.service(service)
        return self._session.lease


@pytest.fixture
def infra_chaos(request: pytest.FixtureRequest) -> Iterator[Chaos]:
    """Trouble on purpose: `with infra_chaos.paused("postgres"): …`. Everything is undone after the test."""
    chaos = Chaos(session_of(request.config))
    yield chaos
    chaos.close()


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
                acts.enter_context(ACTS[act](Chaos(session_of(item.config)), service))
        yield
