"""Hooks for all tests: assign groups, skip tests without their server, and detect remaining processes."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

from infra_runtime import catalogue
from infra_runtime.binaries import Binary, locate, store
from infra_runtime.errors import BinaryMissingError
from infra_runtime.manifest import KINDS

#: the environment variable that all processes of this test session have
MARK = "INFRA_TEST_SUITE"
#: `minimal`: without extras, tests with real servers do not run; `full`: a missing server is a failure
PROFILE = "INFRA_TEST_PROFILE"
#: seconds in which a stack must have stopped after its last lease
GRACE = 60.0

#: every test is in exactly one of these groups: CONTRIBUTING.md describes them
GROUPS = ("unit", "process", "nested", "real")
#: fixtures that start processes or listen on a socket; other tests with processes have a marker
PROCESS_FIXTURES = frozenset(
    {"data", "guarded", "infra", "left_behind", "open_shop", "run", "sleeper", "stack_of", "web"}
)
#: folders and modules in which every test starts processes or listens on a socket
PROCESS_FOLDERS = ("tests/benchmarks/test_benchmarks.py", "tests/kinds/")
#: the marker of a module whose tests are all in another group than `unit`
OTHER_GROUP = re.compile(
    r"^pytestmark = (\[\s*(pytest\.mark\.asyncio, )?)?pytest\.mark\.(process|nested|real)\b", re.MULTILINE
)
#: audit events that a test of the group `unit` must not cause
FORBIDDEN_IN_UNIT = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "socket.bind"}
)


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment variable of this session, which the workers of xdist inherit."""
    if not hasattr(config, "workerinput"):
        os.environ[MARK] = uuid.uuid4().hex
        # Tests with their own cache use the servers that this user has installed.
        if folder := store.default_folder():
            os.environ["INFRA_BINARIES"] = str(folder)
        if sys.dont_write_bytecode and (cache := getattr(config, "cache", None)):
            _write_bytecode_to(cache.mkdir("bytecode"))
    # A background job of a script ignores SIGINT, and a job under nohup ignores SIGHUP. The processes that
    # the tests start would inherit this.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    # In a plain run, Hypothesis tries few examples, which differ each time. Under tox, it tries ten times as
    # many. In CI, the examples are the same in each run, so that only a change of the code can cause a
    # failure. The examples have no deadline, because a busy machine would exceed it.
    settings.register_profile(
        "suite",
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        max_examples=100 if os.environ.get("CI") or os.environ.get(PROFILE) else 10,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("suite")


def _write_bytecode_to(folder: Path) -> None:
    """Write the bytecode of all processes to a folder outside of the sources.

    Otherwise, if PYTHONDONTWRITEBYTECODE is set, every worker compiles all modules and rewrites the
    assertions of all test modules, which takes a fifth of the processor time of the group `unit`.
    """
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """Exclude what the collection creates from garbage collection: it stays until the end of the session."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# --- groups ----------------------------------------------------------------------------------------


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m unit`, do not import a module whose marker or folder assigns all its tests to other groups."""
    if config.option.markexpr != "unit" or not collection_path.match("test_*.py"):
        return None
    if collection_path.is_relative_to(config.rootpath):
        path = collection_path.relative_to(config.rootpath).as_posix()
        if path.startswith(PROCESS_FOLDERS):
            return True
    return bool(OTHER_GROUP.search(collection_path.read_text(encoding="utf-8"))) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Assign a group to each test; a marker in the module takes precedence over fixtures and folders."""
    for item in items:
        names = {marker.name for marker in item.iter_markers()}
        marked = [group for group in GROUPS if group in names]
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
    """Start the check of the group `unit` if the test belongs to it; require the servers of other tests."""
    global _unit_test_runs  # noqa: PLW0603 - an audit hook stays for the life of the process
    _unit_test_runs = item.get_closest_marker("unit") is not None
    if _unit_test_runs and "pytester" in getattr(item, "fixturenames", ()):
        pytest.fail("a test of the group `unit` runs an inner pytest: mark it `nested`", pytrace=False)
    _require_servers(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """End the check of the group `unit`, because a fixture of the module may end a process at tear-down."""
    global _unit_test_runs  # noqa: PLW0603
    _unit_test_runs = False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if _unit_test_runs and event in FORBIDDEN_IN_UNIT:
        detail = f"{event} {arguments[1:2] if event == 'socket.bind' else arguments[:1]}"
        pytest.fail(f"a test of the group `unit` starts a process or listens ({detail}): mark it `process`")


sys.addaudithook(_guard)


# --- real binaries ---------------------------------------------------------------------------------


def _require_servers(item: pytest.Item) -> None:
    """Skip a test whose server is missing; in the environment `full` and in CI, fail it."""
    required_kinds = [(name, marker.kwargs) for marker in item.iter_markers("real") for name in marker.args]
    if not required_kinds:
        return
    profile = os.environ.get(PROFILE) or ("full" if os.environ.get("CI") else "")
    if profile == "minimal":
        pytest.skip(f"the minimal profile has no servers: {', '.join(name for name, _ in required_kinds)}")
    for name, table in required_kinds:
        if reason := missing(name, table):
            is_external = name in KINDS and KINDS[name].external
            if profile == "full" and not is_external:
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


def missing(name: str, table: Mapping[str, Any]) -> str:
    """Return the reason why a kind, or an executable, cannot run on this machine; empty if it can.

    `table` contains the settings of the kind that determine its executables, such as `version`.
    """
    try:
        for binary in _binaries(name, table):
            locate(binary)
    except BinaryMissingError as error:
        return f"{error}. {error.hint}"
    return ""


def _binaries(name: str, table: Mapping[str, Any]) -> Iterator[Binary]:
    entries = [catalogue.entry(kind) for kind in catalogue.names()]
    for entry in entries:
        if entry.name == name:
            yield from (binary for binary in entry.executables(table) if not binary.optional)
            return
    known = {binary.name: binary for entry in entries for binary in entry.binaries}
    yield known.get(name, Binary(name=name))


# --- remaining processes ---------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Fail the test session if a process that it started is still running, and kill the process."""
    yield
    if hasattr(session.config, "workerinput"):
        return
    if remaining := _left():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nthe suite left processes, which are killed now:")
        for process, command in remaining.items():
            print(f"  {process.pid}: {command}")
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _left() -> dict[psutil.Process, str]:
    deadline = time.monotonic() + GRACE
    while (remaining := _ours()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return remaining


def _ours() -> dict[psutil.Process, str]:
    """Return the running processes that have the mark of this session, with their command lines."""
    ours = {}
    # A fork of this process has no variable that was set after the start of this process.
    forks = psutil.Process().children(recursive=True)
    for process in psutil.process_iter():
        try:
            is_ours = process in forks or process.environ().get(MARK) == os.environ[MARK]
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                ours[process] = " ".join(process.cmdline())[:160]
        except (psutil.Error, OSError):
            continue
    return ours
