"""`ServiceSpec`: command, ports, probe, stop steps and exports of one service."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from infra_runtime.spec.codec import decode, encode
from infra_runtime.spec.container import Container, Operator
from infra_runtime.spec.probes import (
    Exchange,
    ExecProbe,
    Expect,
    HttpProbe,
    LengthPrefix,
    PostgresProbe,
    Probe,
    Quiesce,
    Send,
    TcpProbe,
)
from infra_runtime.spec.references import other_service, references_in
from infra_runtime.spec.steps import Remove, RequireFile, Run, Secret, Seed, Step, WriteFile
from infra_runtime.spec.variables import Default
from infra_runtime.value import frozen


@frozen
class StopStep:
    """One step in stopping a service: a signal, and the number of seconds until the next step begins.

    If the first process of the service (the process that executes its command) exits during the step, the
    supervisor sends the signal to all other processes of the service that have not received it yet. These
    processes must exit before the step ends. After the last step, the remaining processes are killed.
    """

    signal: int = signal.SIGTERM
    seconds: float = 10.0
    #: whether all processes of the session get the signal, so that it reaches a server behind a shell or
    #: `npm run`; false if only the first process gets it, such as PostgreSQL, which stops its children
    group: bool = True


Restart: TypeAlias = Literal["on-failure", "always", "never"]


@frozen
class ServiceSpec:
    """The specification of one service as data; it contains references `${…}`, which are not replaced yet."""

    name: str
    command: tuple[str, ...]
    #: the kind in the catalogue; empty for a service that the user defines
    kind: str = ""
    summary: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    #: variables that the service gets unless it, or the environment of the supervisor, sets them; `env`
    #: contains those that apply without this environment
    env_defaults: tuple[Default, ...] = ()
    cwd: str = "${data}"
    prepare: tuple[Step, ...] = ()
    #: port name → number in development; in tests, it is replaced by the number of a free port
    ports: Mapping[str, int] = field(default_factory=dict)
    #: whether the service gets other ports if another process or stack uses its fixed ports
    ports_may_vary: bool = False
    #: the probe; None: a service is ready as soon as its process runs, a task when it has exited with 0
    ready: Probe | None = None
    #: export → text, for other services and for users; `url` is the address for clients
    exports: Mapping[str, str] = field(default_factory=dict)
    #: services that must be ready before this service starts, in addition to the services in its references
    needs: tuple[str, ...] = ()
    #: seconds from the start of the process until the service is ready; for a task: until it exits
    start_timeout: float = 30.0
    #: the signals that stop the service; after the last step the supervisor kills the whole session
    stop: tuple[StopStep, ...] = (StopStep(),)
    restart: Restart = "on-failure"
    #: the request to send before a snapshot copies the data; None when the files are always consistent
    quiesce: Quiesce | None = None
    #: true for a service that runs once and is complete when it exits with 0, such as a migration
    task: bool = False
    #: whether the supervisor listens on the ports of the service, and starts the process only at the first
    #: connection, with the listening sockets; until then, the service is ready without a process
    starts_on_connection: bool = False
    #: whether snapshots contain the data of the service, and a restore replaces the data
    in_snapshots: bool = True
    #: glob patterns below the project's root; `up --watch` restarts the service when a matching file changes
    watch: tuple[str, ...] = ()
    #: true for a program that refuses to run as root: the supervisor runs it in a user namespace or as
    #: another user
    refuses_root: bool = False
    #: the service of which this service is a copy, for example for a single test; the number of services in
    #: summaries does not include copies
    copy_of: str = ""
    #: the image in which the local engine runs the service; empty for a program of this machine. `command` is
    #: the command line of the container engine. When the service has stopped, the supervisor removes the
    #: containers with the labels of the service
    image: str = ""
    #: names of variables, exports and options that contain secrets although the names do not show it
    sensitive: tuple[str, ...] = ()
    #: for the engines that generate container configurations; None when the kind has no image
    container: Container | None = None

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The references in all texts of the spec, in the order of its fields."""
        return references_in(self)

    def all_needs(self) -> tuple[str, ...]:
        """Return the names of all services that this service needs, sorted and without duplicates.

        These are the names in `needs`, and the names of the services in references `${SERVICE.EXPORT}`.
        """
        named = map(other_service, self.references)
        return tuple(sorted({name for name in (*self.needs, *named) if name and name != self.name}))

    def digest(self) -> str:
        """Return a hash (sixteen hexadecimal digits) of all values of the spec that the local engine uses."""
        local = encode(replace(self, container=None))
        return hashlib.sha256(json.dumps(local, sort_keys=True).encode()).hexdigest()[:16]


#: class name → class, for every value that a spec may contain
TYPES: Mapping[str, type] = {
    value.__name__: value
    for value in (
        TcpProbe, HttpProbe, PostgresProbe, ExecProbe, Exchange, Send, Expect, LengthPrefix,
        WriteFile, RequireFile, Remove, Secret, Run, Seed, StopStep, Default, Container, Operator,
        ServiceSpec,
    )
}  # fmt: skip


def decode_service(data: Any) -> ServiceSpec:
    """Return the `ServiceSpec` that `encode` converted to JSON data. Raises `ValueError` for other data."""
    try:
        spec = decode(data, TYPES)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a service spec: {error!r}") from error
    if not isinstance(spec, ServiceSpec):
        raise ValueError(f"not a service spec: {type(spec).__name__}")  # noqa: TRY004 - the value is wrong
    return spec
