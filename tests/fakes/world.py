"""A world without processes and without time, in which the supervisor's machine can be watched.

Services behave as told; the clock jumps to whatever happens next. `history` is what a person would
have seen: `0.050 web ready`.
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
    """A spec that says little; it has a probe unless it is a task."""
    ready = None if options.get("task") else TcpProbe(port="main")
    defaults = {
        "ready": ready,
        "ports": {"main": 1},
        "stop": (StopStep(signal=signal.SIGTERM, seconds=10.0),),
    }
    return ServiceSpec(name=name, command=(name,), needs=needs, **{**defaults, **options})


@dataclass(kw_only=True)
class Behaviour:
    """What a fake program does at each of its starts; a list's last entry holds for all further starts."""

    #: seconds until the probe agrees
    ready_after: float = 0.01
    #: seconds until it ends by itself, for each start
    lives: Sequence[float] = (NEVER,)
    status: int = 1
    #: seconds until it ends on a signal
    stops_after: float = 0.01
    prepares: str = ""
    spawns: str = ""
    #: starts at which its port turns out to be somebody else's
    port_taken: int = 0
    may_rebind: bool = True


@dataclass
class World:
    """Carries out effects as the daemon would, and checks what must hold at every moment."""

    specs: Sequence[ServiceSpec]
    behaviours: dict[str, Behaviour] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = Machine(self.specs)
        self.now = 0.0
        self.history: list[str] = []
        self.signals: list[tuple[str, int]] = []
        self.alive: dict[str, int] = {}
        self.starts: dict[str, int] = {}
        self._pids = itertools.count(100)
        self._queue: list[tuple[float, int, str, Event]] = []
        self._order = itertools.count()
        self._hushed: dict[str, int] = {}

    def phase(self, name: str) -> Phase:
        return self.machine.services[name].phase

    def reason(self, name: str) -> str:
        return self.machine.services[name].reason

    def tell(self, kind: str, name: str, detail: str = "", number: int = 0) -> None:
        """Something happens now."""
        for effect in self.machine.handle(Event(kind, name, detail, number), self.now):
            getattr(self, f"_{effect.kind}")(effect)
        self._check()

    def run(self, until: float = NEVER) -> None:
        """Let happen what happens, until nothing does or the clock strikes."""
        while self._queue and self._queue[0][0] <= until:
            moment, _, tag, event = heapq.heappop(self._queue)
            if self._still_meant(tag, event):
                self.now = moment
                self.tell(*event)
        if until != NEVER:
            self.now = until

    def kill(self, name: str, status: int = -9) -> None:
        """Somebody kills the service's process."""
        del self.alive[name]
        self.tell("exited", name, number=status)

    def settled(self) -> bool:
        return self.machine.settled(self.machine.services)

    # --- effects -------------------------------------------------------------------------------------

    def _behaviour(self, name: str) -> Behaviour:
        return self.behaviours.setdefault(name, Behaviour())

    def _later(self, seconds: float, tag: str, event: Event) -> None:
        if seconds != NEVER:
            heapq.heappush(self._queue, (self.now + seconds, next(self._order), tag, event))

    def _still_meant(self, tag: str, event: Event) -> bool:
        if tag == "timer":
            return self._hushed.get(f"timer {event.service}") == event.number
        if tag.startswith("asked"):
            return tag == f"asked {self._hushed.get(event.service, 0)}"
        if tag.startswith("process"):
            if self.alive.get(event.service) != int(tag.split()[1]):
                return False
            del self.alive[event.service]
        return True

    def _asked(self, name: str) -> str:
        return f"asked {self._hushed.get(name, 0)}"

    def _prepare(self, effect: Effect) -> None:
        name, behaviour = effect.service, self._behaviour(effect.service)
        missing = [need for need in self.machine.services[name].needs if self.phase(need) not in SATISFYING]
        restarts = self.machine.services[name].ready_at is not None
        assert restarts or not missing, f"{name} is prepared while {missing} are not there"
        kind = "prepare-failed" if behaviour.prepares else "prepared"
        self._later(0.001, self._asked(name), Event(kind, name, behaviour.prepares))

    def _spawn(self, effect: Effect) -> None:
        name, behaviour = effect.service, self._behaviour(effect.service)
        assert name not in self.alive, f"{name} is started twice"
        number = self.starts[name] = self.starts.get(name, 0) + 1
        if behaviour.spawns:
            self.tell("spawn-failed", name, behaviour.spawns)
        elif number <= behaviour.port_taken:
            self.tell("spawned", name, number=next(self._pids))
            self.tell("port-taken", name, "port 1 is taken by a stranger", int(behaviour.may_rebind))
        else:
            pid = self.alive[name] = next(self._pids)
            lives = behaviour.lives[min(number, len(behaviour.lives)) - 1]
            self._later(lives, f"process {pid}", Event("exited", name, number=behaviour.status))
            self.tell("spawned", name, number=pid)

    def _probe(self, effect: Effect) -> None:
        name = effect.service
        self.tell("not-yet", name, "connection refused")
        self._later(self._behaviour(name).ready_after, self._asked(name), Event("agreed", name))

    def _hush(self, effect: Effect) -> None:
        self._hushed[effect.service] = self._hushed.get(effect.service, 0) + 1

    def _signal(self, effect: Effect) -> None:
        name = effect.service
        self.signals.append((name, int(effect.number)))
        if name in self.alive:
            event = Event("exited", name, number=0)
            self._later(self._behaviour(name).stops_after, f"process {self.alive[name]}", event)

    def _thaw(self, effect: Effect) -> None:
        assert effect.service in self.alive

    def _sweep(self, effect: Effect) -> None:
        name = effect.service
        if name in self.alive:
            self.signals.append((name, signal.SIGKILL))
            self._later(0.001, f"process {self.alive[name]}", Event("exited", name, number=-signal.SIGKILL))
        else:
            self._later(0.0, "", Event("gone", name))

    def _arm(self, effect: Effect) -> None:
        name = effect.service
        number = self._hushed[f"timer {name}"] = next(self._order) + 1
        self._later(effect.number, "timer", Event("timer", name, number=number))

    def _disarm(self, effect: Effect) -> None:
        self._hushed.pop(f"timer {effect.service}", None)

    def _tell(self, effect: Effect) -> None:
        self.history.append(f"{self.now:.3f} {effect.service} {effect.detail}")

    # -------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        for name in self.alive:
            assert self.phase(name) in LIVING, f"{name} lives, but is {self.phase(name)}"
        for name, found in self.machine.services.items():
            if found.phase is Phase.FAILED:
                assert found.reason, f"{name} failed, and nobody knows why"
            if found.phase in SETTLED and found.phase is not Phase.FAILED:
                assert not found.error or found.phase is Phase.STOPPED
