"""A pytest plugin that records which tests execute which lines, and runs selected tests in their order.

`tests/fault_seeding.py` loads it with `-p fakes.executed_lines`. Under `coverage run`, each test is a context
of the recorded data, and so is each test file: its context has the lines that a fixture of more than one test
executes. The file SECONDS_FILE then contains the duration of each test that passed. If SELECTION_FILE is
set, the plugin runs the tests of this file only, in its order.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

#: environment variable with the path of the written file: {node id: seconds}
SECONDS_FILE = "INFRA_TEST_SECONDS_FILE"
#: environment variable with the path of the read file: [node id, …]
SELECTION_FILE = "INFRA_TEST_SELECTION_FILE"
#: the address space of selected tests in bytes: a loop without an end must not use the memory of the machine
ADDRESS_SPACE = 6 << 30

_seconds: dict[str, float] = {}
_failed: set[str] = set()


def _switch_context(name: str) -> None:
    if coverage := Coverage.current():
        coverage.switch_context(name)


def pytest_configure() -> None:
    """Limit the memory of selected tests."""
    if SELECTION_FILE in os.environ:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Record the lines of a test in its own context."""
    _switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        _switch_context("")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """Record the lines of a fixture that several tests use in the context of the test file."""
    if fixturedef.scope == "function":
        return (yield)
    test = request._pyfuncitem.nodeid
    _switch_context(test.partition("::")[0])
    try:
        return (yield)
    finally:
        _switch_context(test)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add the duration of a phase to the duration of its test."""
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0.0) + report.duration
    if not report.passed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write the durations of the tests that passed."""
    if path := os.environ.get(SECONDS_FILE):
        passed = {test: seconds for test, seconds in _seconds.items() if test not in _failed}
        Path(path).write_text(json.dumps(passed), encoding="utf-8")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the selected tests, in the order of the selection."""
    if not (path := os.environ.get(SELECTION_FILE)):
        return
    selection = json.loads(Path(path).read_text(encoding="utf-8"))
    position = {test: number for number, test in enumerate(selection)}
    items[:] = sorted(
        (item for item in items if item.nodeid in position), key=lambda item: position[item.nodeid]
    )
