"""What all tests share: groups of tests, missing servers, and a suite that leaves no process behind."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Generator, Iterator

import psutil
import pytest
from hypothesis import HealthCheck, settings

from infra_runtime import catalogue
from infra_runtime.binaries import Binary, locate
from infra_runtime.errors import BinaryMissingError

#: in the environment of everything that the suite starts, however deep
MARK = "INFRA_TEST_SUITE"
#: `minimal`: the bare install, no test with a real server runs; `full`: all run, a missing one is a failure
PROFILE = "INFRA_TEST_PROFILE"
#: seconds that a stack has to go after its last lease
GRACE = 60.0

#: every test is in exactly one of these groups: CONTRIBUTING.md describes them
GROUPS = ("unit", "process", "nested", "real")
#: fixtures that start processes or listen on a socket; other tests that do so are marked in their module
PROCESS_FIXTURES = frozenset(
    {"data", "guarded", "infra", "left_behind", "open_shop", "run", "sleeper", "stack_of", "web"}
)
#: folders and modules in which every test does so
PROCESS_FOLDERS = ("tests/benchmarks/test_benchmarks.py", "tests/kinds/")
#: audit events that a test of the group `unit` must not cause
FORBIDDEN_IN_UNIT = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "socket.bind"}
)


def pytest_configure(config: pytest.Config) -> None:
    """Mark this session, once: xdist's workers inherit the mark."""
    if not hasattr(config, "workerinput"):
        os.environ[MARK] = uuid.uuid4().hex
    # A script's background job ignores Ctrl-C, one under nohup the terminal's end, and what the tests start
    # would inherit that.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    # On a laptop Hypothesis tries few examples, other ones each time. tox tries five times as many. In CI
    # they are the same in each run, so that a failure comes from the change. No example has a deadline: a
    # loaded machine would exceed it.
    settings.register_profile(
        "suite",
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        max_examples=100 if os.environ.get("CI") or os.environ.get(PROFILE) else 20,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("suite")


# --- groups ----------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into its group; a marker in its module takes precedence over fixtures and folders."""
    for item in items:
        marked = [group for group in GROUPS if item.get_closest_marker(group)]
        if len(marked) > 1:
            raise pytest.UsageError(f"{item.nodeid} is in {len(marked)} groups: {', '.join(marked)}")
        if not marked:
            item.add_marker(_group(item))


def _group(item: pytest.Item) -> str:
    fixtures = set(getattr(item, "fixturenames", ()))
    if "pytester" in fixtures:
        return "nested"
    if fixtures & PROCESS_FIXTURES or item.nodeid.startswith(PROCESS_FOLDERS):
        return "process"
    return "unit"


_unit_test_runs = False


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Guard the tests of the group `unit` and their fixtures; check that the servers of a test are there."""
    global _unit_test_runs  # noqa: PLW0603 - an audit hook stays for the life of the process
    _unit_test_runs = item.get_closest_marker("unit") is not None
    if _unit_test_runs and "pytester" in getattr(item, "fixturenames", ()):
        pytest.fail("a test of the group `unit` runs an inner pytest: mark it `nested`", pytrace=False)
    _require_servers(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """End the guard: a fixture of the module may end a process here."""
    global _unit_test_runs  # noqa: PLW0603
    _unit_test_runs = False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if _unit_test_runs and event in FORBIDDEN_IN_UNIT:
        detail = f"{event} {arguments[1:2] if event == 'socket.bind' else arguments[:1]}"
        pytest.fail(f"a test of the group `unit` starts a process or listens ({detail}): mark it `process`")


sys.addaudithook(_guard)


# --- real binaries ---------------------------------------------------------------------------------


def _require_servers(item: pytest.Item) -> None:
    """Skip, or fail, a test whose server is missing."""
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
