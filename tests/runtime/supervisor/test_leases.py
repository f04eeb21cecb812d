"""A stack lives as long as somebody holds it, or as long as it was told to stay."""

from __future__ import annotations

import asyncio

import pytest

from infra_runtime.supervisor import leases
from infra_runtime.supervisor.leases import Leases


class Paper:
    """A connection of paper, and a loop whose clock is wound by hand."""

    def __init__(self) -> None:
        self.closing: list = []
        self.at_end = self.closing.append

    def close(self) -> None:
        for act in self.closing:
            act()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list = []

    def call_later(self, seconds, act):
        timer = [self.now + seconds, act, True]
        self.timers.append(timer)
        return type("Timer", (), {"cancel": lambda _: timer.__setitem__(2, False)})()

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        for timer in self.timers:
            if timer[2] and timer[0] <= self.now:
                timer[2] = False
                timer[1]()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: found)
    return found


@pytest.fixture
def ended() -> list[bool]:
    return []


@pytest.fixture
def held(clock: Clock, ended: list[bool]) -> Leases:
    return Leases(lambda: ended.append(True))


def test_the_last_one_out_ends_the_stack(held: Leases, ended: list[bool]) -> None:
    one, two = Paper(), Paper()
    held.take(one)
    held.take(two)

    one.close()
    assert not ended
    two.close()

    assert ended


def test_a_supervisor_that_nobody_ever_wants_ends(held: Leases, clock: Clock, ended: list[bool]) -> None:
    clock.pass_(leases.FIRST_LEASE)

    assert ended


def test_the_first_lease_may_come_late(held: Leases, clock: Clock, ended: list[bool]) -> None:
    clock.pass_(leases.FIRST_LEASE - 0.1)
    held.take(Paper())

    clock.pass_(100)

    assert not ended


def test_one_that_shall_stay_outlives_its_leases_for_good(
    held: Leases, clock: Clock, ended: list[bool]
) -> None:
    one = Paper()
    held.take(one)
    held.stay(on=True, seconds=None)

    one.close()
    clock.pass_(1e9)
    assert not ended

    held.stay(on=False, seconds=None)
    assert ended


def test_one_that_shall_stay_for_a_time_ends_then_unless_somebody_came(
    held: Leases, clock: Clock, ended: list[bool]
) -> None:
    one, two = Paper(), Paper()
    held.take(one)
    held.stay(on=True, seconds=60)
    one.close()

    clock.pass_(50)
    held.take(two)
    clock.pass_(50)
    assert not ended

    two.close()
    clock.pass_(59)
    assert not ended
    clock.pass_(1)
    assert ended
