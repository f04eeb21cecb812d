"""A simulation for tests of the supervisor's state machine, without processes and without waiting.

Each service behaves as its `Behaviour` describes, and the clock jumps to the next event. `history` contains
the recorded events with their times: `0.050 web ready`.
"""

from __future__ import annotations

import heapq
import itertools
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from infra_runtime.messages import Phase
from infra_runtime.spec import ServiceSpec, StopStep, TcpProbe
from infra_runtime.supervisor.machine import Machine
from infra_runtime.supervisor.state import LIVING, SATISFYING, SETTLED, Effect, Event

NEVER = float("inf")


def service(name: str, *needs: str, **options: object) -> ServiceSpec:
    """Return a minimal spec with a probe; a task has no probe."""
    ready = None if options.get("task") else TcpProbe(port="main")
    defaults = {
        "ready": ready,
        "ports": {"main": 1},
        "stop": (StopStep(signal=signal.SIGTERM, seconds=10.0),),
    }
    return ServiceSpec(name=name, command=(name,), needs=needs, **{**defaults, **options})


@dataclass(kw_only=True)
class Behaviour:
    """The behaviour of a simulated program at each start; the last entry also applies to further starts."""

    #: seconds until the probe succeeds
    ready_after: float = 0.01
    #: seconds until the program exits by itself, for each start
    runs_for: Sequence[float] = (NEVER,)
    #: the exit status
    status: int = 1
    #: seconds from a signal until the program exits
    stops_after: float = 0.01
    #: seconds from a signal until the remaining processes exit after the first process; None: none remains
    rest_stops_after: float | None = None
    #: the reason why preparing fails; empty if it succeeds
    prepare_error: str = ""
    #: the reason why the process cannot be started; empty if it can be started
    spawn_error: str = ""
    #: the number of starts at which another process uses the port
    port_taken: int = 0
    may_rebind: bool = True


