"""Create the supervisor's answers to requests of clients: the states, endpoints and failures of services."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from infra_runtime.messages import (
    Binding,
    Bindings,
    Endpoints,
    Failure,
    Outcome,
    Phase,
    ServiceEndpoint,
    Services,
    ServiceStatus,
)
from infra_runtime.supervisor.state import SATISFYING, SETTLED
from infra_runtime.supervisor.supervisor import Supervisor


def outcome(supervisor: Supervisor, names: Iterable[str]) -> Outcome:
    """Return the states and the failures of the named services and of all services that they need."""
    closure = supervisor.machine.closure(names)
    failures = tuple(_failure(supervisor, name) for name in closure if _is_missing(supervisor, name))
    return Outcome(services=services(supervisor, closure), failures=failures)


def pending(supervisor: Supervisor, names: Iterable[str]) -> dict[str, str]:
    """Return a mapping from the name of each service that starts or stops to a text.

    The text is the reason why the service is not ready; without a reason, the phase of the service.
    """
    states = supervisor.machine.services
    return {
        name: states[name].reason or states[name].phase.value
        for name in names
        if states[name].phase not in SETTLED
    }


def services(supervisor: Supervisor, names: Iterable[str]) -> Services:
    """Return the states of the named services; secrets in the strings are masked."""
    return Services(_service(supervisor, name) for name in names)


def endpoints(supervisor: Supervisor) -> Endpoints:
    """Return the exports, ports and variables of all services with bound ports; secrets are not masked."""
    return Endpoints(
        services={
            name: ServiceEndpoint(
                kind=bound.spec.kind,
                exports=bound.exports,
                ports=bound.ports,
                data=bound.data,
                env=bound.env,
                program=bound.command[0] if bound.command else "",
                secrets=tuple(sorted(bound.secrets)),
            )
            for name, bound in supervisor.bound.items()
        }
    )


def bindings(supervisor: Supervisor) -> Bindings:
    """Return the values of references `${…}` in services with bound ports; secrets in exports are masked."""
    return Bindings(
        services={
            name: Binding(
                kind=bound.spec.kind,
                data=bound.data,
                run=bound.run,
                ports=bound.ports,
                cwd=bound.cwd,
                exports=bound.masked_exports,
            )
            for name, bound in supervisor.bound.items()
        }
    )


def _service(supervisor: Supervisor, name: str) -> ServiceStatus:
    service, bound = supervisor.machine.services[name], supervisor.bound.get(name)
    return ServiceStatus(
        name=name,
        kind=service.spec.kind,
        summary=service.spec.summary,
        phase=service.phase,
        ready=service.phase in SATISFYING,
        task=service.spec.task,
        copy_of=service.spec.copy_of,
        reason=service.reason,
        pid=service.pid,
        seconds=round(asyncio.get_running_loop().time() - service.since, 3),
        restarts=service.restarts,
        needs=service.needs,
        ports=bound.ports if bound else {},
        exports=bound.masked_exports if bound else {},
        log=supervisor.logs.path(name),
        log_dropped=supervisor.logs.dropped(name),
    )


def _is_missing(supervisor: Supervisor, name: str) -> bool:
    """Return whether a service has failed or was stopped. The result is False for a completed task."""
    service = supervisor.machine.services[name]
    return service.phase is Phase.FAILED or (service.phase is Phase.STOPPED and not service.wanted)


def _failure(supervisor: Supervisor, name: str) -> Failure:
    service = supervisor.machine.services[name]
    return Failure(
        service=name,
        kind=service.error,
        reason=service.reason or "was stopped",
        port=supervisor.refused_ports.get(name),
        log=supervisor.logs.path(name),
        log_tail=tuple(supervisor.log_tail(name)) if service.error == "start" else (),
    )
