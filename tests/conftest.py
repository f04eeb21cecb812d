"""What all tests share: real binaries are asked for aloud, and the suite leaves no process behind."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Generator, Iterator

import psutil
import pytest
from hypothesis import settings

from infra_runtime import catalogue
from infra_runtime.binaries import Binary, locate
from infra_runtime.errors import BinaryMissingError

#: in the environment of everything that the suite starts, however deep
MARK = "INFRA_TEST_SUITE"
#: `minimal`: the bare install, no test with a real server runs; `full`: all run, a missing one is a failure
PROFILE = "INFRA_TEST_PROFILE"
#: seconds that a stack has to go after its last lease
GRACE = 15.0


def pytest_configure(config: pytest.Config) -> None:
    """Mark this session, once: xdist's workers inherit the mark."""
    if not hasattr(config, "workerinput"):
        os.environ[MARK] = uuid.uuid4().hex
    # A script's background job ignores Ctrl-C, one under nohup the terminal's end, and what the tests start
    # would inherit that.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    # On a laptop Hypothesis looks somewhere else each time; in CI a failure is the change's own.
    settings.register_profile("ci", derandomize=True)
    if os.environ.get("CI"):
        settings.load_profile("ci")


# --- real binaries ---------------------------------------------------------------------------------


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose server isn't there."""
    wanted = [name for marker in item.iter_markers("real") for name in marker.args]
    if not wanted:
        return
    profile = os.environ.get(PROFILE) or ("full" if os.environ.get("CI") else "")
    if profile == "minimal":
        pytest.skip(f"the minimal profile has no servers: {', '.join(wanted)}")
    for name in wanted:
        if reason := missing(name):
            if profile == "full":
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


def missing(name: str) -> str:
    """Why a service of the catalogue, or a single executable, cannot run here; empty when it can."""
    try:
        for binary in _binaries(name):
            locate(binary)
    except BinaryMissingError as error:
        return f"{error}. {error.hint}"
    return ""


def _binaries(name: str) -> Iterator[Binary]:
    entries = [catalogue.entry(each) for each in catalogue.names()]
    for entry in entries:
        if entry.name == name:
            yield from (binary for binary in entry.binaries if not binary.optional)
            return
    known = {binary.name: binary for entry in entries for binary in entry.binaries}
    yield known.get(name, Binary(name=name))


# --- nothing is left -------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Fail the whole session when a process that it started is still there."""
    yield
    if hasattr(session.config, "workerinput"):
        return
    if left := _left():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nthe suite left processes behind:", *left, sep="\n  ")


def _left() -> list[str]:
    deadline = time.monotonic() + GRACE
    while (found := _ours()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _ours() -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == os.environ[MARK] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid}: {' '.join(process.cmdline())[:160]}")
        except (psutil.Error, OSError):
            continue
    return found
