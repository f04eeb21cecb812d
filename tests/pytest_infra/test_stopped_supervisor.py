"""A supervisor that a signal has stopped: the run reports it and ends."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from fakes.suite import Suite, service
from infra_runtime.data_directory import control_file
from infra_runtime.errors import SupervisorError

pytestmark = pytest.mark.nested

#: the tests of this suite do not wait as long as a user's
CONFTEST = """
from infra_runtime.engines.local import client
from pytest_infra import stack_sharing

client.DEADLINES = client.Deadlines(answer=4.0)
stack_sharing.LOCK_SECONDS = 1.0
"""
STOP = """
import os, signal
from infra_runtime.data_directory import control_file
from infra_runtime.data_directory.paths import Paths

def stop(data):
    os.kill(control_file.read(Paths(str(data))).pid, signal.SIGSTOP)
"""


@pytest.fixture
def stopping(suite: Suite) -> Iterator[Suite]:
    """A project whose supervisor is continued at the end."""
    suite.pytester.makeconftest(CONFTEST)
    suite.stack(service("shop"), service("api", port=18081))
    yield suite
    if file := control_file.read(suite.paths):
        with contextlib.suppress(ProcessLookupError):
            os.kill(file.pid, signal.SIGCONT)
    with contextlib.suppress(SupervisorError):  # a stack without leases is stopping already
        suite.down()
    assert suite.await_end() == []


def test_a_supervisor_that_is_stopped_before_a_run_fails_its_tests_with_the_fix(stopping) -> None:
    stopping.test("def test_warm(shop): pass")
    assert stopping.run("--infra-reuse").ret == 0
    file = control_file.read(stopping.paths)
    assert file is not None
    os.kill(file.pid, signal.SIGSTOP)
    stopping.test("def test_one(shop): pass\ndef test_other(api): pass\ndef test_without(): pass")

    result = stopping.run()

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines([
        f"*supervisor of {stopping.paths.data} does not answer: *process {file.pid} is stopped by a signal*",
        f"*`kill -CONT {file.pid}` continues the supervisor; `kill -KILL {file.pid}` ends the supervisor*",
    ])  # fmt: skip


def test_a_supervisor_that_is_stopped_during_a_run_fails_the_next_tests(stopping) -> None:
    stopping.test(
        STOP
        + """
def test_one(shop, infra_stack):
    stop(infra_stack.data)

def test_two(shop): pass

def test_three(api): pass

def test_without(): pass
"""
    )

    result = stopping.run()

    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*does not answer*is stopped by a signal or a debugger*"])


def test_a_supervisor_that_is_stopped_by_the_last_test_does_not_block_the_end(stopping) -> None:
    stopping.test(STOP + "\ndef test_one(shop, infra_stack):\n    stop(infra_stack.data)\n")

    result = stopping.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"infra: {stopping.paths.data}: *does not answer*is stopped by a signal*"])


def test_a_run_whose_lock_is_not_released_by_another_process_fails(stopping) -> None:
    from filelock import FileLock

    stopping.test("def test_one(shop): pass\ndef test_other(api): pass")
    (stopping.root / ".data-test").mkdir(mode=0o700)
    (stopping.root / ".data-test" / "infra.json").write_text('{"format": 1, "environment": "test"}')

    with FileLock(stopping.root / ".data-test" / "pytest.lock"):
        result = stopping.run()

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*another process has locked *pytest.lock for more than 1 s"])
