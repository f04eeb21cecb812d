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
    """The phase of a service, such as `starting` or `ready`."""

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
    #: whether the service is ready, or the task is complete
    ready: bool
    task: bool
    #: the service of the plan from which this service was copied; empty if this service is not a copy
    copy_of: str
    #: the reason for this phase; may be empty
    reason: str
    #: the pid of the first process; 0 if the service has no process
    pid: int
    #: seconds since the service entered this phase
    seconds: float
    restarts: int
    needs: tuple[str, ...]
    #: port name → number; empty before the ports of the service are chosen
    ports: Mapping[str, int]
    #: export → text; empty before the references of the service are replaced
    exports: Mapping[str, str]
    #: the path of the log file
    log: str
    #: the number of bytes that were removed from the beginning of the log because of the size limit
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
        """The names of the services, in the order of the answer."""
        return tuple(service.name for service in self)


class Failure(Message):
    """A service that failed or was stopped, and the reason."""

    service: str
    #: `start`; `port-taken`; `needs` (a needed service failed, stopped or paused); empty: it was stopped
    kind: str
    reason: str
    #: for `port-taken`: the number of the port, and a description of the process that uses the port
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
    #: the seconds for which the stack continues after its last lease; None: until `down` if `stay` is true
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
    """The exports, ports and variables of a service with bound ports; the secrets in it are not masked."""

    kind: str
    exports: Mapping[str, str]
    ports: Mapping[str, int]
    #: the data folder of the service
    data: str
    env: Mapping[str, str]
    #: the path of the executable
    program: str
    #: the values of the service's secrets, for programs that mask them in texts
    secrets: tuple[str, ...] = ()


class Endpoints(Message):
    """The answer to `endpoints`: the endpoint of each service whose ports are known, by service name."""

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
    """A damaged snapshot, which can be removed but not restored, and the reason."""

    name: str
    reason: str


class Restored(Message):
    """The answer to `snapshot_restore`: the snapshot, and the states of the services after the restore."""

    services: Services
    failures: tuple[Failure, ...]
    snapshot: Snapshot


# --- events ----------------------------------------------------------------------------------------


class Event(Message):
    """A change of a stack or a service; comments name the values of `event` for which a field is set."""

    #: Unix seconds
    time: float = 0.0
    event: str
    #: the name of the service; empty if the event concerns the stack
    service: str = ""
    reason: str = ""
    #: `up`, `early-start`, `spawned`, `exited`, `guardian-died`
    pid: int = 0
    #: `early-start`, `spawned`: the start time of the process; pid and start time together identify a process
    started: str = ""
    #: `exited`: the exit status, or the negative number of the signal that ended the process
    status: int | None = None
    #: `spawned`
    ports: Mapping[str, int] = field(default_factory=dict)
    #: `spawned`: the service that was copied, and the path of the container engine; both can be empty
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
    #: `down`, `reconciled`: the remaining processes, containers and ports
    left: tuple[str, ...] = ()
    #: `up`: the environment, the token in the variables of all processes, the identifier of the boot
    environment: str = ""
    token: str = ""
    boot: str = ""
    #: `up`: the folder of the control group, and the folder in RAM; empty if the stack has no such folder
    cgroup: str = ""
    folder: str = ""
    #: the line of the journal as JSON data, including fields that only other versions define
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
    #: if the client has started the supervisor of a test: the parameters of its request `up`; otherwise None
    starting: object = None


class Greeting(Message):
    """The supervisor's answer to the first request of a client."""

    protocol: int
    pid: int
    #: whether the stack is stopping
    ending: bool


class Up(Message):
    """The parameters of `up`: the specs of the services, and the values that replace their references."""

    services: tuple[ServiceSpec, ...]
    #: the folder of the stack file
    root: str
    #: NAME in `${bin.NAME}` → the path of the executable
    binaries: Mapping[str, str]
    #: NAME in `${env.NAME}` → the value of the variable
    variables: Mapping[str, str]
    #: the services to start, in addition to the services that they need; empty: all services
    wanted: tuple[str, ...] = ()
    #: whether the supervisor answers only when all services to start are ready or have failed
    wait: bool = True


class Names(Message):
    """The parameters of requests such as `start` and `stop`: the names of services."""

    services: tuple[str, ...]


class Crash(Message):
    """The parameters of `crash`: the services, and the number of the signal that is sent to their processes.

    If `wait` is true, the supervisor answers when the services are ready again, stopped or failed.
    """

    services: tuple[str, ...]
    signal: int = 9
    wait: bool = False


class Wait(Message):
    """The parameters of `wait`: the services (empty: all services), and the timeout in seconds."""

    services: tuple[str, ...] = ()
    timeout: float = 60.0


class SnapshotName(Message):
    """The parameters of `snapshot_save` and `snapshot_restore`: the name of the snapshot."""

    name: str


class Stay(Message):
    """The parameters of `stay`: whether the stack keeps running after its last lease, and how many seconds.

    If `on` is true and `seconds` is None, the stack keeps running until `down`.
    """

    on: bool
    seconds: float | None = None


class Released(Message):
    """The answer to `release`, a client's request to end its lease; `leases` is the number that remains."""

    leases: int
    #: whether the stack stops, for example because the lease was the last one
    ending: bool
    #: the longest time in seconds that the stop of the stack can take
    stop_seconds: float = 0.0


class Limits(Message):
    """The longest times in seconds that the start (or its failure) and the stop of all services can take."""

    start: float
    stop: float


#: what a method waits for: the start or stop of services, the copy of a snapshot, or the client's `timeout`
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
