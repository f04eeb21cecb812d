"""The end of the whole run: check which processes, ports, sockets and units of its stacks are left.

With pytest-xdist, the controller does this check.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pytest_infra import options
from pytest_infra.instances import Instances
from pytest_infra.notes import PREFIX, Notes

if TYPE_CHECKING:
    from pytest_infra.report.summary_line import SummaryLine


class Run:
    """The plugin that checks the stacks of all workers at the end of the run, and prints the summary."""

    def __init__(self) -> None:
        self._notes = Notes()
        self._began = time.time()
        self._summary_lines: list[SummaryLine] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the notes of a worker from each test report, because the worker can be killed later."""
        self._notes.add_report(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Check what the stacks of the run have left, after all leases of the run have ended.

        With `infra_strict`, the run fails if anything is left.
        """
        self._notes.add(Notes.of(session.config))  # after Ctrl-C, pytest may have no report
        if self._notes.data:
            from pytest_infra.report import summary_line

            instances = Instances.of(session.config)
            self._summary_lines = [
                summary_line.check(data, self._notes.owners, self._notes.kept, self._began, instances)
                for data in self._notes.data
            ]
            for data in self._notes.data:
                for text in summary_line.memory_events(data, self._began):
                    self._notes.add_message(text)
            if options.read(session.config).strict and not all(line.clean for line in self._summary_lines):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the reasons for tests that this plugin skipped, the messages, and the summary lines.

        A summary line is red if anything is left.
        """
        for reason, count in _skip_reasons(terminalreporter).items():
            tests = "1 test" if count == 1 else f"{count} tests"
            terminalreporter.write_line(f"{PREFIX}{tests} skipped: {reason}", yellow=True)
        for message in self._notes.messages:
            terminalreporter.write_line(f"{PREFIX}{message}")
        for line in self._summary_lines:
            terminalreporter.write_line(line.text, green=line.clean, red=not line.clean)


def _skip_reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    mark = f"Skipped: {PREFIX}"
    return Counter(
        report.longrepr[2].removeprefix(mark)
        for report in reporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and report.longrepr[2].startswith(mark)
    )
