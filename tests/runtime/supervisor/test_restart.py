"""The rules for the restart of a service that exited."""

from __future__ import annotations

import pytest

from fakes.world import service
from infra_runtime.supervisor import restart
from infra_runtime.supervisor.state import Service


def exited(policy: str = "always", *, wanted: bool = True) -> Service:
    """Return the state of a service with this policy."""
    state = Service(service("web", restart=policy))
    state.wanted = wanted
    return state


@pytest.mark.parametrize(
    ("policy", "status", "restarts"),
    [
        ("always", 0, True),
        ("always", 1, True),
        ("on-failure", 0, False),
        ("on-failure", 1, True),
        ("on-failure", -9, True),
        ("never", 1, False),
    ],
)
def test_the_policy_and_the_status_decide_about_a_restart(policy: str, status: int, restarts: bool) -> None:
    assert restart.applies(exited(policy), status) is restarts


def test_a_service_that_is_no_longer_requested_does_not_start_again() -> None:
    assert not restart.applies(exited(wanted=False), 1)


def test_the_delay_doubles_up_to_a_maximum() -> None:
    crashed = exited()
    delays = []
    for _ in range(9):
        restart.count_crash(crashed, 100.0)
        delays.append(restart.delay(crashed))

    assert delays[:4] == [0.05, 0.1, 0.2, 0.4]
    assert delays[-1] == restart.BACKOFF_MOST


def test_crashes_that_were_long_ago_are_not_counted() -> None:
    crashed = exited()
    for now in (0.0, 1.0, 1.0 + restart.CRASH_WINDOW):
        restart.count_crash(crashed, now)

    assert crashed.crashes == [1.0 + restart.CRASH_WINDOW]


def test_the_number_of_attempts_is_a_text() -> None:
    once, twice = exited(), exited()
    once.attempts, twice.attempts = 1, 2

    assert (restart.attempts(once), restart.attempts(twice)) == ("1 attempt", "2 attempts")


def test_an_exit_by_a_signal_is_named() -> None:
    assert restart.exit_text(3) == "exited with status 3"
    assert restart.exit_text(-9) == "was killed by signal 9"
