"""A stack runs until its last lease ends, or as long as a client has configured with `stay`."""

from __future__ import annotations

import asyncio
import os

import pytest

from infra_runtime.supervisor import leases
from infra_runtime.supervisor.leases import Leases


class FakeConnection:
    """A connection that a test closes."""

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

    def time(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in self.timers:
            if timer[2] and timer[0] <= self.now:
                timer[2] = False
                timer[1]()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake_loop = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: fake_loop)
    return fake_loop


@pytest.fixture
def ended() -> list[bool]:
    return []


@pytest.fixture
def held(clock: Clock, ended: list[bool]) -> Leases:
    return Leases(lambda: ended.append(True), os.getpid())


def test_the_stack_ends_with_the_last_lease(held: Leases, ended: list[bool]) -> None:
    one, two = FakeConnection(), FakeConnection()
    held.take(one)
    held.take(two)

    one.close()
    assert not ended
    two.close()

    assert ended


def test_a_client_without_a_lease_does_not_end_a_stack_that_has_none_yet(
    held: Leases, ended: list[bool]
) -> None:
    held.give_back(FakeConnection())

    assert not ended


def test_a_client_without_a_lease_does_not_extend_the_time_limit_of_a_warm_stack(
    held: Leases, clock: Clock, ended: list[bool]
) -> None:
    one = FakeConnection()
    held.take(one)
    held.stay(on=True, seconds=60)
    held.give_back(one)

    clock.advance(50)
    held.give_back(FakeConnection())
    one.close()
    clock.advance(10)

    assert ended


def test_a_supervisor_without_any_lease_ends(held: Leases, clock: Clock, ended: list[bool]) -> None:
    clock.advance(leases.FIRST_LEASE)

    assert ended


def test_a_supervisor_without_any_lease_ends_when_the_process_that_started_it_exits(
    held: Leases, clock: Clock, ended: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(leases.LAUNCHER_INTERVAL)
    assert not ended

    monkeypatch.setattr(leases.processes, "look", lambda _: None)
    clock.advance(leases.LAUNCHER_INTERVAL)

    assert ended


def test_a_process_that_did_not_start_the_supervisor_can_take_the_first_lease(
    held: Leases, clock: Clock, ended: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    held.take(FakeConnection())
    monkeypatch.setattr(leases.processes, "look", lambda _: None)

    clock.advance(100)

    assert not ended


def test_a_lease_shortly_before_the_timeout_keeps_the_stack(
    held: Leases, clock: Clock, ended: list[bool]
) -> None:
    clock.advance(leases.FIRST_LEASE - 0.1)
    held.take(FakeConnection())

    clock.advance(100)

    assert not ended


def test_a_warm_stack_without_a_time_limit_keeps_running_after_its_leases(
    held: Leases, clock: Clock, ended: list[bool]
) -> None:
    one = FakeConnection()
    held.take(one)
    held.stay(on=True, seconds=None)

    one.close()
    clock.advance(1e9)
    assert not ended

    held.stay(on=False, seconds=None)
    assert ended


def test_a_stack_with_a_time_limit_ends_after_it_unless_a_lease_is_taken(
    held: Leases, clock: Clock, ended: list[bool]
) -> None:
    one, two = FakeConnection(), FakeConnection()
    held.take(one)
    held.stay(on=True, seconds=60)
    one.close()

    clock.advance(50)
    held.take(two)
    clock.advance(50)
    assert not ended

    two.close()
    clock.advance(59)
    assert not ended
    clock.advance(1)
    assert ended
