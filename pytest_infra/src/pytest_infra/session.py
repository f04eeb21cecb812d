"""The session of this process: it starts the stack and services for tests, and holds a lease on the stack.

The stack is opened when a test needs it for the first time, and the lease is released at the end of the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, TypeAlias

import pytest

from infra_runtime.config.resolve import Origin, Resolved, data_directory, resolve
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.stack import Endpoint, Stack
from infra_runtime.errors import BinaryMissingError, ConfigurationError, InfraError, SupervisorError
from infra_runtime.messages import Status
from pytest_infra import options, stack_sharing
from pytest_infra.failures import Failures
from pytest_infra.instances import Instances
from pytest_infra.notes import Notes
from pytest_infra.spans import Recorder

#: The request for which `Failures` stores an error of the supervisor; it concerns all services.
OPEN = "open"
#: The type of the fixture `infra_service`: a function that returns the endpoint of a service.
ServiceOf: TypeAlias = Callable[[str], Endpoint]


class Session:
    """The stack that the tests of this process use; the tests share one lease."""

    KEY: ClassVar[pytest.StashKey[Session]] = pytest.StashKey()

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._options = options.read(config)
        #: the requests for services that have failed; each of these requests is tried only once
        self.failures = Failures()
        #: functions that are called with the data directory before a stack is opened
        self.on_open: list[Callable[[str], None]] = []
        #: functions that are called with the names of services when the services have become ready
        self.on_ready: list[Callable[[set[str]], None]] = []
        #: functions that are called with the name of a service after the preparation of its units, such as
        #: migrations
        self.on_prepared: list[Callable[[str], None]] = []
        self._stack: Stack | None = None
        #: services and profile of a request → the names of all services that the request has started
        self._started: dict[tuple[tuple[str, ...], str | None], tuple[str, ...]] = {}
        #: services and profile of a request → the last event of the stack when these services were found
        #: ready; a later event can mean that a service is no longer ready
        self._changes: dict[tuple[tuple[str, ...], str | None], tuple[int, int] | None] = {}
        self._notes, self._recorder = Notes.of(config), Recorder.of(config)
        #: name of an executable → path
        self.executables: dict[str, str] = {}
        #: dotted name of a setting → its value, with secrets masked, and its source
        self.settings: dict[str, str] = {}
        self._kept = False
        self._secrets: set[str] = set()
        #: the services that the running test uses alone, and the number of xdist workers that share the stack
        self._exclusive: frozenset[str] = frozenset()
        self._workers = 1

    def stack(self) -> Stack:
        """Start all services of the stack, wait until they are ready, and return the stack."""
        return self._ready(self._options.services, self._options.profile)

    def service(self, name: str) -> Endpoint:
        """Start a service and the services that it needs; return the service's endpoint when it is ready."""
        return self._ready((name,), None)[name]

    def require(self, *services: str, profile: str | None = None) -> None:
        """Start the services that the marker `infra` of a test names, and wait until they are ready."""
        if services:
            self._ready(services, None)
        if profile:
            self._ready((), profile)
        if not services and not profile:
            self.stack()

    @property
    def lease(self) -> Stack:
        """Return the stack on which this process has a lease.

        A service must have been started before.
        """
        assert self._stack is not None  # noqa: S101 - every caller has started a service
        return self._stack

    def resolved(self, service: str) -> Resolved:
        """Return the resolved plan of a service and of the services that it needs."""
        return self._resolve((service,), None)

    def needed(self, service: str) -> frozenset[str]:
        """Return the names of a service and of the services that it needs, without starting services."""
        resolved = self._resolve((service,), None, executables=False)
        return frozenset(spec.name for spec in resolved.plan.services)

    @property
    def in_cluster(self) -> bool:
        """Return whether the stack runs in a cluster; tests then connect to it through port-forwards."""
        return self._options.cluster is not None

    @property
    def environment(self) -> str:
        """Return the name of the run's environment, such as `test`."""
        return self._options.environment

    def data_directory(self) -> Path:
        """Return the data directory of the stack, which may not exist yet."""
        return self._resolve(self._options.services, self._options.profile, executables=False).data

    def failure(self, request: Hashable, error: InfraError) -> BaseException:
        """Return the exception that pytest reports for the running test when a request fails with this error.

        The caller raises the exception.
        """
        return self.failures.outcome(request, error)

    def status(self) -> Status | None:
        """Return the state of the stack, with secrets masked; None if the stack is not open yet."""
        return self._stack.status() if self._stack else None

    def secrets(self) -> frozenset[str]:
        """Return the secrets of all services of the stack, including the values at earlier calls."""
        if self._stack:
            with contextlib.suppress(InfraError):
                endpoints = self._stack.endpoints().values()
                self._secrets |= {secret for endpoint in endpoints for secret in endpoint.sensitive}
        return frozenset(self._secrets)

    @property
    def data(self) -> list[str]:
        """Return the data directories of the stacks that this process used."""
        return self._notes.data

    def use_alone(self, services: frozenset[str], *, workers: int) -> None:
        """Record the services that the running test uses alone, while tests of other workers wait.

        `workers` is the number of xdist workers that share the stack.
        """
        self._exclusive, self._workers = services, workers

    def exclusive(self, service: str) -> bool:
        """Return whether the running test uses a service alone, by the marker `infra_exclusive`.

        Without pytest-xdist, the result is always False.
        """
        return service in self._exclusive

    def alone(self, service: str) -> bool:
        """Return whether only this process uses a service.

        The result is False if another client has a lease; if the running test uses the service alone, leases
        of other workers of pytest-xdist are ignored. The result is also False for a detached stack, because
        its user may change the stack at any time.
        """
        clients = self._workers if self.exclusive(service) else 1
        return self._status_is(lambda status: status.leases <= clients and not status.detached)

    def stops(self) -> bool:
        """Return whether the stack stops when this process releases its lease."""
        if self._kept or self._options.reuse is not None:
            return False
        return self._status_is(lambda status: status.leases == 1 and not status.stay)

    def _status_is(self, condition: Callable[[Status], bool]) -> bool:
        try:
            return self._stack is not None and condition(self._stack.status())
        except SupervisorError:
            return False

    def keep(self) -> None:
        """Keep the stack running after the run, because it contains units of a failed test."""
        self._kept = True

    def close(self) -> None:
        """Release the lease; the stack stops when its last lease is released, unless it is kept running."""
        if self._stack is not None:
            stack_sharing.leave(self._stack, reuse=self._options.reuse, keep=self._kept)

    def _ready(self, services: tuple[str, ...], profile: str | None) -> Stack:
        selection = services, profile
        if failure := self.failures.earlier(OPEN) or self.failures.earlier(selection):
            raise failure
        try:
            return self._start(services, profile)
        except InfraError as error:
            raise self.failures.outcome(selection, error) from None

    def _start(self, services: tuple[str, ...], profile: str | None) -> Stack:
        selection = services, profile
        if self._stack and selection in self._started:
            # An earlier test may have stopped a service, or a service may have exited. Both are events.
            change = self._stack.last_change()
            if change is None or self._changes.get(selection) != change:
                self._stack.start(*self._started[selection])
                self._changes[selection] = change
            return self._stack
        resolved = self._resolve(services, profile)
        names = [spec.name for spec in resolved.plan.services]
        requested = ", ".join(filter(None, (*services, profile))) or "the stack"
        with self._recorder.measured(f"start {requested}", **{"infra.services": names}):
            return self._up(selection, resolved)

    def _up(self, selection: tuple[tuple[str, ...], str | None], resolved: Resolved) -> Stack:
        """Start the services of a resolved plan, and the stack if this is the first request."""
        if self._stack is None:
            try:
                self._stack = self._open(resolved)
            except SupervisorError as error:  # tests of other services would wait as long for the same error
                raise self.failures.outcome(OPEN, error) from None
        self.executables |= resolved.binaries
        self.settings |= {
            key: f"{setting.value} ({setting.source})" for key, setting in resolved.provenance.items()
        }
        failures = self._stack.up(resolved).failures
        failed = {failure.service for failure in failures}
        for on_ready in self.on_ready:
            on_ready({spec.name for spec in resolved.plan.services} - failed)
        raise_failures(failures)
        self._started[selection] = tuple(spec.name for spec in resolved.plan.services)
        return self._stack

    def _resolve(
        self, services: tuple[str, ...], profile: str | None, *, executables: bool = True
    ) -> Resolved:
        resolved = self._with_images(services, profile) if executables else self._plan_of(services, profile)
        if (tmpfs := self._options.tmpfs) is None:
            return resolved
        origin = Origin(value=json.dumps(tmpfs), source="infra_tmpfs")
        return replace(resolved, tmpfs=tmpfs, provenance={**resolved.provenance, "tmpfs": origin})

    def _with_images(self, services: tuple[str, ...], profile: str | None) -> Resolved:
        """Return a resolved plan; with the option `infra_install`, install missing executables and images."""
        resolved = self._with_executables(services, profile)
        if not self._options.install or not any(spec.image for spec in resolved.plan.services):
            return resolved
        # Imported late: only a run that may download images needs the module.
        from infra_runtime.config import missing_images

        return missing_images.with_images(
            lambda: self._plan_of(services, profile, executables=True), report=self._notes.add_message
        )

    def _with_executables(self, services: tuple[str, ...], profile: str | None) -> Resolved:
        """Return a resolved plan; with the option `infra_install`, install missing executables."""
        try:
            return self._plan_of(services, profile, executables=True)
        except BinaryMissingError:
            if not self._options.install:
                raise
        # Imported late: only a run that may install servers needs the module.
        from infra_runtime.config import missing_executables as executables

        plan = self._plan_of(services, profile)
        root = Path(plan.plan.root)
        installable = executables.installable(executables.missing(plan), root)
        executables.install(installable, root, report=self._notes.add_message)
        return self._plan_of(services, profile, executables=True)

    def _plan_of(
        self, services: tuple[str, ...], profile: str | None, *, executables: bool = False
    ) -> Resolved:
        cluster = self._options.cluster
        resolved = resolve(
            services,
            directory=self._options.directory,
            environment=self._options.stack_environment,
            # A request for single services contains the profile, too, because the specs of some services
            # depend on the other services of the stack.
            profile=profile or self._options.profile,
            data=self._options.data,
            # In a cluster, the images contain the executables, and the Secrets the variables.
            executables=executables and cluster is None,
            variables_required=cluster is None,
        )
        if cluster is None:
            return resolved
        # Imported late: only a run with a stack in a cluster needs the module.
        from infra_runtime.engines.kubernetes.forwarding import Place, forwarded

        data = data_directory(self._options.directory, environment="test", data=self._options.data)
        return forwarded(resolved, Place(**cluster._asdict()), data, services)

    # --- select and open the stack ---------------------------------------------------------------------

    def _open(self, resolved: Resolved) -> Stack:
        warm = self._options.reuse is not None
        shared = stack_sharing.join(self._config, resolved, self._plan(), warm=warm, opening=self._opening)
        shared.stack.driver_urls = Instances.of(self._config).driver_urls()
        self._notes.data.append(str(shared.stack.data))
        if shared.message:
            self._notes.add_message(shared.message)
        return shared.stack

    def _opening(self, data: str) -> None:
        for on_open in self.on_open:
            on_open(data)

    def _plan(self) -> stack_sharing.Plan:
        """Return the plan of the whole stack; its key also depends on the variables and on `sys.prefix`."""
        try:
            resolved = self._resolve(self._options.services, self._options.profile, executables=False)
            services = {spec.name: spec.digest() for spec in resolved.plan.services}
            inputs = [resolved.plan.digest, sorted(resolved.variables.items()), resolved.tmpfs]
        except ConfigurationError as error:  # the error can concern services that this test does not use
            services, inputs = {}, [str(error)]
        key = hashlib.sha256(json.dumps([sys.prefix, *inputs]).encode()).hexdigest()[:12]
        return stack_sharing.Plan(key=key, services=services)
