"""From an error to a test's outcome: the first test tells all of it, those after it one line."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import pytest

from infra_runtime.errors import BinaryMissingError, InfraError
from pytest_infra.label import running_test
from pytest_infra.notes import PREFIX
from pytest_infra.options import in_ci

if TYPE_CHECKING:
    from _pytest.outcomes import Failed  # what `pytest.fail.Exception` is


class Failures:
    """What could not be had in this process. It is asked for once, and from then on refused."""

    def __init__(self) -> None:
        self._known: dict[Hashable, InfraError] = {}
        #: what kind of trouble with what → the test that told all of it
        self._told: dict[tuple[str, str], str] = {}
        #: told in full, and perhaps kept by pytest to be raised again for the next test
        self._fresh: list[tuple[Failed, str]] = []

    def known(self, wanted: Hashable) -> BaseException | None:
        """The outcome for what was refused before."""
        return self._outcome(self._known[wanted]) if wanted in self._known else None

    def of(self, wanted: Hashable, error: InfraError) -> BaseException:
        """The outcome that an error means for the test that runs, to be raised."""
        self._known[wanted] = error
        return self._outcome(error)

    def _outcome(self, error: InfraError) -> BaseException:
        if isinstance(error, BinaryMissingError) and not in_ci():
            return pytest.skip.Exception(f"{PREFIX}{error}. {error.hint}")
        trouble = type(error).__name__, str(error.args[:1])
        first = PREFIX + str(error).partition("\n")[0]
        if trouble in self._told:
            return pytest.fail.Exception(_refers(first, self._told[trouble]), pytrace=False)
        self._told[trouble] = test = running_test() or "an earlier test"
        outcome = pytest.fail.Exception(PREFIX + _whole(error), pytrace=False)
        self._fresh.append((outcome, _refers(first, test)))
        return outcome

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """It is told. Pytest fails the next test that shares the fixture with the same outcome: be brief."""
        if report.failed:
            for outcome, brief in self._fresh:
                outcome.msg = brief
            self._fresh.clear()


def _whole(error: InfraError) -> str:
    notes = [f"and {note}" for note in getattr(error, "__notes__", ())]
    hint = error.hint.replace(
        "`--data`", "`--infra-data`"
    )  # the command line's option is called otherwise here
    return "\n".join(part for part in (str(error), *notes, hint) if part)


def _refers(first: str, test: str) -> str:
    return f"{first} ({test} tells all of it)"
