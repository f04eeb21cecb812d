"""What a service is, as frozen data that survives JSON.

A spec refers, it does not contain: `${port.client}`, `${data}`, `${postgres.url}` stay as they are
until an engine binds them. The names that may stand in `${…}`:

    bin.NAME        the path of an executable
    port.NAME       one of the service's own ports
    host            the address that the service listens on (always loopback for the supervisor)
    data            the service's own folder in the data directory
    run             a folder with a short path for the service's sockets, mode 0700
    root            the folder of the stack file
    secret.NAME     the text of the secret that a `Secret` step made
    env.NAME        a variable of the client's environment; `${env.NAME:-other}` when it may be unset
    stack.NAME      `environment` of the stack
    out             inside a `Seed`: the folder that is being made
    SERVICE.EXPORT  what another service exports; this also makes that service a need

`$$` is a dollar sign.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeAlias

OWN_SCOPES = frozenset({"bin", "port", "secret", "env", "stack"})
OWN_NAMES = frozenset({"host", "data", "run", "root", "out"})
_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}")


# --- readiness: a probe is data; the supervisor knows how to ask -----------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    """Something accepts a connection. The weakest probe: for servers whose protocol we don't speak."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """A GET is answered with a status in `status` (inclusive), and a body that has `contains` in it."""

    port: str
    path: str = "/"
    status: tuple[int, int] = (200, 399)
    contains: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresProbe:
    """A start-up packet is answered with a request for authentication (not with 57P03, still starting).

    Source: PostgreSQL documentation, "Frontend/Backend Protocol", message flow of start-up.
    """

    port: str
    user: str = "postgres"
    database: str = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class RespProbe:
    """PING is answered with PONG, or with a demand to log in (never with LOADING). Source: RESP protocol."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsProbe:
    """The server greets with INFO and answers PING with PONG. Source: NATS client protocol."""

    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecProbe:
    """A command exits with 0, within `timeout` seconds."""

    command: tuple[str, ...]
    timeout: float = 5.0


Probe: TypeAlias = TcpProbe | HttpProbe | PostgresProbe | RespProbe | NatsProbe | ExecProbe


# --- preparing: what must be there before the first start ------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Write a file from a text with references; it is written anew at every start.

    `json` says that the references stand inside JSON strings: what comes in their place is escaped.
    """

    path: str
    text: str
    mode: int = 0o600
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """Fail the start with `problem` when the file at `path` is there and does not begin with `text`.

    `{found}` in `problem` becomes the first line of the file.
    """

    path: str
    text: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove a file that a killed life left: of the service nobody lives when it is prepared."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Keep a random text at `path` (mode 0600): made once, never printed."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Run a command to its end; anything but exit 0 fails the start."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Fill `into` once with a tree that `steps` made in `${out}`.

    The tree is kept in the user's cache, keyed by the steps' text and the executables' identity,
    so that every further stack pays for a copy alone (a reflink, where the disk can).
    An `into` that exists already is left as it is: it is somebody's data.
    """

    into: str
    steps: tuple[WriteFile | Expect | Remove | Secret | Run, ...]


Step: TypeAlias = WriteFile | Expect | Remove | Secret | Run | Seed


# --- snapshots: what must be on the disk before a copy of it means anything --------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RespSave:
    """SAVE: write what is in memory to the disk, and answer when it is there. Source: Valkey commands."""

    port: str


Quiesce: TypeAlias = RespSave


# --- the service -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStep:
    """A signal to the service's first process, and the seconds that it has to end on it."""

    signal: int = signal.SIGTERM
    seconds: float = 10.0


Restart: TypeAlias = Literal["on-failure", "always", "never"]


