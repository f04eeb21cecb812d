"""The state machine of the supervisor: a pure function from events to effects.

An event reports a change of a service, such as the exit of its process. An effect is an action for the
caller, such as a signal to send. The machine uses no process, clock or file: the caller passes the time with
each event, carries out the effects in their order, and reports their results as new events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from infra_runtime.messages import Phase
from infra_runtime.spec import ServiceSpec
from infra_runtime.spec.order import needs_first
from infra_runtime.supervisor import restart
from infra_runtime.supervisor.restart import CRASH_LIMIT
from infra_runtime.supervisor.state import LIVING, SATISFYING, SETTLED, Effect, Event, Service

#: the time limit in seconds for the steps that prepare a service; enough for `initdb` on a slow disk
PREPARE_SECONDS = 120.0
#: the number of times that a start can choose new ports before it fails because a port is in use
REBIND_LIMIT = 5
#: phases that a needed service leaves only after a request, so that the services that need it fail instead of
#: waiting → the description of the phase in the reason of the failure
_ENDED = {Phase.FAILED: "failed", Phase.STOPPED: "was stopped", Phase.PAUSED: "is paused"}


class Machine:
    """The states of all services of one stack. The method `handle` changes the states."""

    def __init__(self, specs: Iterable[ServiceSpec] = ()) -> None:
        self.services: dict[str, Service] = {}
        self._dependents: dict[str, list[str]] = {}
        self._now = 0.0
        for spec in specs:
            self.add(spec)

    def add(self, spec: ServiceSpec) -> None:
        """Add a service, or replace the spec of a service in one of the phases `state.RESTING`."""
        previous = self.services.get(spec.name)
        if previous is not None:
            for need in previous.needs:
                self._dependents[need].remove(spec.name)
        service = Service(spec)
        self.services[spec.name] = service
        for need in service.needs:
            self._dependents.setdefault(need, []).append(spec.name)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Change the states after an event; return the actions for the caller, in the order of execution."""
        service = self.services.get(event.service)
        if service is None:
            return []
        self._now = now
        handler = getattr(self, "_on_" + event.kind.replace("-", "_"))
        return list(handler(service, event))

    def settled(self, names: Iterable[str]) -> bool:
        """Return whether all these services are in one of the phases `state.SETTLED`."""
        return all(self.services[name].phase in SETTLED for name in names)

    def closure(self, names: Iterable[str]) -> list[str]:
        """Return the named services and all services that they need; needed services come first."""
        return needs_first(names, {name: service.needs for name, service in self.services.items()})

    # --- requests ----------------------------------------------------------------------------------

    def _on_wanted(self, service: Service, _event: Event) -> Iterator[Effect]:
        for name in self.closure([service.spec.name]):
            needed = self.services[name]
            if not needed.wanted or needed.phase in {Phase.FAILED, Phase.STOPPED}:
                needed.wanted = True
                needed.crashes.clear()
                needed.rebinds = 0
                needed.ready_at = None
                needed.attempts = 0
            yield from self._advance(needed)

    def _advance(self, service: Service) -> Iterator[Effect]:
        """Start the service if it is requested, has no process, and all services that it needs are ready."""
        startable = {Phase.IDLE, Phase.WAITING, Phase.STOPPED, Phase.FAILED}
        if not service.wanted or service.phase not in startable:
            return
        needs = {need: self._phase(need) for need in service.needs}
        missing = [need for need, phase in needs.items() if phase not in SATISFYING]
        # These needed services become ready only after a new request, so the service does not wait for them.
        ended = [need for need in missing if needs[need] in _ENDED]
        if ended:
            yield from self._fail(service, _missing_need(ended[0], needs[ended[0]]), "needs")
        elif missing:
            self._enter(service, Phase.WAITING, "waits for " + ", ".join(missing))
        else:
            yield from self._prepare(service)

    def _prepare(self, service: Service) -> Iterator[Effect]:
        self._enter(service, Phase.PREPARING)
        yield Effect("record", service.spec.name, "preparing")
        yield Effect("arm", service.spec.name, number=PREPARE_SECONDS)
        yield Effect("prepare", service.spec.name)

    def _start_dependents(self, service: Service) -> Iterator[Effect]:
        for name in self._dependents.get(service.spec.name, ()):
            dependent = self.services[name]
            # A service that failed because of another need stays failed until that need is ready, too.
            if dependent.phase is Phase.WAITING or all(self._phase(n) in SATISFYING for n in dependent.needs):
                yield from self._advance(dependent)

    # --- starting ----------------------------------------------------------------------------------

    def _on_prepared(self, service: Service, _event: Event) -> Iterator[Effect]:
        if service.phase is Phase.PREPARING:
            self._enter(service, Phase.STARTING)
            if service.ready_at is not None or not service.attempts:
                service.start_deadline = self._now + service.spec.start_timeout
            service.attempts += service.ready_at is None
            yield Effect("arm", service.spec.name, number=max(service.start_deadline - self._now, 0.0))
            yield Effect("spawn", service.spec.name)

    def _on_prepare_failed(self, service: Service, event: Event) -> Iterator[Effect]:
        if service.phase is Phase.PREPARING:
            yield from self._fail(service, event.detail, "start")

    def _on_spawned(self, service: Service, event: Event) -> Iterator[Effect]:
        service.pid = event.number
        service.unready.clear()
        if service.phase is not Phase.STARTING or service.spec.task:
            return
        if service.spec.ready is None:
            yield from self._ready(service)
        else:
            yield Effect("probe", service.spec.name)

    def _on_spawn_failed(self, service: Service, event: Event) -> Iterator[Effect]:
        if service.phase in {Phase.STARTING, Phase.READY}:  # READY: starts at a connection
            yield from self._fail(service, event.detail, "start")

    def _on_port_taken(self, service: Service, event: Event) -> Iterator[Effect]:
        """Choose another port for a service whose port is in use, or set the service to failed.

        The event occurs before the service has a process, or after its first process has exited because the
        port is in use. In the second case, `Children` has already killed the other processes of the service.
        """
        if service.phase not in {Phase.PREPARING, Phase.STARTING, Phase.BACKOFF}:
            return
        if event.number and service.rebinds < REBIND_LIMIT:
            service.rebinds += 1
            yield Effect("record", service.spec.name, "rebinding")
            if service.ready_at is None:
                # A needed service may have exited since this service was prepared.
                self._enter(service, Phase.WAITING)
                yield from self._advance(service)
            else:
                yield from self._prepare(service)
        else:
            yield from self._fail(service, event.detail, "port-taken")

    def _on_probe_failed(self, service: Service, event: Event) -> Iterator[Effect]:
        if service.phase is not Phase.STARTING:
            return
        service.reason = event.detail
        if service.add_reason(event.detail):
            yield Effect("record", service.spec.name, "probe-failed")

    def _on_probe_succeeded(self, service: Service, _event: Event) -> Iterator[Effect]:
        if service.phase is Phase.STARTING:
            yield from self._ready(service)

    def _ready(self, service: Service) -> Iterator[Effect]:
        self._enter(service, Phase.DONE if service.spec.task else Phase.READY)
        if service.ready_at is None:
            service.ready_at = self._now
        yield Effect("disarm", service.spec.name)
        yield Effect("record", service.spec.name, "done" if service.spec.task else "ready")
        yield from self._start_dependents(service)

    # --- exits -------------------------------------------------------------------------------------

    def _on_exited(self, service: Service, event: Event) -> Iterator[Effect]:
        service.pid = 0
        yield Effect("cancel", service.spec.name)
        name, phase = service.spec.name, service.phase
        if phase is Phase.STOPPING:
            yield Effect("disarm", name)
        elif phase is Phase.STARTING and service.spec.task and event.number == 0:
            yield from self._ready(service)
        elif phase in LIVING:
            yield from self._crash(service, event)
            return
        yield Effect("sweep", name)

    def _on_first_exited(self, service: Service, event: Event) -> Iterator[Effect]:
        """Handle the exit of a service's first process while other processes of the service are running.

        If these processes are still running at the end of the present stop step, the next stop step begins.
        """
        if service.phase is not Phase.STOPPING or service.stop_step == len(service.spec.stop):
            yield from self._on_exited(service, event)
            return
        service.pid = 0
        yield Effect("cancel", service.spec.name)
        step = service.spec.stop[service.stop_step]
        yield Effect("signal-rest", service.spec.name, number=step.signal)

    def _crash(self, service: Service, event: Event) -> Iterator[Effect]:
        """Restart a service, or set its phase to stopped if it was ready and its policy forbids a restart.

        Otherwise, the phase becomes failed: after too many crashes, or, if the service was never ready, for a
        known cause, without another attempt within the time limit, or if the policy forbids a restart.
        """
        task, was_ready = service.spec.task, service.ready_at is not None
        text = restart.exit_text(event.number) + ("" if was_ready or task else " before it was ready")
        service.reason = text + event.detail
        # A known cause, such as a full disk, is reported at once.
        is_explained = bool(event.detail) and not was_ready
        if task or is_explained or not restart.applies(service, event.number):
            yield from self._end_with_error(service, "exit" if was_ready and not task else "start")
            return
        restart.count_crash(service, self._now)
        delay, is_loop = restart.delay(service), len(service.crashes) >= CRASH_LIMIT
        if is_loop and was_ready:
            crashes = f"{len(service.crashes)} crashes in {restart.CRASH_WINDOW:g} s"
            service.reason = f"{text}; crash loop: {crashes}"
        elif is_loop or (not was_ready and self._now + delay >= service.start_deadline):
            service.reason = f"{text} ({restart.attempts(service)})"
        else:
            self._enter(service, Phase.BACKOFF, f"{text}; starts again in {delay:g} s")
            service.restarts += 1
            yield Effect("record", service.spec.name, "backoff", delay)
            yield Effect("arm", service.spec.name, number=delay)
            yield Effect("sweep", service.spec.name)
            return
        yield from self._end_with_error(service, "start")

    def _end_with_error(self, service: Service, error: str) -> Iterator[Effect]:
        """Kill the remaining processes of a failed service; after their exit, `_on_gone` sets the phase."""
        self._enter(service, Phase.STOPPING, service.reason)
        service.error = error
        yield Effect("disarm", service.spec.name)
        yield Effect("sweep", service.spec.name)

    def _fail(self, service: Service, reason: str, error: str) -> Iterator[Effect]:
        yield from self._fail_alone(service, reason, error)
        yield from self._fail_dependents(service)

    def _fail_alone(self, service: Service, reason: str, error: str) -> Iterator[Effect]:
        self._enter(service, Phase.FAILED, reason)
        service.error = error
        yield Effect("disarm", service.spec.name)
        yield Effect("record", service.spec.name, "failed")

    def _fail_dependents(self, service: Service) -> Iterator[Effect]:
        """Set all waiting services that need this service, directly or indirectly, to failed."""
        queue = deque([service])
        while queue:
            missing = queue.popleft()
            for name in self._dependents.get(missing.spec.name, ()):
                dependent = self.services[name]
                if dependent.phase is Phase.WAITING:
                    reason = _missing_need(missing.spec.name, missing.phase)
                    yield from self._fail_alone(dependent, reason, "needs")
                    queue.append(dependent)

    def _on_timer(self, service: Service, _event: Event) -> Iterator[Effect]:
        name = service.spec.name
        if service.phase is Phase.BACKOFF and service.ready_at is None:
            # A needed service may have exited since this service was prepared.
            self._enter(service, Phase.WAITING)
            yield from self._advance(service)
        elif service.phase is Phase.BACKOFF:
            yield from self._prepare(service)
        elif service.phase is Phase.PREPARING:
            yield Effect("cancel", name)
            yield from self._fail(service, f"not prepared after {PREPARE_SECONDS:g} s", "start")
        elif service.phase is Phase.STARTING:
            state = "not done" if service.spec.task else "not ready"
            last_reason = f": {service.reason}" if service.reason else ""
            yield from self._stop(service)
            attempts = f" ({restart.attempts(service)})" if service.attempts > 1 else ""
            timeout = f"{service.spec.start_timeout:g} s"
            service.error, service.reason = "start", f"{state} after {timeout}{attempts}{last_reason}"
        elif service.phase is Phase.STOPPING:
            service.stop_step += 1
            yield from self._signal(service)

    # --- stopping ----------------------------------------------------------------------------------

    def _on_unwanted(self, service: Service, _event: Event) -> Iterator[Effect]:
        service.wanted = False
        yield from self._end(service)

    def _on_killed(self, service: Service, _event: Event) -> Iterator[Effect]:
        service.wanted = False
        if service.phase not in LIVING:
            yield from self._end(service)
            return
        self._enter(service, Phase.STOPPING)
        service.error = ""
        yield Effect("record", service.spec.name, "killing")
        yield Effect("cancel", service.spec.name)
        yield Effect("disarm", service.spec.name)
        yield Effect("sweep", service.spec.name)

    def _on_restart(self, service: Service, event: Event) -> Iterator[Effect]:
        service.wanted = True
        service.crashes.clear()
        service.attempts = 0
        if service.phase in LIVING:
            yield from self._end(service)
        else:
            if service.phase is Phase.DONE:
                self._enter(service, Phase.IDLE)
            yield from self._on_wanted(service, event)

    def _end(self, service: Service) -> Iterator[Effect]:
        name, phase = service.spec.name, service.phase
        if phase is Phase.STOPPING:
            service.error = ""
        elif phase in LIVING:
            yield from self._stop(service)
        elif phase in {Phase.PREPARING, Phase.BACKOFF}:
            # The service has no process yet, but its ports are leased and processes of its steps may run.
            self._enter(service, Phase.STOPPING)
            service.error = ""
            yield Effect("disarm", name)
            yield Effect("cancel", name)
            yield Effect("sweep", name)
        elif phase is not Phase.FAILED:
            self._enter(service, Phase.STOPPED)
            yield from self._fail_dependents(service)

    def _stop(self, service: Service) -> Iterator[Effect]:
        if service.phase is Phase.PAUSED:
            yield Effect("unfreeze", service.spec.name)
        self._enter(service, Phase.STOPPING)
        service.error = ""
        service.stop_step = 0
        yield Effect("record", service.spec.name, "stopping")
        yield Effect("cancel", service.spec.name)
        yield from self._signal(service)

    def _signal(self, service: Service) -> Iterator[Effect]:
        """Send the signal of the service's current stop step; after the last step, kill its processes."""
        if service.stop_step < len(service.spec.stop):
            step = service.spec.stop[service.stop_step]
            yield Effect("arm", service.spec.name, number=step.seconds)
            yield Effect("signal", service.spec.name, "group" if step.group else "", step.signal)
        else:
            yield Effect("disarm", service.spec.name)
            yield Effect("sweep", service.spec.name)

    def _on_rest_exited(self, service: Service, _event: Event) -> Iterator[Effect]:
        if service.phase is Phase.STOPPING:
            yield Effect("disarm", service.spec.name)
            yield Effect("sweep", service.spec.name)

    def _on_gone(self, service: Service, event: Event) -> Iterator[Effect]:
        if service.phase is not Phase.STOPPING:
            return
        if service.error and service.error != "exit":
            yield from self._fail(service, service.reason, service.error)
            return
        self._enter(service, Phase.STOPPED, service.reason if service.error else "")
        service.ready_at = None
        yield Effect("record", service.spec.name, "stopped")
        if service.wanted and not service.error:
            # This also starts the needed services, which may have been stopped in the meantime.
            yield from self._on_wanted(service, event)
        else:
            yield from self._fail_dependents(service)

    # --- pausing -----------------------------------------------------------------------------------

    def _on_paused(self, service: Service, _event: Event) -> Iterator[Effect]:
        if service.phase is Phase.READY:
            self._enter(service, Phase.PAUSED)
            yield Effect("record", service.spec.name, "paused")

    def _on_resumed(self, service: Service, _event: Event) -> Iterator[Effect]:
        if service.phase is Phase.PAUSED:
            self._enter(service, Phase.READY)
            yield Effect("unfreeze", service.spec.name)
            yield Effect("record", service.spec.name, "resumed")
            yield from self._start_dependents(service)

    # -----------------------------------------------------------------------------------------------

    def _phase(self, name: str) -> Phase:
        return self.services[name].phase if name in self.services else Phase.FAILED

    def _enter(self, service: Service, phase: Phase, reason: str = "") -> None:
        service.phase, service.since, service.reason = phase, self._now, reason
        if phase not in {Phase.FAILED, Phase.STOPPING, Phase.STOPPED}:
            service.error = ""


def _missing_need(name: str, phase: Phase) -> str:
    return f"needs {name}, which {_ENDED[phase]}"