@dataclass
class World:
    """A simulated supervisor: it carries out effects, and checks invariants after each event."""

    specs: Sequence[ServiceSpec]
    behaviours: dict[str, Behaviour] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = Machine(self.specs)
        self.now = 0.0
        self.history: list[str] = []
        #: the services whose probe has failed with a reason for the first time since their start
        self.unready: list[str] = []
        self.signals: list[tuple[str, int]] = []
        self.alive: dict[str, int] = {}
        self.starts: dict[str, int] = {}
        #: the services of which processes remain after the first process has exited
        self.rests: set[str] = set()
        self._pids = itertools.count(100)
        self._queue: list[tuple[float, int, str, Event]] = []
        self._order = itertools.count()
        #: service → the number of cancellations of preparing or probing
        self._cancellations: dict[str, int] = {}
        #: service → the number of its running timer
        self._timers: dict[str, int] = {}

    def phase(self, name: str) -> Phase:
        return self.machine.services[name].phase

    def reason(self, name: str) -> str:
        return self.machine.services[name].reason

    def dispatch(self, kind: str, name: str, detail: str = "", number: int = 0) -> None:
        """Pass an event to the state machine now, and carry out its effects."""
        for effect in self.machine.handle(Event(kind, name, detail, number), self.now):
            getattr(self, "_" + effect.kind.replace("-", "_"))(effect)
        self._check()

    def run(self, until: float = NEVER) -> None:
        """Dispatch the scheduled events, until none is left or the time `until` is reached."""
        while self._queue and self._queue[0][0] <= until:
            moment, _, tag, event = heapq.heappop(self._queue)
            if self._is_current(tag, event):
                self.now = moment
                self.dispatch(*event)
        if until != NEVER:
            self.now = until

    def kill(self, name: str, status: int = -9) -> None:
        """Simulate that another process kills the service's process."""
        del self.alive[name]
        self.dispatch("exited", name, number=status)

    def settled(self) -> bool:
        return self.machine.settled(self.machine.services)

    # --- effects -------------------------------------------------------------------------------------

    def _behaviour(self, name: str) -> Behaviour:
        return self.behaviours.setdefault(name, Behaviour())

    def _schedule(self, seconds: float, tag: str, event: Event) -> None:
        if seconds != NEVER:
            heapq.heappush(self._queue, (self.now + seconds, next(self._order), tag, event))

    def _is_current(self, tag: str, event: Event) -> bool:
        """Return whether the timer, task or process that scheduled the event still exists."""
        if tag == "timer":
            return self._timers.get(event.service) == event.number
        if tag.startswith("rest"):
            return event.service in self.rests and tag == f"rest {self.starts[event.service]}"
        if tag.startswith("task"):
            return tag == self._task(event.service)
        if tag.startswith("process"):
            if self.alive.get(event.service) != int(tag.split()[1]):
                return False
            del self.alive[event.service]
        return True

    def _task(self, name: str) -> str:
        return f"task {self._cancellations.get(name, 0)}"

    def _prepare(self, effect: Effect) -> None:
        name, behaviour = effect.service, self._behaviour(effect.service)
        missing = [need for need in self.machine.services[name].needs if self.phase(need) not in SATISFYING]
        restarts = self.machine.services[name].ready_at is not None
        assert restarts or not missing, f"{name} is prepared while {missing} are not ready"
        kind = "prepare-failed" if behaviour.prepare_error else "prepared"
        self._schedule(0.001, self._task(name), Event(kind, name, behaviour.prepare_error))

    def _spawn(self, effect: Effect) -> None:
        name, behaviour = effect.service, self._behaviour(effect.service)
        assert name not in self.alive, f"{name} is started twice"
        number = self.starts[name] = self.starts.get(name, 0) + 1
        if behaviour.spawn_error:
            self.dispatch("spawn-failed", name, behaviour.spawn_error)
        elif number <= behaviour.port_taken:
            self.dispatch("spawned", name, number=next(self._pids))
            self.dispatch("port-taken", name, "port 1 is taken by pid 7", int(behaviour.may_rebind))
        else:
            pid = self.alive[name] = next(self._pids)
            seconds = behaviour.runs_for[min(number, len(behaviour.runs_for)) - 1]
            self._schedule(seconds, f"process {pid}", Event("exited", name, number=behaviour.status))
            self.dispatch("spawned", name, number=pid)

    def _probe(self, effect: Effect) -> None:
        name = effect.service
        self.dispatch("probe-failed", name, "connection refused")
        ready_after = self._behaviour(name).ready_after
        self._schedule(ready_after, self._task(name), Event("probe-succeeded", name))

    def _cancel(self, effect: Effect) -> None:
        self._cancellations[effect.service] = self._cancellations.get(effect.service, 0) + 1

    def _signal(self, effect: Effect) -> None:
        name = effect.service
        self.signals.append((name, int(effect.number)))
        if name in self.alive:
            remaining = self._behaviour(name).rest_stops_after is not None and effect.number != signal.SIGKILL
            event = Event("first-exited" if remaining else "exited", name, number=0)
            self._schedule(self._behaviour(name).stops_after, f"process {self.alive[name]}", event)
        elif name in self.rests:
            self._signal_rest(effect)

    def _signal_rest(self, effect: Effect) -> None:
        name = effect.service
        self.rests.add(name)
        if self.signals[-1:] != [(name, int(effect.number))]:
            self.signals.append((name, int(effect.number)))
        seconds = self._behaviour(name).rest_stops_after
        self._schedule(
            NEVER if seconds is None else seconds, f"rest {self.starts[name]}", Event("rest-exited", name)
        )

    def _unfreeze(self, effect: Effect) -> None:
        assert effect.service in self.alive

    def _sweep(self, effect: Effect) -> None:
        name = effect.service
        self.rests.discard(name)
        if name in self.alive:
            self.signals.append((name, signal.SIGKILL))
            self._schedule(
                0.001, f"process {self.alive[name]}", Event("exited", name, number=-signal.SIGKILL)
            )
        else:
            self._schedule(0.0, "", Event("gone", name))

    def _arm(self, effect: Effect) -> None:
        name = effect.service
        number = self._timers[name] = next(self._order) + 1
        self._schedule(effect.number, "timer", Event("timer", name, number=number))

    def _disarm(self, effect: Effect) -> None:
        self._timers.pop(effect.service, None)

    def _record(self, effect: Effect) -> None:
        if effect.detail == "probe-failed":
            self.unready.append(effect.service)
            return
        self.history.append(f"{self.now:.3f} {effect.service} {effect.detail}")

    # -------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        for name in self.alive:
            assert self.phase(name) in LIVING, f"{name} has a process, but its phase is {self.phase(name)}"
        for name in self.rests:
            assert self.phase(name) is Phase.STOPPING, f"processes of {name} remain in {self.phase(name)}"
        for name, state in self.machine.services.items():
            if state.phase is Phase.FAILED:
                assert state.reason, f"{name} failed without a reason"
            if state.phase in SETTLED and state.phase is not Phase.FAILED:
                assert not state.error or state.phase is Phase.STOPPED
