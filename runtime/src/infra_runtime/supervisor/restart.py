"""The rules for the restart of a service that exited: its policy, the delay, and the crash loop."""

from __future__ import annotations

from infra_runtime.supervisor.state import Service

#: the seconds before a restart after the first crash, which each further crash doubles, and their maximum
BACKOFF_FIRST, BACKOFF_MOST = 0.05, 5.0
#: this number of crashes in this number of seconds is a crash loop
CRASH_LIMIT, CRASH_WINDOW = 5, 10.0


def applies(service: Service, status: int) -> bool:
    """Return whether a service that exited with this status starts again, according to its policy."""
    policy = service.spec.restart
    return service.wanted and (policy == "always" or (policy == "on-failure" and status != 0))


def count_crash(service: Service, now: float) -> None:
    """Record a crash, and remove crashes that were too long ago to belong to a crash loop."""
    service.crashes = [at for at in service.crashes if now - at < CRASH_WINDOW] + [now]


def delay(service: Service) -> float:
    """Return the seconds before the restart after the last crash."""
    return float(min(BACKOFF_FIRST * 2 ** (len(service.crashes) - 1), BACKOFF_MOST))


def attempts(service: Service) -> str:
    """Return the number of attempts to start the service, as a text."""
    return f"{service.attempts} attempt{'s' * (service.attempts != 1)}"


def exit_text(status: int) -> str:
    """Return how a process exited; a negative status is the number of a signal."""
    return f"exited with status {status}" if status >= 0 else f"was killed by signal {-status}"