# --- containers: the same service for engines that run images ---------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How a service runs in a container: for the engines that render images, ignored by the local one.

    The texts hold references like all others, and an engine binds them to what is true inside the container:
    `${port.NAME}` to the number in `ports`, `${host}` to all its addresses, `${data}` to `data`, `${root}` to
    `root`. `${bin.NAME}` is a program on the image's PATH.
    """

    #: with its tag, such as `postgres:18.6-bookworm`; empty when the image is built
    image: str = ""
    #: the folder that the image is built from, relative to the stack file's; empty when `image` is named
    build: str = ""
    #: relative to `build`; empty for the Dockerfile that the engine generates
    dockerfile: str = ""
    #: None keeps the image's entry point; an empty tuple removes it: `command` is the whole command line then
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    #: environment variable → the secret whose file's path it holds
    secret_files: Mapping[str, str] = field(default_factory=dict)
    #: absolute path → the text of a configuration file
    files: Mapping[str, str] = field(default_factory=dict)
    #: folders and files, relative to the stack file's folder, that are mounted read-only below `root`
    mounts: tuple[str, ...] = ()
    #: the folder of the image that stands for the stack file's folder; empty when the image has none
    root: str = ""
    #: the folder whose content outlasts the container; empty for a service without a state
    data: str = ""
    #: port name → number inside the container; a port of the service that is missing here keeps its number
    ports: Mapping[str, int] = field(default_factory=dict)
    #: a command that the image has and that exits with 0 when the service is ready; empty: made from `ready`
    health: tuple[str, ...] = ()
    #: the program of the image that sends a health check made from `ready`: `python`, `curl` or `wget`
    health_client: str = ""
    #: true when the ports are meant for clients outside the stack in production too
    public: bool = False
    #: why the service with these settings cannot run in the image; empty when it can
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """One service: data alone, every reference still symbolic."""

    name: str
    command: tuple[str, ...]
    summary: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "${data}"
    prepare: tuple[Step, ...] = ()
    #: name → the port that development uses; tests lease one instead
    ports: Mapping[str, int] = field(default_factory=dict)
    #: None: ready as soon as it runs (and for a task: as soon as it has ended well)
    ready: Probe | None = None
    #: what others and users may refer to; `url` is the one that everybody looks for
    exports: Mapping[str, str] = field(default_factory=dict)
    #: besides those that the references tell
    needs: tuple[str, ...] = ()
    #: seconds from spawn to ready; a task's: to its end
    start_timeout: float = 30.0
    #: then SIGKILL to the whole session, always
    stop: tuple[StopStep, ...] = (StopStep(),)
    restart: Restart = "on-failure"
    #: what to ask for before the data directory is copied for a snapshot; None: its files are always whole
    quiesce: Quiesce | None = None
    #: a one-shot: it is ready when it has exited with 0 (migrations)
    task: bool = False
    #: globs below the project's root; a change restarts the service under `up --watch`
    watch: tuple[str, ...] = ()
    #: true for programs that refuse to run as root: they get a user namespace or another uid
    refuses_root: bool = False
    #: the service that this one copies for somebody, as for a single test; who counts services leaves it out
    copy_of: str = ""
    #: for the engines that render images; None when the kind has no image
    container: Container | None = None

    def all_needs(self) -> tuple[str, ...]:
        """`needs`, and the services that a reference names; sorted, without doubles."""
        named = (other_service(reference) for text in texts(self) for reference in references(text))
        return tuple(sorted({name for name in (*self.needs, *named) if name and name != self.name}))

    def digest(self) -> str:
        """Sixteen hex digits that change when anything changes that the local engine runs."""
        local = encode(replace(self, container=None))
        return hashlib.sha256(json.dumps(local, sort_keys=True).encode()).hexdigest()[:16]


# --- references ------------------------------------------------------------------------------------


def references(text: str) -> list[str]:
    """What stands between `${` and `}`, in order; `$$` hides a dollar."""
    return [match[1].strip() for match in _REFERENCE.finditer(text) if match[1] is not None]


def is_open(text: str) -> bool:
    """Whether a `${` in it has no `}`."""
    return "${" in _REFERENCE.sub("", text)


def substitute(text: str, lookup: Callable[[str], str]) -> str:
    """`text` with each reference replaced by what `lookup` says of it."""
    return _REFERENCE.sub(lambda match: "$" if match[1] is None else lookup(match[1].strip()), text)


def bound_copy(value: Any, lookup: Callable[[str], str]) -> Any:
    """A spec's part (a probe, a step) with the references of all its texts replaced."""
    if isinstance(value, str):
        return substitute(value, lookup)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{item.name: bound_copy(getattr(value, item.name), lookup) for item in fields(value)}
        )
    if isinstance(value, Mapping):
        return {key: bound_copy(inner, lookup) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(bound_copy(inner, lookup) for inner in value)
    return value


def other_service(reference: str) -> str | None:
    """The service that `SERVICE.EXPORT` speaks of; None for the scopes that are one's own."""
    scope, dot, _ = reference.partition(".")
    return scope if dot and scope not in OWN_SCOPES else None


def texts(value: object) -> Iterator[str]:
    """Every text inside a spec, in the order of its fields."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from texts(getattr(value, item.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from texts(inner)


# --- JSON ------------------------------------------------------------------------------------------

#: the kind of a table that has a key `kind` of its own
_TABLE = "Table"
_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        RespSave, TcpProbe, HttpProbe, PostgresProbe, RespProbe, NatsProbe, ExecProbe,
        WriteFile, Expect, Remove, Secret, Run, Seed, StopStep, Container, ServiceSpec,
    )
}  # fmt: skip


def encode(value: object) -> Any:
    """A spec, or a part of one, as plain JSON data; each object bears its `kind`."""
    if is_dataclass(value):
        found = {item.name: encode(getattr(value, item.name)) for item in fields(value)}
        return {"kind": type(value).__name__, **found}
    if isinstance(value, Mapping):
        table = {key: encode(inner) for key, inner in value.items()}
        return (
            {"kind": _TABLE, "rows": [[*row] for row in sorted(table.items())]} if "kind" in table else table
        )
    if isinstance(value, tuple | list):
        return [encode(inner) for inner in value]
    return int(value) if isinstance(value, signal.Signals) else value


def decode(data: Any) -> Any:
    """What `encode` was given. Raises `KeyError` or `TypeError` for what it never wrote."""
    if isinstance(data, dict):
        inner = {key: decode(value) for key, value in data.items()}
        if inner.get("kind") == _TABLE:
            return dict(inner["rows"])
        return _KINDS[inner.pop("kind")](**inner) if "kind" in inner else inner
    if isinstance(data, list):
        return tuple(decode(value) for value in data)
    return data


def decode_service(data: Any) -> ServiceSpec:
    """A `ServiceSpec` from JSON data. Raises `ValueError` for anything else."""
    try:
        spec = decode(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a service spec: {error!r}") from error
    if not isinstance(spec, ServiceSpec):
        raise ValueError(f"not a service spec: {type(spec).__name__}")  # noqa: TRY004 - it is the value that is wrong
    return spec
