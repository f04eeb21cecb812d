"""What a service may be, what may happen to it, and what may be done about it: the machine's words."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from infra_runtime.messages import Phase
from infra_runtime.spec import ServiceSpec

#: phases in which nothing more will happen by itself
SETTLED = frozenset({Phase.IDLE, Phase.READY, Phase.DONE, Phase.PAUSED, Phase.STOPPED, Phase.FAILED})
#: phases in which a process may live
LIVING = frozenset({Phase.STARTING, Phase.READY, Phase.PAUSED, Phase.STOPPING})
#: phases in which a service may be given another spec
RESTING = frozenset({Phase.IDLE, Phase.DONE, Phase.STOPPED, Phase.FAILED})
#: phases that let a dependent start
SATISFYING = frozenset({Phase.READY, Phase.DONE})

EventKind: TypeAlias = Literal[
    "wanted",  # somebody wants the service (its needs are wanted with it)
    "unwanted",  # nobody does any more
    "restart",  # stop it, and start it again
    "prepared",
    "prepare-failed",  # detail: the reason
    "spawned",  # number: the pid
    "spawn-failed",  # detail: the reason
    "port-taken",  # detail: who holds which; number: 1 when another port may be chosen
    "not-yet",  # detail: why the probe doesn't agree
    "agreed",  # the probe got its answer
    "exited",  # number: the exit status (negative: the signal); detail: what else is known of it
    "gone",  # nothing of the service is left
    "timer",  # the timer that `arm` set has run out
    "killed",  # end it without a polite word, and leave it so
    "paused",
    "resumed",
]
EffectKind: TypeAlias = Literal[
    "prepare",  # bind it, and run its steps
    "spawn",
    "probe",  # ask until it agrees, or `hush`
    "hush",  # stop preparing and asking
    "signal",  # number: to the first process
    "thaw",  # let a frozen one hear signals again
    "sweep",  # SIGKILL to whatever is left of the service, then tell `gone`
    "arm",  # number: seconds; replaces the service's timer
    "disarm",
    "tell",  # detail: the event's word for the journal
]


class Event(NamedTuple):
    """Something that happened to one service."""

    kind: EventKind
    service: str
    detail: str = ""
    number: int = 0


class Effect(NamedTuple):
    """Something to be done for one service."""

    kind: EffectKind
    service: str
    detail: str = ""
    number: float = 0


class Service:
    """What the machine remembers of one service."""

    __slots__ = (
        "crashes",
        "error",
        "needs",
        "phase",
        "pid",
        "ready_at",
        "reason",
        "rebinds",
        "restarts",
        "since",
        "spec",
        "stop_step",
        "wanted",
    )

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.needs = spec.all_needs()
        self.phase = Phase.IDLE
        self.wanted = False
        self.pid = 0
        #: when the phase was entered
        self.since = 0.0
        #: when it was first ready, for this life of the supervisor
        self.ready_at: float | None = None
        #: why it is in this phase; a failed one's reason
        self.reason = ""
        #: the kind of the failure: start | port-taken
        self.error = ""
        self.crashes: list[float] = []
        self.restarts = 0
        self.rebinds = 0
        self.stop_step = 0
