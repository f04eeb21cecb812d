"""The health checks of a Compose file."""

from __future__ import annotations

from infra_runtime.engines.compose.interpolation import interpolated
from infra_runtime.engines.health import INTERVAL, health_command
from infra_runtime.engines.references import Stack, pieces
from infra_runtime.engines.yaml_text import Value
from infra_runtime.spec import ServiceSpec

#: seconds between two checks while the service starts
_START_INTERVAL = 1


def health_check(spec: ServiceSpec, stack: Stack) -> dict[str, Value] | None:
    """Return the `healthcheck` of a service for Compose; None if `health_command` returns None.

    Raises:
        ConfigurationError: the probe cannot be expressed as a command of the image.
    """
    command = health_command(spec)
    if command is None:
        return None
    field = command.field
    words = [interpolated(pieces(word, spec, stack, field), spec, field) for word in command.words]
    return {
        "test": ["CMD", *words],
        "interval": duration(INTERVAL),
        "timeout": duration(command.timeout),
        "retries": 3,
        "start_period": duration(spec.start_timeout),
        "start_interval": duration(_START_INTERVAL),
    }


def duration(seconds: float) -> str:
    """Return a number of seconds in the notation of Compose, such as `90s` or `1s500ms`.

    Source: Compose Specification, "Specifying durations".
    """
    milliseconds = max(1, round(seconds * 1000))
    whole_seconds, rest_milliseconds = divmod(milliseconds, 1000)
    return (
        f"{whole_seconds}s"
        if not rest_milliseconds
        else f"{whole_seconds}s{rest_milliseconds}ms"
        if whole_seconds
        else f"{rest_milliseconds}ms"
    )
