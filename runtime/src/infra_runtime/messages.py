"""The messages between clients and the supervisor: every request, answer and event has a type.

The methods of the control socket are at the end of the module, each with the types of its parameters and of
its answer. A field that only a newer version sends is ignored.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import ClassVar, Generic, Literal, SupportsIndex, TypeAlias, TypeVar, overload

from infra_runtime.message import Message, decode
from infra_runtime.spec import ServiceSpec

Params = TypeVar("Params", bound=Message)
Answer = TypeVar("Answer", bound=Message)

# --- services --------------------------------------------------------------------------------------


class Phase(StrEnum):
    """The phase of a service, such as `starting` or `ready`; it changes with each event of the service."""

    IDLE = "idle"
    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    PAUSED = "paused"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class ServiceStatus(Message):
    """The state of one service in the supervisor's answers to clients; secrets are masked."""

    name: str
    #: empty for the user's own service
    kind: str
    summary: str
    phase: Phase
    #: the service is ready, or the task is done
    ready: bool
    task: bool
    #: the service of which this service is a copy; empty for the services of the plan
    copy_of: str
    #: the reason for this phase; may be empty
    reason: str
    #: the pid of the first process; 0 if the service has no process
    pid: int
    #: seconds in this phase
    seconds: float
    restarts: int
    needs: tuple[str, ...]
    #: port name → number; empty before the references of the service are replaced
    ports: Mapping[str, int]
    #: export → text; empty before the references of the service are replaced
    exports: Mapping[str, str]
    #: the path of the log file
    log: str
    #: the number of bytes at the beginning of the log that were dropped because of a limit
    log_dropped: int = 0


class Services(tuple[ServiceStatus, ...]):
    """The states of several services, by position or by name: `services[0]`, `services["postgres"]`."""

    __slots__ = ()
    item: ClassVar[type] = ServiceStatus

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> ServiceStatus: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[ServiceStatus, ...]: ...
    def __getitem__(self, key: SupportsIndex | str | slice) -> ServiceStatus | tuple[ServiceStatus, ...]:
        """Return the state of a service by name or position, or of several services by slice.

        Raises `KeyError` for an unknown name, `IndexError` for an unknown position.
        """
        if not isinstance(key, str):
            return super().__getitem__(key)
        for service in self:
            if service.name == key:
                return service
        raise KeyError(key)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the services, in dependency order."""
        return tuple(service.name for service in self)


class Failure(Message):
    """The reason why a service did not become ready."""

    service: str
    #: `start`, `port-taken`, or `needs` when a service that it needs has failed
    kind: str
    reason: str
    #: the number of the port that is in use, and the process that uses it
    port: tuple[int, str] | None = None
    log: str = ""
    #: the last lines of the log, if the service itself failed
    log_tail: tuple[str, ...] = ()


class Status(Message):
    """The state of a stack, for `infra runtime status`; secrets are masked."""

    #: the pid of the supervisor
    pid: int
    environment: str
    #: the data directory
    data: str
    leases: int
    #: whether the stack continues after its last lease has ended
    stay: bool
    #: the seconds for which the stack continues; None: until `down`
    stay_seconds: float | None
    services: Services

    @property
    def detached(self) -> bool:
        """Return whether the stack runs until `infra runtime down`, as after `infra runtime up --detach`."""
        return self.stay and self.stay_seconds is None


class Outcome(Message):
    """The answer to requests that start or stop services: their states, and why services failed."""

    services: Services
    failures: tuple[Failure, ...] = ()


# --- endpoints -------------------------------------------------------------------------------------


class ServiceEndpoint(Message):
    """The exports, ports and settings of a running service, including secrets; never shown to users."""

    kind: str
    exports: Mapping[str, str]
    ports: Mapping[str, int]
    #: the service's own folder
    data: str
    env: Mapping[str, str]
    #: the path of the executable
    program: str
    #: the values of its secrets, for programs that mask them in text
    secrets: tuple[str, ...] = ()


class Endpoints(Message):
    """The answer to `endpoints`: a mapping from the name of each service with known ports to its endpoint."""

    services: Mapping[str, ServiceEndpoint]


class Binding(Message):
    """The values that replace the references of a service on this machine; secrets in exports are masked."""

    kind: str
    data: str
    run: str
    ports: Mapping[str, int]
    cwd: str
    exports: Mapping[str, str]


class Bindings(Message):
    """The answer to the request `bound`: a mapping from service name to the values of its references."""

    services: Mapping[str, Binding]


# --- snapshots -------------------------------------------------------------------------------------


class Snapshot(Message):
    """The description of a snapshot, which is stored in the folder of the snapshot."""

    format: int
    name: str
    #: Unix seconds
    time: float
    #: service → the digest of its spec
    services: Mapping[str, str]
    #: service → path, size and modification time (ns) of its executable
    executables: Mapping[str, tuple[str, int, int]]


class DamagedSnapshot(Message):
    """A damaged snapshot and the reason; it can be removed but not restored."""

    name: str
    reason: str


class Restored(Message):
    """The answer to a restore: the snapshot, and the states of the services afterwards."""

    services: Services
    failures: tuple[Failure, ...]
    snapshot: Snapshot


# --- events ----------------------------------------------------------------------------------------


class Event(Message):
    """A change of a stack or a service. Comments name the values of `event` for which a field is set."""

    #: Unix seconds
    time: float = 0.0
    event: str
    #: the name of the service; empty if the event concerns the stack
    service: str = ""
    reason: str = ""
    #: `up`, `early-start`, `spawned`, `exited`, `guardian-died`
    pid: int = 0
    #: `early-start`, `spawned`: the start time of the process; with the pid it identifies the process
    started: str = ""
    #: `exited`: the exit status, or the negative number of the signal that ended the process
    status: int | None = None
    #: `spawned`
    ports: Mapping[str, int] = field(default_factory=dict)
    #: `spawned`: the service that this one copies, and the container engine that runs it; may be empty
    copy_of: str = ""
    engine: str = ""
    #: `wanted`, `snapshot`, `restored`
    services: tuple[str, ...] = ()
    #: `wanted`: service → the services that it needs
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: `snapshot`, `restored`: the name of the snapshot
    name: str = ""
    #: `reconciled`: the processes of an earlier supervisor that were killed
    pids: tuple[int, ...] = ()
    #: `down`, `reconciled`: the remaining processes, ports and sockets
    left: tuple[str, ...] = ()
    #: `up`: the environment, the token in the variables of all processes, and the machine's boot
    environment: str = ""
    token: str = ""
    boot: str = ""
    #: `up`: the folder of the control group, and the folder in RAM; empty if there is none
    cgroup: str = ""
    folder: str = ""
    #: the line of the journal as JSON data, including fields that this version does not know
    record: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the event as JSON data, with the same fields as the event's line in the journal."""
        return dict(self.record)

    @classmethod
    def parse(cls, record: object) -> "Event":
        """Return the event for the JSON data of a line in the journal.

        Raises `MessageError` for other data.
        """
        return decode(cls, {**record, "record": record} if isinstance(record, dict) else record)


