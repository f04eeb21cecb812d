"""The notes of one process of the run: messages to report at the end, and objects to close at the end.

All modules of the plugin can add notes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import ClassVar

import pytest

#: The beginning of every message that the plugin prints.
PREFIX = "infra: "
#: The attribute of a test report with which workers of pytest-xdist send their notes.
ATTRIBUTE = "infra_notes"
#: The attribute of a test report with the waits, the trace and the error of a test (see `Tracing.record`).
DETAILS = "infra_test"


class Notes:
    """The notes of a process: its data directories, the names of its units, messages for the user.

    Workers of pytest-xdist send their notes to the controller with each test report.
    """

    KEY: ClassVar[pytest.StashKey[Notes]] = pytest.StashKey()

    def __init__(self) -> None:
        #: the data directories of the stacks that this process used
        self.data: list[str] = []
        #: the tokens in the names of this process's units
        self.owners: list[str] = []
        #: the names of this process's units that are kept for the user
        self.kept: list[str] = []
        #: lines for the end of the run
        self.messages: list[str] = []
        #: objects that are closed after the last fixture, in reverse order
        self.closing = contextlib.ExitStack()

    @classmethod
    def of(cls, config: pytest.Config) -> Notes:
        """Return the notes of this process; they are created at the first call."""
        return config.stash.setdefault(cls.KEY, cls())

    def add_message(self, text: str) -> None:
        """Add a line that is printed at the end of the run, unless the line has already been added."""
        if text not in self.messages:
            self.messages.append(text)

    def add(self, other: Notes) -> None:
        """Add the notes of another process (a worker of pytest-xdist) to these notes."""
        self._add(other._to_json())

    def add_report(self, report: pytest.TestReport) -> None:
        """Add the notes that a worker of pytest-xdist has sent with a test report to these notes."""
        self._add(getattr(report, ATTRIBUTE, {}))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the notes of this process to each test report, once it has used a stack or added a message.

        The controller of pytest-xdist then has the notes, even if this worker is killed later.
        """
        report = yield
        if self.data or self.messages:
            vars(report)[ATTRIBUTE] = self._to_json()
        return report

    def _to_json(self) -> dict[str, list[str]]:
        return {"data": self.data, "owners": self.owners, "kept": self.kept, "messages": self.messages}

    def _add(self, sent: Mapping[str, list[str]]) -> None:
        for name, notes in self._to_json().items():
            notes += [text for text in sent.get(name, []) if text not in notes]
