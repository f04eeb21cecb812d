"""The types of the state machine: phases, events, effects, and the state of one service."""

from __future__ import annotations

from typing import Literal, TypeAlias

from infra_runtime.messages import Phase
from infra_runtime.record import Record
from infra_runtime.spec import ServiceSpec

#: phases that a service leaves only after a request of a client, an exit of its process or, if it has failed,
#: after the services that it needs are ready
SETTLED = frozenset({Phase.IDLE, Phase.READY, Phase.DONE, Phase.PAUSED, Phase.STOPPED, Phase.FAILED})
#: phases in which a service may have a process
LIVING = frozenset({Phase.STARTING, Phase.READY, Phase.PAUSED, Phase.STOPPING})
#: phases in which the spec of a service may be replaced
RESTING = frozenset({Phase.IDLE, Phase.DONE, Phase.STOPPED, Phase.FAILED})
#: phases of a service in which the services that need it can start
SATISFYING = frozenset({Phase.READY, Phase.DONE})
#: the greatest number of different reasons of failed probes that are recorded for one start of a process
UNREADY_LIMIT = 10

EventKind: TypeAlias = Literal[
    "wanted",  # a client requests the start of the service and of the services that it needs
    "unwanted",  # a client requests the stop of the service
    "restart",  # a client requests a stop and a new start of the service
    "prepared",
    "prepare-failed",  # detail: the reason
    "spawned",  # number: the pid
    "spawn-failed",  # detail: the reason
    "port-taken",  # detail: the port and the process that uses it; number: 1 if another port can be chosen
    "probe-failed",  # an attempt of the probe failed; detail: the reason
    "probe-succeeded",
    "exited",  # the first process exited; number: its status (negative: the signal); detail: an explanation
    "first-exited",  # the first process exited after a stop signal, but other processes are still running
    "rest-exited",  # the processes that were still running at `first-exited` have exited
    "gone",  # all processes of the service have exited
    "timer",  # the timer that `arm` set has expired
    "killed",  # a client requests to kill the service, which then stays stopped
    "paused",
    "resumed",
]
EffectKind: TypeAlias = Literal[
    "prepare",  # run the steps that prepare the service, and replace the references in its spec
    "spawn",  # start the first process
    "probe",  # repeat the probe until it succeeds or the effect `cancel` follows
    "cancel",  # cancel the running preparation or probe
    "signal",  # send a signal to the service; number: the signal; detail: "group" for the whole session
    "signal-rest",  # send the signal to the remaining processes; when all have exited, report `rest-exited`
    "unfreeze",  # continue all processes of the service with SIGCONT
    "sweep",  # kill all remaining processes of the service, then report `gone`
    "arm",  # start the service's timer, or set it again; number: seconds
    "disarm",  # stop the service's timer
    "record",  # write an event to the journal; detail: the event's name
]


class Event(Record):
    """An input of the state machine: a change that concerns one service."""

    kind: EventKind
    service: str
    detail: str = ""
    number: int = 0


class Effect(Record):
    """An output of the state machine: an action that the supervisor carries out for one service."""

    kind: EffectKind
    service: str
    detail: str = ""
    number: float = 0


class Service:
    """The state of one service."""

    __slots__ = (
        "attempts",
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
        "start_deadline",
        "stop_step",
        "unready",
        "wanted",
    )

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.needs = spec.all_needs()
        self.phase = Phase.IDLE
        self.wanted = False
        self.pid = 0
        #: the time at which the service entered the phase
        self.since = 0.0
        #: the time at which the service became ready for the first time since its last stop; None until then
        self.ready_at: float | None = None
        #: the reason for the phase; for a failed service, the cause of the failure
        self.reason = ""
        #: the kind of the failure: start | exit | needs | port-taken
        self.error = ""
        #: the reasons of failed attempts of the probe since the last start of the process
        self.unready: set[str] = set()
        self.crashes: list[float] = []
        self.restarts = 0
        #: the number of attempts to start the service before it was ready for the first time
        self.attempts = 0
        #: the time at which the service must be ready; all attempts to start the service have this common
        #: limit
        self.start_deadline = 0.0
        self.rebinds = 0
        self.stop_step = 0

    def add_reason(self, reason: str) -> bool:
        """Add a reason to `unready`; return whether the reason is new and `UNREADY_LIMIT` is not exceeded."""
        if reason in self.unready or len(self.unready) >= UNREADY_LIMIT:
            return False
        self.unready.add(reason)
        return True
