"""SIGINT and SIGTERM: the first signal can be deferred, the second cannot."""

from __future__ import annotations

import signal

import pytest

from infra_cli.interrupts import Interrupts


def test_a_signal_raises_at_once_by_default() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)

    assert interrupts.exit_code == 143


def defer(interrupts: Interrupts, done: list[bool], signals: int) -> None:
    with interrupts.deferred():
        for _ in range(signals):
            signal.raise_signal(signal.SIGINT)
        done.append(True)


def test_a_deferred_signal_raises_after_the_block() -> None:
    done: list[bool] = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        defer(interrupts, done, signals=1)

    assert done
    assert interrupts.exit_code == 130


def test_a_second_signal_raises_inside_the_block() -> None:
    done: list[bool] = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        defer(interrupts, done, signals=2)

    assert not done


def test_an_ignored_signal_stays_ignored_and_handlers_are_restored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
        handler = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert handler is signal.SIG_IGN
