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
    supervisor sends the signal to the other processes of the service that have not received it yet. If
    processes remain at the end of the step, the next step begins; after the last step, they are killed.
    """

    signal: int = signal.SIGTERM
    seconds: float = 10.0
    #: whether the signal is sent to all processes of the session, for example to a server that a shell or
    #: `npm run` has started; false: only to the first process, for programs such as PostgreSQL that stop
    #: their own child processes
    group: bool = True


Restart: TypeAlias = Literal["on-failure", "always", "never"]


@frozen
class ServiceSpec:
    """The spec of one service: its description as data, with references `${…}` that are not replaced yet."""

    name: str
    command: tuple[str, ...]
    #: the kind in the catalogue; empty for a service that the user defines
    kind: str = ""
    summary: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    #: default values of variables that neither the service nor the environment of the supervisor sets; `env`
    #: already contains the defaults that apply in an empty environment
    env_defaults: tuple[Default, ...] = ()
    cwd: str = "${data}"
    prepare: tuple[Step, ...] = ()
    #: port name → number; in tests, the number of a free port is used instead
    ports: Mapping[str, int] = field(default_factory=dict)
    #: whether the service can listen on other ports if another process or stack uses its fixed ports
    ports_may_vary: bool = False
    #: the probe; None: the service is ready as soon as its process runs; a task is always ready when it exits
    #: with 0
    ready: Probe | None = None
    #: export → text, for other services and for clients; the export `url` is the address for clients
    exports: Mapping[str, str] = field(default_factory=dict)
    #: the services that must be ready before this service starts; references `${SERVICE.EXPORT}` add further
    #: services
    needs: tuple[str, ...] = ()
    #: the time limit in seconds from the start of the process until the service is ready; for a task, until
    #: it exits. Until the service is ready for the first time, all its attempts to start share this limit
    start_timeout: float = 30.0
    #: the signals that stop the service; after the last step, the supervisor kills the remaining processes
    stop: tuple[StopStep, ...] = (StopStep(),)
    restart: Restart = "on-failure"
    #: the request that is sent before a snapshot copies the data; None if the files are consistent at any
    #: time
    quiesce: Quiesce | None = None
    #: whether the service runs once and is complete when it exits with 0, such as a migration
    task: bool = False
    #: whether the supervisor listens on the ports, and starts the process at the first connection; the
    #: process inherits the listening sockets. Until then, the service is ready without a process
    starts_on_connection: bool = False
    #: whether snapshots contain the data of the service, and a restore replaces the data
    in_snapshots: bool = True
    #: glob patterns of files, relative to the stack file's folder; `infra runtime up --watch` restarts the
    #: service when a matching file changes
    watch: tuple[str, ...] = ()
    #: whether the program refuses to run as root: the supervisor then runs the program in a user namespace or
    #: as another user
    refuses_root: bool = False
    #: the service of which this service is a copy, for example for a single test; the number of services in
    #: summaries does not include copies
    copy_of: str = ""
    #: the image in which the local engine runs the service; empty for a program of this machine. `command` is
    #: the command line of the container engine. When the service has stopped, the supervisor removes the
    #: containers with the labels of the service
    image: str = ""
    #: names of variables, exports and options whose values are secrets, in addition to names such as
    #: `API_KEY`
    sensitive: tuple[str, ...] = ()
    #: the description of the service's container for export engines; None if the kind has no image
    container: Container | None = None

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The references in all texts of the spec, in the order of its fields."""
        return references_in(self)

    def all_needs(self) -> tuple[str, ...]:
        """Return the names of all services that this service needs, sorted and without duplicates.

        These are the names in `needs`, and the names of the services in references `${SERVICE.EXPORT}`.
        """
        referenced_services = map(other_service, self.references)
        return tuple(
            sorted({name for name in (*self.needs, *referenced_services) if name and name != self.name})
        )

    def digest(self) -> str:
        """Return a hash of the values that the local engine uses, as sixteen hexadecimal digits."""
        local = encode(replace(self, container=None))
        return hashlib.sha256(json.dumps(local, sort_keys=True).encode()).hexdigest()[:16]


#: class name → class, for every class whose instances a spec can contain
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
