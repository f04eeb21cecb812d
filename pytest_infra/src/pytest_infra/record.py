"""The record of the session: a file with lines for each test; other programs can read it during the session.

With pytest-xdist, the controller writes the record. The record begins when a test has used a service, because
the data directory of the stack is then known; the lines of earlier tests are kept in memory until then.
A session without services has no record. `infra_runtime.data_directory.session_record` describes the format.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_infra.notes import ATTRIBUTE, DETAILS, Notes

if TYPE_CHECKING:
    from infra_runtime.data_directory.session_record import Writer

#: the maximum number of tests of a session that have lines; further tests are only counted
TESTS = 20_000
#: the maximum number of characters of a test's id or path, and of an error message; a longer text is cut
_LONGEST, _LONGEST_ERROR = 1000, 500
#: the maximum number of values in a list, and of characters of a path or an expression that selects tests
_VALUES, _CHARACTERS = 20, 200
_PHASES = ("setup", "call", "teardown")
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Test:
    """A test that has not ended."""

    def __init__(self) -> None:
        self.began = time.time()
        #: phase → the outcome of pytest, or `xfailed`, `xpassed` or `rerun`
        self.outcomes: dict[str, str] = {}
        #: phase → its duration
        self.seconds: dict[str, float] = {}
        self.waits: list[Any] = []
        self.services: dict[str, None] = {}
        self.trace = self.error = self.report = ""

    def add(self, report: pytest.TestReport) -> None:
        """Add the outcome, the duration, the waits and the error in the report of a phase to this test."""
        when = str(report.when)
        if self.outcomes.get(when) != "failed":  # pytest has a report for each subtest
            self.outcomes[when] = _outcome_of(report)
            self.seconds[when] = round(report.duration, 4)
        details: Mapping[str, Any] = getattr(report, DETAILS, {})
        self.waits += details.get("waits", ())
        self.services |= dict.fromkeys(details.get("services", ()))
        self.trace = self.trace or details.get("trace", "")
        if report.failed:
            self.error = self.error or details.get("error") or _message(report)
            self.report = self.report or str(dict(report.user_properties).get("infra_capsule", ""))

    @property
    def outcome(self) -> str:
        """Return the outcome of the whole test.

        The result is `failed` if the call failed, and `error` if another phase failed. Otherwise, it is the
        first outcome of a phase that is not `passed`; `passed` if all phases passed.
        """
        if self.outcomes.get("call") == "failed":
            return "failed"
        if "failed" in self.outcomes.values():
            return "error"
        return next((outcome for outcome in self.outcomes.values() if outcome != "passed"), "passed")


class Record:
    """The plugin that writes the record of this session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.time()
        self._selected = 0
        #: outcome → number of tests
        self._counts: dict[str, int] = {}
        self._running: dict[str, _Test] = {}
        #: None before the first line is written, and after the last line was written
        self._writer: Writer | None = None
        #: the lines that are not written yet
        self._waiting: list[str] = []
        self._is_closed = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Store the number of selected tests for the first line of the record."""
        self._selected = len(session.items) or self._selected

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        """Store the number of selected tests; each worker of pytest-xdist has collected all tests."""
        self._selected = len([*ids])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write the line for the start of a test, if the record is open."""
        test = self._running[nodeid] = _Test()
        if self._writer is not None:  # `_open` writes the starts of the tests that run then
            self._start(nodeid, test)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the outcome of a test after its last phase."""
        test = self._running.setdefault(report.nodeid, _Test())
        test.add(report)
        # `rerun` is the last report of an attempt with pytest-rerunfailures. If a worker of pytest-xdist
        # exits during a test, the report of the test has another phase.
        if report.when not in _PHASES[:2] or _outcome_of(report) == "rerun":
            del self._running[report.nodeid]
            self._end(report, test)
        if self._writer is None and (data := getattr(report, ATTRIBUTE, {}).get("data")):
            self._open(data[0])

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Write the exit status, after the other plugins have determined it."""
        yield
        if self._writer is None and (data := Notes.of(session.config).data):  # after Ctrl-C in a fixture
            self._open(data[0])
        if self._writer is not None:
            left_out = max(self._total - TESTS, 0)
            counts, status = self._counts, int(session.exitstatus)
            self._write("end", time=round(time.time(), 3), status=status, counts=counts, left_out=left_out)
            self._close()

    @property
    def _total(self) -> int:
        return sum(self._counts.values())

    def _start(self, nodeid: str, test: _Test) -> None:
        if self._total < TESTS:
            self._write("start", test=nodeid[-_LONGEST:], time=round(test.began, 3))

    def _end(self, report: pytest.TestReport, test: _Test) -> None:
        outcome = test.outcome
        self._counts[outcome] = self._counts.get(outcome, 0) + 1
        if self._total > TESTS:
            return
        fields: dict[str, object] = {
            "test": report.nodeid[-_LONGEST:],
            "outcome": outcome,
            "began": round(test.began, 3),
            "seconds": round(sum(test.seconds.values()), 4),
            "phases": {when: seconds for when, seconds in test.seconds.items() if when in _PHASES},
        }
        optional_fields: dict[str, object] = {
            "waits": test.waits[:_VALUES],
            "services": [*test.services][:_VALUES],
            "worker": getattr(report, "worker_id", ""),
            "trace": test.trace,
            "error": test.error[:_LONGEST_ERROR],
            "report": test.report[:_LONGEST],
        }
        nonempty_fields = {key: value for key, value in optional_fields.items() if value}
        self._write("test", **fields, **nonempty_fields, counts=self._counts)

    def _write(self, kind: str, **fields: object) -> None:
        if self._is_closed:
            return
        self._waiting.append(_encoded({"kind": kind, **fields}))
        self._flush()

    def _open(self, data: str) -> None:
        if self._is_closed:
            return
        # Imported late, because a session without services does not need the module.
        from infra_runtime.data_directory import session_record

        config, option = self._config, self._config.option
        start = {
            "kind": "session",
            "format": session_record.FORMAT,
            "time": round(self._began, 3),
            "pid": os.getpid(),
            "root": str(config.rootpath),
            "data": data,
            "paths": [str(path)[-_CHARACTERS:] for path in config.args[:_VALUES]],
            "keyword": str(getattr(option, "keyword", ""))[:_CHARACTERS],
            "markers": str(getattr(option, "markexpr", ""))[:_CHARACTERS],
            "workers": len(getattr(option, "tx", None) or ()),
            "selected": self._selected,
            "python": platform.python_version(),
            "pytest": pytest.__version__,
        }
        self._waiting.insert(0, _encoded(start))
        for nodeid, test in self._running.items():
            self._start(nodeid, test)
        try:
            self._writer = session_record.Writer(Path(data), self._began)
        except OSError as error:
            self._fail(error)
        self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(self._waiting)
        except OSError as error:
            self._fail(error)
        self._waiting.clear()

    def _fail(self, error: OSError) -> None:
        """Close the record and add a message. The record remains incomplete; the tests continue."""
        Notes.of(self._config).add_message(f"the record of this session cannot be written: {error}")
        self._close()

    def _close(self) -> None:
        self._is_closed = True
        self._waiting.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _outcome_of(report: pytest.TestReport) -> str:
    """Return the outcome of a phase; `xfailed` or `xpassed` if the test was expected to fail.

    Source: pytest's plugin `skipping` sets `wasxfail`.
    """
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return str(report.outcome)


def _message(report: pytest.TestReport) -> str:
    """Return the first line of the error in the report of a test without services."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longreprtext).partition("\n")[0]
