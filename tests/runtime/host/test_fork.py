"""A function in a forked child process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from infra_runtime.host.fork import fork

pytestmark = pytest.mark.process


def status_of(run: Callable[[], int], *descriptors: int) -> int:
    """Return the exit status of a child process that calls `run`."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(run, descriptors), 0)[1])


def test_the_exit_status_is_the_result_of_the_function() -> None:
    assert status_of(lambda: 7) == 7


def test_an_exception_ends_the_child_with_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert status_of(lambda: 1 // 0) == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_only_the_standard_streams_and_the_given_descriptors_are_open() -> None:
    (first, second), (third, fourth) = os.pipe(), os.pipe()

    def run() -> int:
        os.write(fourth, ascii([number for number in range(256) if is_open(number)]).encode())
        return 0

    try:
        assert status_of(run, fourth, second) == 0
        assert os.read(third, 1000).decode() == ascii([0, 1, 2, second, fourth])
    finally:
        for number in (first, second, third, fourth):
            os.close(number)


def test_signals_have_their_default_action() -> None:
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    try:
        assert status_of(lambda: os.kill(os.getpid(), signal.SIGTERM) or 0) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
