"""The supervisor carries out the actions of the state machine, and passes their results to it as events."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import traceback
from collections import ChainMap
from collections.abc import Collection, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

from infra_runtime.data_directory.logs import SHORTEST, Logs
from infra_runtime.data_directory.logs import limits as log_limits
from infra_runtime.data_directory.paths import refusal
from infra_runtime.errors import WaitTimeoutError
from infra_runtime.host import requirements
from infra_runtime.host.ports import LOOPBACK, PortError, taken
from infra_runtime.messages import Limits, Phase
from infra_runtime.redaction import masked_text, redacted
from infra_runtime.spec import ServiceSpec, optional_exports
from infra_runtime.spec.order import stop_order
from infra_runtime.supervisor import probes
from infra_runtime.supervisor.activation import Activation
from infra_runtime.supervisor.binding import BindingError, Bound, MissingSecretError, Scope, bind, resolver
from infra_runtime.supervisor.boot import Boot
from infra_runtime.supervisor.children import Children
from infra_runtime.supervisor.container_removal import ContainerRemoval
from infra_runtime.supervisor.limits import limits, stop_seconds
from infra_runtime.supervisor.machine import Machine
from infra_runtime.supervisor.prepare import prepare
from infra_runtime.supervisor.reservation import reserve
from infra_runtime.supervisor.spawn import spawn_cause
from infra_runtime.supervisor.state import Effect, Event, EventKind
from infra_runtime.supervisor.steps import StepError
from infra_runtime.supervisor.take_over import EarlyStarts

#: seconds between two updates of the file with the descendants of this process
TICK = 1.0
#: seconds between two checks whether processes of a stopping service remain; a check takes 1 to 2 ms
REST_INTERVAL = 0.02


class Supervisor:
    """The supervisor of the services of one data directory."""

    def __init__(self, boot: Boot) -> None:
        self.paths, self.environment, self.journal = boot.paths, boot.environment, boot.journal
        self.token, self._places = boot.token, boot.places
        self.machine = Machine()
        limit, total = log_limits(os.environ)
        self.logs = Logs(self.paths.logs, limit=limit, total=total)
        self.leased = boot.environment == "test"
        self.ports = boot.ports
        self.bound: dict[str, Bound] = {}
        #: services in optional references, with their ports, until these services are prepared
        self.bound_ahead: dict[str, Bound] = {}
        self._all_bound = ChainMap(self.bound, self.bound_ahead)
        self.scopes: dict[str, Scope] = {}
        #: all ports that this supervisor has used; `down` checks that each of these ports is free
        self.used_ports: set[int] = set()
        #: service → the port that the service could not use, and the process that uses this port
        self.refused_ports: dict[str, tuple[int, str]] = {}
        self._loop = asyncio.get_running_loop()
        self.children = Children(
            boot.guardian, self.journal, environment=boot.environment, token=boot.token, ended=self._ended
        )
        self._containers = ContainerRemoval(self.children, boot.guardian, boot.token)
        self.early = EarlyStarts(boot.early, self.children)
        self._activation = Activation()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._log_marks: dict[str, int] = {}
        self._changed: set[asyncio.Future[None]] = set()
        self._ticker = self._loop.call_later(TICK, self._tick)
        self._log_ticker = self._loop.call_later(SHORTEST, self._bound_logs)

    # --- called by the methods of the control socket ---------------------------------------------------

    def add(self, spec: ServiceSpec, scope: Scope) -> None:
        """Add a service that is not running, or replace its spec."""
        self.machine.add(spec)
        self.scopes[spec.name] = scope
        self.bound.pop(spec.name, None)
        self.bound_ahead.pop(spec.name, None)
        if bound := self.early.bound(spec):
            self.bound_ahead[spec.name] = bound
        else:
            self.ports.give_back(spec.name)  # a stopped service keeps its ports until its spec is replaced

    def check_files(self, specs: Iterable[ServiceSpec]) -> None:
        """Raise `SupervisorError` if the limit of open files is too low for these additional services."""
        present = (service.spec for service in self.machine.services.values())
        all_specs = {spec.name: spec for spec in (*present, *specs)}.values()
        requirements.check_files(len(all_specs), sum(len(spec.ports) for spec in all_specs))

    def dispatch(self, event: Event) -> None:
        """Pass an event to the state machine, and carry out the effects that the machine returns."""
        if event.detail:
            event = event._replace(detail=self.redact(event.detail))
        for effect in self.machine.handle(event, self._loop.time()):
            getattr(self, "_do_" + effect.kind.replace("-", "_"))(effect)
        if event.kind == "probe-failed":
            return  # the event changes no phase, so `change` keeps waiting
        changed, self._changed = self._changed, set()
        for future in changed:
            if not future.done():
                future.set_result(None)

    async def settle(self, names: Collection[str]) -> None:
        """Wait until all these services are in a settled phase (`state.SETTLED`)."""
        while not self.machine.settled(names):
            await self.change()

    async def change(self) -> None:
        """Wait for the next event of any service, such as an exit; failed attempts of probes are ignored."""
        future = self._loop.create_future()
        self._changed.add(future)
        await future

    async def stop(self, names: Iterable[str]) -> None:
        """Stop services, each before the services that it needs; wait until all processes have exited."""
        needs = {name: service.needs for name, service in self.machine.services.items()}
        for group in stop_order(names, needs):
            for name in group:
                self.dispatch(Event("unwanted", name))
            await self.settle(group)

    def kill(self, name: str) -> None:
        """Kill a service without its stop steps; it stays stopped."""
        self.dispatch(Event("killed", name))

    def crash(self, name: str, number: int) -> None:
        """Send a signal to all processes of a service; its restart policy then applies."""
        self.children.signal_all(name, number)

    async def exit_of(self, name: str, pid: int, signal_number: int) -> None:
        """Wait until a process has exited after a signal. Raises `WaitTimeoutError` if it does not exit."""
        service = self.machine.services[name]
        seconds = stop_seconds(service.spec)
        try:
            async with asyncio.timeout(seconds):
                while pid and service.pid == pid:
                    await self.change()
        except TimeoutError:
            reason = f"its process {pid} did not exit after signal {signal_number}"
            raise WaitTimeoutError(seconds, {name: reason}) from None

    async def pause(self, names: Iterable[str]) -> None:
        """Pause all processes of the ready services with SIGSTOP; these services enter the phase `paused`."""
        names = [name for name in names if self.machine.services[name].phase is Phase.READY]
        await self.children.freeze(names)
        for name in names:
            self.dispatch(Event("paused", name))

    def resume(self, name: str) -> None:
        """Continue a paused service."""
        self.dispatch(Event("resumed", name))

    def limits(self) -> Limits:
        """Return the time limits for starting and stopping all services."""
        return limits(service.spec for service in self.machine.services.values())

    async def down(self) -> list[str]:
        """Stop all services; return texts such as `process 7` for remaining processes, containers and ports.

        After an unexpected error, this process exits, and the guardian kills the remaining processes.
        """
        try:
            return await self._down()
        except Exception:  # noqa: BLE001 - otherwise, clients would wait for an answer without end
            traceback.print_exc()
            os._exit(1)

    async def _down(self) -> list[str]:
        await self.stop(self.machine.services)
        for task in self._tasks.values():
            task.cancel()
        remaining = self.early.keep(()) + self.children.sweep_orphaned()
        remaining += self._containers.left(self.machine.services)
        taken_ports = [port for port in sorted(self.used_ports) if taken(port, name_it=False) is not None]
        remaining += [f"port {port}" for port in taken_ports]
        self.ports.close()
        self._ticker.cancel()
        self._log_ticker.cancel()
        self.logs.update(self.machine.services, last=True)
        return remaining

    def log_tail(self, service: str) -> list[str]:
        """Return the last lines of a service's log since its last start; secrets are masked."""
        lines = self.logs.tail(service, since=self._log_marks.get(service, 0))
        return [self.redact(line) for line in lines]

    def redact(self, text: str) -> str:
        """Return `text` with `***` in place of passwords in URLs and of the secrets of the stack."""
        secrets = {secret for bound in self._all_bound.values() for secret in bound.secrets}
        return redacted(masked_text(text), secrets)

    # --- effects -------------------------------------------------------------------------------------

    def _do_prepare(self, effect: Effect) -> None:
        self._task(effect.service, self._prepare(effect.service), failed="prepare-failed")

    async def _prepare(self, name: str) -> None:
        spec = self.machine.services[name].spec
        await self._containers.finish(name)
        if early := await self.early.prepared(spec, self.scopes[name], self._all_bound):
            self.bound[name], self._log_marks[name] = early.bound, early.log_size
            self.used_ports |= set(early.bound.ports.values())
            self.dispatch(Event("prepared", name))
            return
        self._log_marks[name] = self.logs.size(name)
        try:
            ports = self._activation.ports(name) or self.ports.take_all(name, spec.ports, spec.ports_may_vary)
            self.used_ports |= set(ports.values())
            bound = Bound(spec, self.paths.service_data(name), self.paths.service_run(name), ports)
            self.bound[name] = bound
            if renewed := self._places.renew():
                self.journal.write("memory-lost", reason=renewed)
            await self._bind_ahead(bound)
            run = partial(self._run, bound)
            await prepare(bound, self.scopes[name], self._all_bound, self.paths.seeds(), run)
            bind(bound, self.scopes[name], self._all_bound)
        except PortError as error:
            self._port_taken(name, error.port, error.holder, may_rebind=False)
        except OSError as error:
            reason = f"{error.filename or 'preparing'}: {error.strerror or error}"
            self.dispatch(Event("prepare-failed", name, reason))
        except (StepError, BindingError, ValueError) as error:
            self.dispatch(Event("prepare-failed", name, str(error)))
        else:
            self.dispatch(Event("prepared", name))

    async def _bind_ahead(self, bound: Bound) -> None:
        """Reserve the ports and wait for the secrets to which the optional references of a service refer.

        The referenced services need not run. A secret exists when its service is prepared; the planner
        rejects a plan in which services would wait for each other's secrets.
        """
        exports = optional_exports(bound.spec.references)
        self.bound_ahead |= reserve(dict(exports), self._all_bound, self.machine, self.ports, self.paths)
        lookup = resolver(bound, self.scopes[bound.spec.name], self._all_bound)
        for service, export in exports:
            while True:
                try:
                    lookup(f"{service}.{export}?")
                    break
                except MissingSecretError as error:
                    if self.machine.services[error.service].phase not in {Phase.WAITING, Phase.PREPARING}:
                        raise
                await self.change()

    def _do_spawn(self, effect: Effect) -> None:
        """Start the process of a service, or listen on its ports if it starts at the first connection."""
        bound = self.bound[effect.service]
        self._containers.watch(bound)
        if not bound.spec.starts_on_connection:
            self._spawn(effect, bound)
            return
        try:
            self._activation.listen(effect.service, bound.ports, partial(self._spawn, effect, bound))
        except OSError as error:
            self.dispatch(Event("spawn-failed", effect.service, f"cannot listen: {error.strerror}"))
        else:
            self.dispatch(Event("spawned", effect.service))

    def _spawn(self, effect: Effect, bound: Bound) -> None:
        sockets = self._activation.descriptors(effect.service)
        try:
            log = self.logs.path(effect.service)
            pid, start = self.early.process(effect.service) or self.children.start(bound, log, sockets)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.dispatch(Event("spawn-failed", effect.service, spawn_cause(error, bound.command, bound.cwd)))
            return
        self.journal.write("spawned", effect.service, pid=pid, started=start, **bound.details())
        self.dispatch(Event("spawned", effect.service, number=pid))

    def _do_probe(self, effect: Effect) -> None:
        self._task(effect.service, self._probe(effect.service), failed="probe-failed")

    async def _probe(self, name: str) -> None:
        bound = self.bound[name]
        assert bound.ready is not None  # noqa: S101 - the machine requests a probe only for such a service

        async def run(command: tuple[str, ...], env: Mapping[str, str]) -> int:
            return await self._run(bound, command, {**bound.env, **env})

        start, service = self._loop.time(), self.machine.services[name]
        while (reason := await probes.ask(bound.ready, LOOPBACK, bound.ports, run, bound.run)) is not None:
            if reason != service.reason:  # most attempts fail for the same reason
                self.dispatch(Event("probe-failed", name, reason))
            await asyncio.sleep(probes.interval(self._loop.time() - start))
        self.dispatch(Event("probe-succeeded", name))

    async def _run(self, bound: Bound, command: tuple[str, ...], env: Mapping[str, str]) -> int:
        return await self.children.run(
            bound.spec.name,
            command,
            env=env,
            cwd=bound.cwd or bound.data,
            log=self.logs.path(bound.spec.name),
            refuses_root=bound.spec.refuses_root,
        )

    def _do_cancel(self, effect: Effect) -> None:
        task = self._tasks.pop(effect.service, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _do_signal(self, effect: Effect) -> None:
        if self._activation.close(effect.service) and not self.children.pid(effect.service):
            self._loop.call_soon(self.dispatch, Event("exited", effect.service))
        self.children.signal(effect.service, int(effect.number), group=effect.detail == "group")

    def _do_signal_rest(self, effect: Effect) -> None:
        self.children.signal_rest(effect.service, int(effect.number))
        self._task(effect.service, self._await_rest(effect.service), failed="rest-exited")

    async def _await_rest(self, name: str) -> None:
        while self.children.has_rest(name):  # noqa: ASYNC110 - the kernel reports no exit of other processes
            await asyncio.sleep(REST_INTERVAL)
        self.dispatch(Event("rest-exited", name))

    def _do_unfreeze(self, effect: Effect) -> None:
        self.children.signal_all(effect.service, signal.SIGCONT)

    def _do_sweep(self, effect: Effect) -> None:
        name = effect.service
        self.early.discard(name)
        self.children.sweep(name)
        if not self.children.pid(name):
            bound, log = self.bound.get(name), self.logs.path(name)
            self._containers.start(bound, log, lambda: self.dispatch(Event("gone", name)))

    def _do_arm(self, effect: Effect) -> None:
        self._do_disarm(effect)
        event = Event("timer", effect.service)
        self._timers[effect.service] = self._loop.call_later(effect.number, self.dispatch, event)

    def _do_disarm(self, effect: Effect) -> None:
        if timer := self._timers.pop(effect.service, None):
            timer.cancel()

    def _do_record(self, effect: Effect) -> None:
        reason = self.machine.services[effect.service].reason
        if effect.detail in {"failed", "stopped"}:
            self._activation.close(effect.service)
        self.journal.write(effect.detail, effect.service, **({"reason": reason} if reason else {}))
        phases = {service.phase for service in self.machine.services.values()}
        if effect.detail in {"ready", "failed"} and not phases & {Phase.PREPARING, Phase.STARTING}:
            self.children.record_descendants(self.paths.descendants)  # reads the whole process table

    def _ended(self, name: str, pid: int, status: int, orphaned: bool) -> None:
        self.journal.write("exited", name, pid=pid, status=status)
        service = self.machine.services[name]
        if service.phase is Phase.STARTING and not service.spec.task:
            for port in self.bound[name].ports.values():
                if (holder := taken(port)) is not None:
                    self._do_cancel(Effect("cancel", name))
                    self._port_taken(name, port, holder, may_rebind=self.leased)
                    return
        detail = ""
        if orphaned and status == 0:
            detail = "; its child processes keep running: configure the program to run in the foreground"
        elif service.phase is Phase.STARTING and status and (reason := refusal(self.bound[name].data)):
            detail = f"; {self.bound[name].data}: {reason}"
        kind: EventKind = "first-exited" if orphaned and service.phase is Phase.STOPPING else "exited"
        self.dispatch(Event(kind, name, detail, status))

    def _port_taken(self, name: str, port: int, holder: str, *, may_rebind: bool) -> None:
        self.refused_ports[name] = port, holder
        self.dispatch(Event("port-taken", name, f"port {port} is taken by {holder}", int(may_rebind)))

    def _task(self, name: str, work: Coroutine[Any, Any, None], *, failed: EventKind) -> None:
        """Run a coroutine for a service as a task; an unexpected exception causes the event `failed`."""
        self._do_cancel(Effect("cancel", name))
        self._tasks[name] = self._loop.create_task(self._guarded(name, work, failed))

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None], failed: EventKind) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - without an event the service would wait for its time limit
            traceback.print_exc()
            self.dispatch(Event(failed, name, f"internal error, see supervisor.log: {error!r}"))

    def _tick(self) -> None:
        self.children.report_orphaned()
        self.children.record_descendants(self.paths.descendants)
        if warning := self._places.warning():
            self.journal.write("memory-low", reason=warning)
            print(f"infra: {warning}", file=sys.stderr, flush=True)
        self._ticker = self._loop.call_later(TICK, self._tick)

    def _bound_logs(self) -> None:
        seconds = self.logs.update(self.machine.services)
        self._log_ticker = self._loop.call_later(seconds, self._bound_logs)
