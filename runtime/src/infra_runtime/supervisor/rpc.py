"""The supervisor's handlers for the requests on the control socket: one for each method in `messages`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from signal import valid_signals
from typing import Any

from infra_runtime import messages
from infra_runtime.data_directory.paths import PROTOCOL
from infra_runtime.errors import (
    ConfigurationError,
    LeftoverError,
    PlanChangedError,
    SupervisorError,
    UnknownServiceError,
    WaitTimeoutError,
)
from infra_runtime.message import decode
from infra_runtime.messages import (
    Answer,
    Bindings,
    Crash,
    Endpoints,
    Greeting,
    Hello,
    Limits,
    Method,
    Names,
    Nothing,
    Outcome,
    Params,
    Released,
    Restored,
    Snapshot,
    SnapshotName,
    Status,
    Stay,
    Up,
    Wait,
)
from infra_runtime.spec import Run, Seed, ServiceSpec, encode
from infra_runtime.supervisor import answers
from infra_runtime.supervisor.binding import make_scope
from infra_runtime.supervisor.control import Connection, Handler
from infra_runtime.supervisor.exclusive_task import ExclusiveTask
from infra_runtime.supervisor.leases import Leases
from infra_runtime.supervisor.state import RESTING, SATISFYING, Event
from infra_runtime.supervisor.supervisor import Supervisor


def typed(
    method: Method[Params, Answer], handle: Callable[[Connection, Params], Awaitable[Answer]]
) -> Handler:
    """Return a handler that decodes the parameters from JSON data, calls `handle` and encodes the answer."""

    async def handler(connection: Connection, params: Mapping[str, object]) -> object:
        return (await handle(connection, decode(method.params, params))).to_json()

    return handler


def _preparation(spec: ServiceSpec) -> tuple[bool, bool]:
    """Return the sort key of a service for its start: services with commands first, with seeds last.

    Commands take longest. The check of a copied seed blocks the event loop for milliseconds.
    """
    kinds = {type(step) for step in spec.prepare}
    return Run not in kinds, Seed in kinds


class Methods:
    """The handlers for the requests of clients to a supervisor.

    `closing` is set when the stack begins to stop, `finished` when it has stopped.
    """

    def __init__(self, supervisor: Supervisor, launcher: int) -> None:
        self._supervisor = supervisor
        self._leases = Leases(self.end, launcher)
        self._down: asyncio.Task[list[str]] | None = None
        #: runs one save or restore of a snapshot at a time
        self._snapshots = ExclusiveTask()
        self.closing = asyncio.Event()
        self.finished = asyncio.Event()

    def table(self) -> dict[str, Handler]:
        """Return a mapping from method name to handler for all requests that the supervisor answers."""
        return {
            messages.HELLO.name: typed(messages.HELLO, self.hello),
            messages.LIMITS.name: typed(messages.LIMITS, self.limits),
            messages.UP.name: typed(messages.UP, self.up),
            messages.STATUS.name: typed(messages.STATUS, self.status),
            messages.ENDPOINTS.name: typed(messages.ENDPOINTS, self.endpoints),
            messages.BOUND.name: typed(messages.BOUND, self.bound),
            messages.START.name: typed(messages.START, self.start),
            messages.STOP.name: typed(messages.STOP, self.stop),
            messages.RESTART.name: typed(messages.RESTART, self.restart),
            messages.KILL.name: typed(messages.KILL, self.kill),
            messages.CRASH.name: typed(messages.CRASH, self.crash),
            messages.PAUSE.name: typed(messages.PAUSE, self.pause),
            messages.RESUME.name: typed(messages.RESUME, self.resume),
            messages.WAIT.name: typed(messages.WAIT, self.wait),
            messages.SNAPSHOT_SAVE.name: typed(messages.SNAPSHOT_SAVE, self.snapshot_save),
            messages.SNAPSHOT_RESTORE.name: typed(messages.SNAPSHOT_RESTORE, self.snapshot_restore),
            messages.SUBSCRIBE.name: typed(messages.SUBSCRIBE, self.subscribe),
            messages.STAY.name: typed(messages.STAY, self.stay),
            messages.RELEASE.name: typed(messages.RELEASE, self.release),
            messages.DOWN.name: typed(messages.DOWN, self.down),
        }

    async def hello(self, connection: Connection, params: Hello) -> Greeting:
        """Answer the first request of a client.

        If `lease` is true, the client's connection becomes a lease.
        """
        if params.lease:
            self._leases.take(connection)
        return Greeting(protocol=PROTOCOL, pid=os.getpid(), ending=self._down is not None)

    async def limits(self, _connection: Connection, _params: Nothing) -> Limits:
        """Return the time limits for starting and stopping the services.

        Clients also send this request to check that the supervisor answers.
        """
        return self._supervisor.limits()

    async def up(self, _connection: Connection, params: Up) -> Outcome:
        """Add the services of the client's plan; start those in `wanted` (empty: all) and their needs.

        Answer when none of them starts or stops. A service that already runs with an equal spec is not
        changed; with another spec, `PlanChangedError` is raised. If `wait` is false, the answer is sent
        before the services are ready.
        """
        self._refuse_when_ending()
        self._supervisor.check_files(params.services)
        supervisor = self._supervisor
        scope = make_scope(params, supervisor.paths, supervisor.environment, supervisor.token)
        services = supervisor.machine.services
        for spec in params.services:
            service = services.get(spec.name)
            if service is None or (service.spec != spec and service.phase in RESTING):
                supervisor.add(spec, scope)
            elif service.spec != spec:
                raise PlanChangedError(spec.name, _changes(encode(service.spec), encode(spec)))
        names = params.wanted or [spec.name for spec in params.services]
        return await self._start(names, wait=params.wait)

    async def start(self, _connection: Connection, params: Names) -> Outcome:
        """Start the named services and the services that they need.

        Answer when all are ready or have failed.
        """
        self._refuse_when_ending()
        return await self._start(self._known(params.services))

    async def _start(self, requested_names: Sequence[str], *, wait: bool = True) -> Outcome:
        supervisor = self._supervisor
        closure = supervisor.machine.closure(requested_names)
        services = {name: supervisor.machine.services[name] for name in closure}
        if any(service.phase not in SATISFYING for service in services.values()):
            # Tests send this request often; only requests that start a service are written to the journal.
            needs = {name: service.needs for name, service in services.items()}
            supervisor.journal.write("wanted", services=requested_names, needs=needs)
        for name in sorted(requested_names, key=lambda name: _preparation(services[name].spec)):
            supervisor.dispatch(Event("wanted", name))
        services_to_run = [name for name, service in supervisor.machine.services.items() if service.wanted]
        supervisor.early.keep(services_to_run)  # early processes of other services are killed
        if wait:
            await self._settle(closure)
        return answers.outcome(self._supervisor, requested_names)

    async def _settle(self, names: list[str]) -> None:
        await self._supervisor.settle(names)
        self._refuse_when_ending()  # if another client has sent `down`, the services are stopped

    async def stop(self, _connection: Connection, params: Names) -> Outcome:
        """Stop services, and answer when all their processes have exited.

        Services that need a stopped service keep running.
        """
        names = self._known(params.services)
        await self._supervisor.stop(names)
        return Outcome(services=answers.services(self._supervisor, names))

    async def restart(self, _connection: Connection, params: Names) -> Outcome:
        """Stop and start services; answer when all are ready again or have failed."""
        self._refuse_when_ending()
        names = self._known(params.services)
        for name in names:
            self._supervisor.dispatch(Event("restart", name))
        await self._settle(self._supervisor.machine.closure(names))
        return answers.outcome(self._supervisor, names)

    async def kill(self, _connection: Connection, params: Names) -> Outcome:
        """Kill services with SIGKILL; a killed service stays stopped until a request starts it."""
        names = self._known(params.services)
        for name in names:
            self._supervisor.kill(name)
        await self._supervisor.settle(names)
        return Outcome(services=answers.services(self._supervisor, names))

    async def crash(self, _connection: Connection, params: Crash) -> Outcome:
        """Send a signal to all processes of services; their restart policies then apply.

        With `wait`, answer when the services are ready again, stopped or failed. Raises `WaitTimeoutError` if
        a process does not exit after the signal.
        """
        if params.signal not in valid_signals():
            raise ConfigurationError(
                f"the signal {params.signal} does not exist", hint="`kill -l` lists all signals."
            )
        names = self._known(params.services)
        services = self._supervisor.machine.services
        pids = {name: services[name].pid for name in names}
        for name in names:
            self._supervisor.crash(name, params.signal)
        if params.wait:
            for name, pid in pids.items():
                await self._supervisor.exit_of(name, pid, params.signal)
            await self._supervisor.settle(names)
        return answers.outcome(self._supervisor, names)

    async def pause(self, connection: Connection, params: Names) -> Outcome:
        """Pause the processes of services with SIGSTOP: connections stay open, but requests are not answered.

        A service that is starting is paused when it is ready; a service that is not running is not changed. A
        service in a container cannot be paused: the signal would pause only the client process of the
        container engine.
        """
        names = self._known(params.services)
        for name in names:
            if self._supervisor.machine.services[name].spec.image:
                raise ConfigurationError(
                    f"{name} cannot be paused, because it runs in a container",
                    where=f"services.{name}",
                    hint=f"Stop {name} instead, or cut its connections with `infra_chaos.proxy`.",
                )
        await self._supervisor.settle(names)
        await self._supervisor.pause(names)
        # If the client exits before it sends `resume`, the services continue.
        for name in names:
            connection.at_end(partial(self._supervisor.resume, name))
        return Outcome(services=answers.services(self._supervisor, names))

    async def resume(self, _connection: Connection, params: Names) -> Outcome:
        """Continue services that were paused with the request `pause`."""
        names = self._known(params.services)
        for name in names:
            self._supervisor.resume(name)
        return Outcome(services=answers.services(self._supervisor, names))

    async def snapshot_save(self, _connection: Connection, params: SnapshotName) -> Snapshot:
        """Save the state of all running services under a name."""
        from infra_runtime.supervisor import snapshots  # imported here: with shutil, the import takes 3 ms

        return await self._snapshots.run(snapshots.save(self._supervisor, params.name))

    async def snapshot_restore(self, _connection: Connection, params: SnapshotName) -> Restored:
        """Restore a snapshot, and answer when its services are ready or have failed."""
        from infra_runtime.supervisor import snapshots

        snapshot = await self._snapshots.run(snapshots.restore(self._supervisor, params.name))
        outcome = answers.outcome(self._supervisor, snapshot.services)
        return Restored(services=outcome.services, failures=outcome.failures, snapshot=snapshot)

    async def status(self, _connection: Connection, _params: Nothing) -> Status:
        """Return the state of the stack and of its services; secrets are masked."""
        supervisor = self._supervisor
        return Status(
            pid=os.getpid(),
            environment=supervisor.environment,
            data=supervisor.paths.data,
            leases=len(self._leases),
            stay=self._leases.stays,
            stay_seconds=self._leases.stay_seconds,
            services=answers.services(supervisor, supervisor.machine.services),
        )

    async def endpoints(self, _connection: Connection, _params: Nothing) -> Endpoints:
        """Return the exports, ports and variables of the services; secrets are not masked."""
        return answers.endpoints(self._supervisor)

    async def bound(self, _connection: Connection, _params: Nothing) -> Bindings:
        """Return the values of the references `${…}` in the services; secrets in exports are masked."""
        return answers.bindings(self._supervisor)

    async def wait(self, _connection: Connection, params: Wait) -> Outcome:
        """Answer when no service (of all services if none is named) starts or stops.

        Paused and stopped services, and services that were never started, are not waited for. A stack without
        services waits for its first service. Raises `WaitTimeoutError` after `timeout` seconds.
        """
        supervisor = self._supervisor
        names = self._known(params.services) or list(supervisor.machine.services)
        try:
            async with asyncio.timeout(params.timeout):
                while not names or not supervisor.machine.settled(names):
                    await supervisor.change()
                    names = names or list(supervisor.machine.services)
        except TimeoutError:
            raise WaitTimeoutError(params.timeout, answers.pending(supervisor, names)) from None
        return answers.outcome(self._supervisor, names)

    async def subscribe(self, connection: Connection, _params: Nothing) -> Nothing:
        """Send every later event of the stack to the client as a notification with the method `event`."""
        journal = self._supervisor.journal

        def listener(record: Mapping[str, object]) -> None:
            connection.notify("event", record)

        journal.listeners.add(listener)
        connection.at_end(lambda: journal.listeners.discard(listener))
        return Nothing()

    async def stay(self, _connection: Connection, params: Stay) -> Nothing:
        """Set whether the stack keeps running after its last lease has ended, and for how many seconds."""
        self._leases.stay(on=params.on, seconds=params.seconds)
        return Nothing()

    async def release(self, connection: Connection, _params: Nothing) -> Released:
        """End the client's lease; answer how many leases remain, and whether the stack stops."""
        self._leases.give_back(connection)
        return Released(
            leases=len(self._leases),
            ending=self.closing.is_set() or self._down is not None,
            stop_seconds=self._supervisor.limits().stop,
        )

    async def down(self, _connection: Connection, _params: Nothing) -> Nothing:
        """Stop the stack, and answer when all its processes have exited.

        Raises `LeftoverError` if a process, container or port remains.
        """
        remaining = await asyncio.shield(self.end())
        if remaining:
            raise LeftoverError(remaining)
        return Nothing()

    def end(self) -> asyncio.Task[list[str]]:
        """Begin to stop the stack, and return the task that does this; every call returns the same task."""
        if self._down is None:
            self._down = asyncio.get_running_loop().create_task(self._end())
        return self._down

    async def _end(self) -> list[str]:
        self.closing.set()
        self._supervisor.journal.write("stopping")
        await self._snapshots.close()
        remaining = await self._supervisor.down()
        self._supervisor.journal.write("down", left=remaining)
        self.finished.set()
        return remaining

    def _refuse_when_ending(self) -> None:
        if self._down is not None:
            raise SupervisorError("the stack is stopping")

    def _known(self, names: Iterable[str]) -> list[str]:
        services = self._supervisor.machine.services
        for name in names:
            if name not in services:
                raise UnknownServiceError(name, sorted(services))
        return list(names)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [key for key in new if old.get(key) != new[key]]
