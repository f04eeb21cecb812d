"""What one process of the run reports and closes at its end; every part of the plugin may add to it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import ClassVar

import pytest

#: the beginning of every line that the plugin prints
PREFIX = "infra: "


class Notes:
    """The data directories, owners and messages of a process; xdist's workers send them with each report."""

    KEY: ClassVar[pytest.StashKey[Notes]] = pytest.StashKey()

    def __init__(self) -> None:
        #: the data directories of the stacks that this process used
        self.data: list[str] = []
        #: the tokens in the names of this process's units
        self.owners: list[str] = []
        #: lines for the end of the run
        self.messages: list[str] = []
        #: closed after the last fixture, in reverse order
        self.closing = contextlib.ExitStack()

    @classmethod
    def of(cls, config: pytest.Config) -> Notes:
        """Return the notes of this process."""
        return config.stash.setdefault(cls.KEY, cls())

    def add_message(self, text: str) -> None:
        """Add a line for the end of the run, once."""
        if text not in self.messages:
            self.messages.append(text)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the notes to the report: xdist's controller then has them even if this worker is killed."""
        report = yield
        if self.data or self.messages:
            vars(report)["infra_data"] = self.data
            vars(report)["infra_messages"] = self.messages
            vars(report)["infra_owners"] = self.owners
        return report
