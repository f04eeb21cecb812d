"""The rules for the restart of a service that exited: its policy, the delay, and the crash loop."""

from __future__ import annotations

from infra_runtime.supervisor.state import Service

#: the seconds before a restart after the first crash, which each further crash doubles, and their maximum
BACKOFF_FIRST, BACKOFF_MOST = 0.05, 5.0
#: this number of crashes in this number of seconds is a crash loop
CRASH_LIMIT, CRASH_WINDOW = 5, 10.0


def applies(service: Service, status: int) -> bool:
    """Return whether a service is restarted after it exited with this status, according to its policy."""
    policy = service.spec.restart
    return service.wanted and (policy == "always" or (policy == "on-failure" and status != 0))


def count_crash(service: Service, now: float) -> None:
    """Add a crash to the service's list of crashes, and remove crashes that are too old for a crash loop."""
    service.crashes = [at for at in service.crashes if now - at < CRASH_WINDOW] + [now]


def delay(service: Service) -> float:
    """Return the number of seconds to wait before a crashed service is restarted."""
    return float(min(BACKOFF_FIRST * 2 ** (len(service.crashes) - 1), BACKOFF_MOST))


def attempts(service: Service) -> str:
    """Return how often the supervisor has tried to start the service, such as `3 attempts`."""
    return f"{service.attempts} attempt{'s' * (service.attempts != 1)}"


def exit_text(status: int) -> str:
    """Return an exit status as text: `exited with status 1` for 1, `was killed by signal 9` for -9."""
    return f"exited with status {status}" if status >= 0 else f"was killed by signal {-status}"
