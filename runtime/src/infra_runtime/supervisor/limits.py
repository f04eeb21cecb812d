"""The time limits for starting and stopping the services of a stack, computed from their specs."""

from __future__ import annotations

from collections.abc import Iterable

from infra_runtime.host import containers
from infra_runtime.messages import Limits
from infra_runtime.spec import ServiceSpec
from infra_runtime.supervisor.machine import PREPARE_SECONDS

#: the longest time in seconds until the processes that remain after the last stop step are killed
SWEEP_SECONDS = 5.0


def limits(specs: Iterable[ServiceSpec]) -> Limits:
    """Return the longest times for starting and for stopping these services, one service after another."""
    specs = list(specs)
    return Limits(
        start=sum(PREPARE_SECONDS + spec.start_timeout for spec in specs),
        stop=sum(stop_seconds(spec) for spec in specs),
    )


def stop_seconds(spec: ServiceSpec) -> float:
    """Return the greatest number of seconds from the first stop signal until all processes have exited."""
    removal = containers.REMOVAL_SECONDS if spec.image else 0.0
    return sum(step.seconds for step in spec.stop) + SWEEP_SECONDS + removal
