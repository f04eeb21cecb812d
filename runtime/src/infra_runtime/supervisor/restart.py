"""The rules for restarting a service that has exited: restart policy, delay, and limit of crashes."""

from __future__ import annotations

from infra_runtime.supervisor.state import Service

#: the delay in seconds before the restart after the first crash, and the greatest delay; each further crash
#: in `CRASH_WINDOW` seconds doubles the delay
BACKOFF_FIRST, BACKOFF_MOST = 0.05, 5.0
#: a service is in a crash loop after `CRASH_LIMIT` crashes in `CRASH_WINDOW` seconds
CRASH_LIMIT, CRASH_WINDOW = 5, 10.0


def applies(service: Service, status: int) -> bool:
    """Return whether a service is restarted after it exited with this status, according to its policy."""
    policy = service.spec.restart
    return service.wanted and (policy == "always" or (policy == "on-failure" and status != 0))


def count_crash(service: Service, now: float) -> None:
    """Add a crash to the service's crashes, and remove crashes that are older than `CRASH_WINDOW` s."""
    service.crashes = [time for time in service.crashes if now - time < CRASH_WINDOW] + [now]


def delay(service: Service) -> float:
    """Return the number of seconds to wait before a crashed service is restarted."""
    return float(min(BACKOFF_FIRST * 2 ** (len(service.crashes) - 1), BACKOFF_MOST))


def attempts(service: Service) -> str:
    """Return the number of attempts to start the service as text, such as `3 attempts`."""
    return f"{service.attempts} attempt{'s' * (service.attempts != 1)}"


def exit_text(status: int) -> str:
    """Return an exit status as text: `exited with status 1` for 1, `was killed by signal 9` for -9."""
    return f"exited with status {status}" if status >= 0 else f"was killed by signal {-status}"
