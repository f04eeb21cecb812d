"""The rows of pytest sessions and tests for the pages and the API, with links to logs and traces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.parameters import ParameterError, iso
from infra_runtime.dashboard.reports import id_of
from infra_runtime.data_directory.paths import Paths
from infra_runtime.data_directory.session_record import Reading, Summary, TestEnd
from infra_runtime.value import frozen

#: the largest number of sessions on a page, and of tests of a session
SESSIONS, TESTS = 50, 300
#: the largest number of sessions, and of tests, in an answer of the API
MOST_SESSIONS, MOST_TESTS = 1000, 20_000
#: outcome of a test → the tone (a class of the style sheet) and the icon
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "failed": ("bad", "✕"),
    "error": ("bad", "✕"),
    "xpassed": ("warn", "!"),
    "rerun": ("warn", "↻"),
    "passed": ("good", "✓"),
    "xfailed": ("off", "○"),
    "skipped": ("off", "○"),
}
#: state of a session → the tone and the icon
STATES: Mapping[str, tuple[str, str]] = {
    "running": ("busy", "◑"),
    "passed": ("good", "✓"),
    "failed": ("bad", "✕"),
    "interrupted": ("warn", "■"),
    "killed": ("bad", "■"),
}
#: the orders of the tests of a session
SORTS = ("newest", "slowest", "waits")
#: the seconds after the end of a test in which log lines are also shown, because times in logs are accurate
#: to about a second
_MARGIN = 1.0


@frozen
class SessionRow:
    """A session in a list. Times are Unix seconds."""

    id: str
    state: str
    tone: str
    icon: str
    began: float
    seconds: float
    #: outcome → number of tests, in the order of `OUTCOMES`
    counts: Mapping[str, int]
    #: the number of tests that have ended, and of all selected tests (0: unknown)
    tests: int
    selected: int
    workers: int
    #: the paths and options on the command line of pytest that select tests; empty: all tests
    selection: str
    python: str
    pytest: str
    status: int | None
    #: the number of tests that are missing in the record
    left_out: int

    @property
    def text(self) -> str:
        """The text that the filter of the page searches."""
        return f"{self.selection} {self.state} {self.id}"


@frozen
class TestRow:
    """A test of a session, as the page shows it."""

    __test__ = False  # pytest does not collect the class

    end: TestEnd
    tone: str
    icon: str
    #: seconds
    waited: float
    #: the URLs of pages; empty if such a page does not exist
    report_link: str
    logs_link: str
    trace_link: str


@frozen
class TestQuery:
    """The filter for the tests of a session; empty strings select all tests."""

    __test__ = False

    outcome: str = ""
    text: str = ""
    sort: str = ""

    def __post_init__(self) -> None:
        """Check the filter. Raises `ParameterError` if a string is not valid."""
        if self.outcome and self.outcome not in OUTCOMES:
            outcomes = ", ".join(OUTCOMES)
            raise ParameterError(f"the outcome must be one of {outcomes}, not {self.outcome[:80]!r}")
        if self.sort and self.sort not in SORTS:
            raise ParameterError(f"`sort` must be one of {', '.join(SORTS)}, not {self.sort[:80]!r}")

    def selected(self, tests: Sequence[TestEnd]) -> list[TestEnd]:
        """Return the tests that the filter selects, in the order `sort` (by default, newest first)."""
        text = self.text.lower()
        newest_first = [
            test
            for test in reversed(tests)
            if (not self.outcome or test.outcome == self.outcome)
            and (not text or text in test.test.lower() or text in test.error.lower())
        ]
        if self.sort == "slowest":
            return sorted(newest_first, key=lambda test: -test.seconds)
        if self.sort == "waits":
            return sorted(newest_first, key=lambda test: -_waited(test))
        return newest_first


def session_row(summary: Summary, now: float) -> SessionRow:
    """Return the row of a session."""
    start, end = summary.start, summary.end
    tone, icon = STATES[summary.state]
    until = now if summary.is_running else summary.changed
    counts = {outcome: summary.counts[outcome] for outcome in OUTCOMES if outcome in summary.counts}
    selection = [*(_short(path, start.root) for path in start.paths)]
    selection += [
        f"{option} {text}" for option, text in (("-k", start.keyword), ("-m", start.markers)) if text
    ]
    return SessionRow(
        id=summary.id,
        state=summary.state,
        tone=tone,
        icon=icon,
        began=start.time,
        seconds=max(until - start.time, 0.0),
        counts=counts,
        tests=sum(summary.counts.values()),
        selected=start.selected,
        workers=start.workers,
        selection=" ".join(filter(None, selection)),
        python=start.python,
        pytest=start.pytest,
        status=end.status if end else None,
        left_out=end.left_out if end else 0,
    )


def test_row(test: TestEnd, stack: Mapping[str, str] | None) -> TestRow:
    """Return the row of a test; `stack` is the result of `stack_of`."""
    tone, icon = OUTCOMES.get(test.outcome, ("off", "○"))
    logs_link = trace_link = ""
    if stack is not None and test.trace:
        logs_link = link_to_logs(stack, test.began, test.seconds, test.services)
        trace_link = f"/traces/{quote(test.trace, safe='')}?{urlencode(stack)}"
    return TestRow(
        end=test,
        tone=tone,
        icon=icon,
        waited=_waited(test),
        report_link=_report_link(test),
        logs_link=logs_link,
        trace_link=trace_link,
    )


def stack_of(data_directory: Path, dashboard: Dashboard) -> dict[str, str] | None:
    """Return the query parameters that select the stack of a data directory in links.

    The result is empty for the stack of the dashboard, and None if the stack no longer exists.
    """
    identifier = Paths(str(data_directory)).stack
    if identifier == dashboard.paths.stack:
        return {}
    return {"stack": identifier} if identifier in dashboard.stacks() else None


def session_to_json(row: SessionRow) -> dict[str, Any]:
    """Return a session as JSON data."""
    names = ("id", "state", "began", "seconds", "tests", "selected", "workers", "selection", "left_out")
    return {
        **{name: getattr(row, name) for name in names},
        "counts": dict(row.counts),
        "status": row.status,
        "python": row.python,
        "pytest": row.pytest,
    }


def test_to_json(row: TestRow) -> dict[str, Any]:
    """Return a test as JSON data."""
    names = ("test", "outcome", "began", "seconds", "worker", "error", "trace")
    return {
        **{name: getattr(row.end, name) for name in names},
        "phases": dict(row.end.phases),
        "waits": [{"name": name, "seconds": seconds} for name, seconds in row.end.waits],
        "links": {"report": row.report_link, "logs": row.logs_link, "trace": row.trace_link},
    }


def running(reading: Reading, summary: Summary) -> list[tuple[str, float]]:
    """Return at most 50 tests without an end, and their starts; empty if the session has ended.

    If the session was killed, these are the tests that the kill has interrupted.
    """
    return [*reading.running.items()][:SESSIONS] if summary.end is None else []


def _waited(test: TestEnd) -> float:
    return sum(seconds for _, seconds in test.waits)


def _report_link(test: TestEnd) -> str:
    if not test.report or "\0" in test.report:
        return ""
    return f"/tests/{id_of(Path(test.report))}?{urlencode({'trace': test.trace})}"


def link_to_logs(stack: Mapping[str, str], start: float, seconds: float, services: Iterable[str]) -> str:
    """Return the URL of the logs of `services` at the time of a test."""
    period = {"since": iso(start), "until": iso(start + seconds + _MARGIN)}
    return f"/logs?{urlencode({**stack, **period, 'service': [*services]}, doseq=True)}"


def _short(path: str, root: str) -> str:
    """Return a path relative to pytest's root directory; empty if the path is the root directory."""
    return "" if path == root else path.removeprefix(f"{root}/")