# --- requests and their answers --------------------------------------------------------------------


class Nothing(Message):
    """The parameters of a request without parameters, or an answer without content."""


class Hello(Message):
    """The parameters of a client's first request. If `lease` is true, the connection is a lease."""

    lease: bool = False
    #: for a new supervisor: the parameters of the request `up` that follows, or None
    starting: object = None


class Greeting(Message):
    """The supervisor's answer to the first request of a client."""

    protocol: int
    pid: int
    #: whether the stack is stopping
    ending: bool


class Up(Message):
    """The parameters of `up`: the services to start, and the values for their references."""

    services: tuple[ServiceSpec, ...]
    #: the folder of the stack file
    root: str
    #: the name in `${bin.NAME}` → path
    binaries: Mapping[str, str]
    #: the name in `${env.NAME}` → value
    variables: Mapping[str, str]
    #: the names of the services to start; the services that they need start too. Empty: all services
    wanted: tuple[str, ...] = ()
    #: whether the supervisor answers only when all services are ready or have failed
    wait: bool = True


class Names(Message):
    """The parameters of requests such as `start` and `stop`: the names of services."""

    services: tuple[str, ...]


class Crash(Message):
    """The parameters of `crash`: the services, and the signal that their processes get.

    If `wait` is true, the supervisor answers when the services are ready again.
    """

    services: tuple[str, ...]
    signal: int = 9
    wait: bool = False


class Wait(Message):
    """The parameters of `wait`: the services to wait for (empty: all), and the timeout in seconds."""

    services: tuple[str, ...] = ()
    timeout: float = 60.0


class SnapshotName(Message):
    """The parameters of requests that save or restore a snapshot: the name of the snapshot."""

    name: str


class Stay(Message):
    """The parameters of `stay`: whether the stack keeps running after its last lease, and how long.

    `seconds` is None if the stack keeps running until `down`.
    """

    on: bool
    seconds: float | None = None


class Released(Message):
    """The answer to `release`, the request with which a client ends its lease."""

    leases: int
    #: whether the lease was the last one, so that the stack stops
    ending: bool
    #: seconds that the stop may take
    stop_seconds: float = 0.0


class Limits(Message):
    """The longest times in seconds in which all services of a stack start (or fail) and stop."""

    start: float
    stop: float


#: what a method waits for: services that start or stop, the copies of a snapshot, or the client's `timeout`
Waits: TypeAlias = Literal["start", "stop", "copy", "timeout"]


class Method(Generic[Params, Answer]):
    """A method (a type of request) of the control socket, with the types of its parameters and answer.

    Clients derive the deadline of a call from `waits`.
    """

    def __init__(self, name: str, params: type[Params], answer: type[Answer], *waits: Waits) -> None:
        self.name, self.params, self.answer, self.waits = name, params, answer, waits

    def __repr__(self) -> str:
        return f"<Method {self.name}>"


HELLO = Method("hello", Hello, Greeting)
LIMITS = Method("limits", Nothing, Limits)
UP = Method("up", Up, Outcome, "start", "stop")
STATUS = Method("status", Nothing, Status)
ENDPOINTS = Method("endpoints", Nothing, Endpoints)
BOUND = Method("bound", Nothing, Bindings)
START = Method("start", Names, Outcome, "start", "stop")
STOP = Method("stop", Names, Outcome, "stop")
RESTART = Method("restart", Names, Outcome, "start", "stop")
KILL = Method("kill", Names, Outcome, "stop")
CRASH = Method("crash", Crash, Outcome, "start", "stop")
PAUSE = Method("pause", Names, Outcome, "start", "stop")
RESUME = Method("resume", Names, Outcome)
WAIT = Method("wait", Wait, Outcome, "timeout")
SNAPSHOT_SAVE = Method("snapshot_save", SnapshotName, Snapshot, "copy")
SNAPSHOT_RESTORE = Method("snapshot_restore", SnapshotName, Restored, "copy", "start", "stop")
SUBSCRIBE = Method("subscribe", Nothing, Nothing)
STAY = Method("stay", Stay, Nothing)
RELEASE = Method("release", Nothing, Released)
DOWN = Method("down", Nothing, Nothing, "stop")
