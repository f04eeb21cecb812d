"""The outcomes of tests after an error in a service.

The first test with an error reports it completely; later tests report the same error in one line. Outside of
CI, a missing executable or image skips the tests that need it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import TYPE_CHECKING

import pytest

from infra_runtime.errors import BinaryMissingError, ImageMissingError, InfraError
from pytest_infra.label import running_test
from pytest_infra.notes import PREFIX
from pytest_infra.options import in_ci

if TYPE_CHECKING:
    from _pytest.outcomes import Failed  # the class of `pytest.fail.Exception`


class Failures:
    """The failed requests of this process for services and isolation units.

    A request that has failed is not tried again for later tests. Another request that includes the same
    service tries to start it again.
    """

    def __init__(self) -> None:
        self._errors: dict[Hashable, InfraError] = {}
        #: type of the error and its first argument → the test that reported the error completely
        self._reported: dict[tuple[str, str], str] = {}
        #: exceptions with a complete message, which pytest can raise again for later tests, and for each
        #: exception the short message that these later tests report
        self._complete: list[tuple[Failed, str]] = []

    def earlier(self, request: Hashable) -> BaseException | None:
        """Return the stored outcome of a request that has failed earlier; None if it has not failed."""
        return self._outcome(self._errors[request]) if request in self._errors else None

    def outcome(self, request: Hashable, error: InfraError) -> BaseException:
        """Return the exception that pytest reports for the running test when a request fails with this error.

        The caller raises the exception. If an earlier test has reported the error, the text is one line. For
        a missing executable or image, the exception skips the test, except in CI.
        """
        self._errors[request] = error
        return self._outcome(error)

    def _outcome(self, error: InfraError) -> BaseException:
        if isinstance(error, BinaryMissingError | ImageMissingError) and not in_ci():
            return pytest.skip.Exception(f"{PREFIX}{error}. {error.hint}")
        cause = type(error).__name__, str(error.args[:1])
        first_line = PREFIX + str(error).partition("\n")[0]
        # If another process of the run has reported the error, the error contains the test of that process.
        if reported_by := self._reported.get(cause) or getattr(error, "reported_by", ""):
            return pytest.fail.Exception(_short(first_line, reported_by), pytrace=False)
        self._reported[cause] = test = running_test() or "an earlier test"
        outcome = pytest.fail.Exception(PREFIX + _complete(error), pytrace=False)
        self._complete.append((outcome, _short(first_line, test)))
        return outcome

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After the complete report of an error, shorten its exception for later tests to one line.

        pytest raises the same exception again for each test that uses the fixture with the error.
        """
        if report.failed:
            for outcome, short in self._complete:
                outcome.msg = short
            self._complete.clear()


def _complete(error: InfraError) -> str:
    notes = [f"and {note}" for note in getattr(error, "__notes__", ())]
    # The pytest option that corresponds to `--data` of `infra` has another name.
    hint = re.sub("`--data(?=[ `])", "`--infra-data", error.hint)
    return "\n".join(part for part in (str(error), *notes, hint) if part)


def _short(first_line: str, test: str) -> str:
    return f"{first_line} (see the error of {test})"
