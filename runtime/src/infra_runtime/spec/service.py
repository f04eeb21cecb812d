"""The service itself: command, ports, probe, stop steps and exports as one frozen value."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from infra_runtime.spec.codec import decode, encode
from infra_runtime.spec.container import Container
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
from infra_runtime.spec.references import other_service, references, texts
from infra_runtime.spec.steps import Remove, RequireFile, Run, Secret, Seed, Step, WriteFile


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStep:
    """A signal to the service's first process, and the seconds until the next step."""

    signal: int = signal.SIGTERM
    seconds: float = 10.0


Restart: TypeAlias = Literal["on-failure", "always", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """One service: only data, every reference still symbolic."""

    name: str
    command: tuple[str, ...]
    #: the catalogue's kind; empty for a service of the user's own
    kind: str = ""
    summary: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "${data}"
    prepare: tuple[Step, ...] = ()
    #: name → the port in development; tests lease one instead
    ports: Mapping[str, int] = field(default_factory=dict)
    #: None: ready as soon as its process runs (a task: as soon as it has exited with 0)
    ready: Probe | None = None
    #: name → text for other services and for users; clients look for `url` first
    exports: Mapping[str, str] = field(default_factory=dict)
    #: services that must be ready before, besides those that references name
    needs: tuple[str, ...] = ()
    #: seconds from the spawn to readiness; for a task: to its end
    start_timeout: float = 30.0
    #: after the last step SIGKILL goes to the whole session
    stop: tuple[StopStep, ...] = (StopStep(),)
    restart: Restart = "on-failure"
    #: request before the data directory is copied for a snapshot; None: the files are always consistent
    quiesce: Quiesce | None = None
    #: runs once; it is ready when it has exited with 0 (migrations)
    task: bool = False
    #: globs below the project's root; a change restarts the service under `up --watch`
    watch: tuple[str, ...] = ()
    #: true for programs that refuse to run as root: they get a user namespace or another uid
    refuses_root: bool = False
    #: the service that this one copies, for example for a single test; counts of services leave it out
    copy_of: str = ""
    #: for the engines that render images; None when the kind has no image
    container: Container | None = None

    def all_needs(self) -> tuple[str, ...]:
        """Return `needs` and the services that references name; sorted, without duplicates."""
        named = (other_service(reference) for text in texts(self) for reference in references(text))
        return tuple(sorted({name for name in (*self.needs, *named) if name and name != self.name}))

    def digest(self) -> str:
        """Return sixteen hex digits that change when anything changes that the local engine runs."""
        local = encode(replace(self, container=None))
        return hashlib.sha256(json.dumps(local, sort_keys=True).encode()).hexdigest()[:16]


#: class name → class, for every value that a spec may contain
TYPES: Mapping[str, type] = {
    value.__name__: value
    for value in (
        TcpProbe, HttpProbe, PostgresProbe, ExecProbe, Exchange, Send, Expect, LengthPrefix,
        WriteFile, RequireFile, Remove, Secret, Run, Seed, StopStep, Container, ServiceSpec,
    )
}  # fmt: skip


def decode_service(data: Any) -> ServiceSpec:
    """Return the `ServiceSpec` that `encode` wrote. Raises `ValueError` for anything else."""
    try:
        spec = decode(data, TYPES)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a service spec: {error!r}") from error
    if not isinstance(spec, ServiceSpec):
        raise ValueError(f"not a service spec: {type(spec).__name__}")  # noqa: TRY004 - the value is wrong
    return spec
