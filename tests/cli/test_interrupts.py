"""Ctrl-C: once is a request, twice is an order."""

from __future__ import annotations

import signal

import pytest

from infra_cli.interrupts import Interrupts


def test_the_first_signal_is_heard_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)

    assert interrupts.exit_code == 143


def defer(interrupts: Interrupts, done: list[bool], signals: int) -> None:
    with interrupts.deferred():
        for _ in range(signals):
            signal.raise_signal(signal.SIGINT)
        done.append(True)


def test_what_is_deferred_ends_in_peace() -> None:
    done: list[bool] = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        defer(interrupts, done, signals=1)

    assert done
    assert interrupts.exit_code == 130


def test_the_second_signal_waits_for_nothing() -> None:
    done: list[bool] = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        defer(interrupts, done, signals=2)

    assert not done


def test_a_signal_that_is_ignored_stays_ignored_and_everything_is_put_back() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
        left = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert left is signal.SIG_IGN
