"""The whole run, as xdist's controller or a run without xdist sees it: where it had stacks, what is left."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pytest_infra import options
from pytest_infra.fixtures import SESSION

if TYPE_CHECKING:
    from pytest_infra.report.summary_line import Closing

PREFIX = "infra: "


class Run:
    """Notes the data directories that reports tell of, and looks at them in the end."""

    def __init__(self) -> None:
        self._data: dict[str, None] = {}
        self._told: dict[str, None] = {}
        self._owners: set[str] = set()
        self._began = time.time()
        self._closings: list[Closing] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A worker that is killed later has told by then where its stack is."""
        if data := getattr(report, "infra_data", None):
            self._data.update(dict.fromkeys(data))
            self._told.update(dict.fromkeys(getattr(report, "infra_told", ())))
            self._owners.update(getattr(report, "infra_owners", ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """All leases of this run are given back: look."""
        if SESSION in session.config.stash:  # Ctrl-C may have come before any report
            self._data.update(dict.fromkeys(session.config.stash[SESSION].data))
            self._owners.update(session.config.stash[SESSION].owners)
        if self._data:
            from pytest_infra.report import summary_line

            self._closings = [summary_line.look(data, self._owners, self._began) for data in self._data]
            if options.read(session.config).strict and not all(it.clean for it in self._closings):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing line, in red where something is left; before it, aloud, what was skipped and why."""
        for reason, times in _skipped(terminalreporter).items():
            tests = "1 test" if times == 1 else f"{times} tests"
            terminalreporter.write_line(f"{PREFIX}{tests} skipped: {reason}", yellow=True)
        for told in self._told:
            terminalreporter.write_line(f"{PREFIX}{told}")
        for closing in self._closings:
            terminalreporter.write_line(closing.text, green=closing.clean, red=not closing.clean)


def _skipped(reporter: pytest.TerminalReporter) -> Counter[str]:
    mark = f"Skipped: {PREFIX}"
    return Counter(
        report.longrepr[2].removeprefix(mark)
        for report in reporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and report.longrepr[2].startswith(mark)
    )
