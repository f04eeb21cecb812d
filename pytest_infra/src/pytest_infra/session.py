"""The run's stack in this process: opened when a test asks, shared by all, given back at the end."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Hashable
from typing import ClassVar, TypeAlias

import pytest

from infra_runtime.config.resolve import Resolved, resolve
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.stack import Endpoint, Stack
from infra_runtime.errors import ConfigurationError, InfraError
from infra_runtime.messages import Status
from pytest_infra import options, stack_sharing
from pytest_infra.failures import Failures
from pytest_infra.notes import Notes

#: what `infra_service` is
ServiceOf: TypeAlias = Callable[[str], Endpoint]


class Session:
    """The stack as the tests of this process use it. One lease, however many tests."""

    KEY: ClassVar[pytest.StashKey[Session]] = pytest.StashKey()

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._options = options.read(config)
        #: what could not be started, so that it is tried once
        self.failures = Failures()
        #: called with each data directory when a stack is opened in it
        self.on_open: list[Callable[[str], None]] = []
        self._stack: Stack | None = None
        self._started: dict[tuple[tuple[str, ...], str | None], tuple[str, ...]] = {}
        self._notes = Notes.of(config)
        #: executable → where it is; dotted setting → its value, secrets masked, and its source
        self.executables: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self._kept = False

    def stack(self) -> Stack:
        """The whole stack, every service of it ready."""
        return self._ready(self._options.services, self._options.profile)

    def service(self, name: str) -> Endpoint:
        """One service, ready, and with it what it needs."""
        return self._ready((name,), None)[name]

    def require(self, *services: str, profile: str | None = None) -> None:
        """What the marker asks for."""
        if services:
            self._ready(services, None)
        if profile:
            self._ready((), profile)
        if not services and not profile:
            self.stack()

    @property
    def lease(self) -> Stack:
        """The stack that this run holds; a service must have been asked for."""
        assert self._stack is not None  # noqa: S101 - whoever needs it has asked
        return self._stack

    def resolved(self, service: str) -> Resolved:
        """A service and what it needs, as they would be started."""
        return self._resolve((service,), None)

    def failure(self, wanted: Hashable, error: InfraError) -> BaseException:
        """The outcome that an error means for the test that runs, to be raised."""
        return self.failures.of(wanted, error)

    def status(self) -> Status | None:
        """Return the state of the stack, secrets masked; None before it is opened."""
        return self._stack.status() if self._stack else None

    @property
    def data(self) -> list[str]:
        """Return the data directories of the stacks that this process used."""
        return self._notes.data

    def keep(self) -> None:
        """Keep the stack after the run, because something of a failed test stays in it."""
        self._kept = True

    def close(self) -> None:
        """Give the lease back; with the last one the stack ends."""
        if self._stack is not None:
            stack_sharing.leave(self._stack, reuse=self._options.reuse, keep=self._kept)

    def _ready(self, services: tuple[str, ...], profile: str | None) -> Stack:
        wanted = services, profile
        if refused := self.failures.known(wanted):
            raise refused
        try:
            return self._start(services, profile)
        except InfraError as error:
            raise self.failures.of(wanted, error) from None

    def _start(self, services: tuple[str, ...], profile: str | None) -> Stack:
        wanted = services, profile
        if self._stack and wanted in self._started:
            # A test before may have stopped one, or have seen it die.
            self._stack.start(*self._started[wanted])
            return self._stack
        resolved = self._resolve(services, profile)
        if self._stack is None:
            self._stack = self._open(resolved)
        self.executables |= resolved.binaries
        self.settings |= {key: f"{it.value} ({it.source})" for key, it in resolved.provenance.items()}
        raise_failures(self._stack.up(resolved).failures)
        self._started[wanted] = tuple(spec.name for spec in resolved.plan.services)
        return self._stack

    def _resolve(
        self, services: tuple[str, ...], profile: str | None, *, executables: bool = True
    ) -> Resolved:
        return resolve(
            services,
            directory=self._options.directory,
            environment=self._options.environment,
            profile=profile,
            data=self._options.data,
            executables=executables,
        )

    # --- which stack -----------------------------------------------------------------------------------

    def _open(self, resolved: Resolved) -> Stack:
        warm = self._options.reuse is not None
        shared = stack_sharing.join(self._config, resolved, self._plan(), warm=warm)
        self._notes.data.append(str(shared.stack.data))
        for opened in self.on_open:
            opened(str(shared.stack.data))
        if shared.told:
            self._notes.add_message(shared.told)
        return shared.stack

    def _plan(self) -> stack_sharing.Plan:
        """The whole plan with its variables and the interpreter, whatever this test wants of it."""
        try:
            whole = self._resolve(self._options.services, self._options.profile, executables=False)
            services = {spec.name: spec.digest() for spec in whole.plan.services}
            parts = [whole.plan.digest, sorted(whole.variables.items())]
        except ConfigurationError as error:  # it need not concern the services that are asked for
            services, parts = {}, [str(error)]
        key = hashlib.sha256(json.dumps([sys.prefix, *parts]).encode()).hexdigest()[:12]
        return stack_sharing.Plan(key=key, services=services)
