"""The rules for the restart of a service that exited: its policy, the delay, and the crash loop."""

from __future__ import annotations

from infra_runtime.supervisor.state import Service

#: seconds before a restart after the first crash (each further crash doubles them), and their maximum
BACKOFF_FIRST, BACKOFF_MOST = 0.05, 5.0
#: this number of crashes in this number of seconds is a crash loop
CRASH_LIMIT, CRASH_WINDOW = 5, 10.0


def applies(service: Service, status: int) -> bool:
    """Return whether the policy of a service starts it again after it exited with this status."""
    policy = service.spec.restart
    return service.wanted and (policy == "always" or (policy == "on-failure" and status != 0))


def count_crash(service: Service, now: float) -> None:
    """Add a crash, and remove those that were too long ago for a crash loop."""
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
