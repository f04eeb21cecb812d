"""The time axis of a failed test: its phases and waits, the events of its services, and their log lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from infra_runtime.dashboard.history import Bar
from infra_runtime.dashboard.reports import Content, Report
from infra_runtime.data_directory import journal, session_record
from infra_runtime.data_directory.session_record import Reading, TestEnd
from infra_runtime.host import disk
from infra_runtime.messages import Event
from infra_runtime.value import frozen

#: the phases of a test, in their order
PHASES = ("setup", "call", "teardown")
#: the largest number of bytes of the events of a report that are read, and of marks of a service
_BYTES, MARKS = 1 << 20, 500
#: the number of newest sessions in which the test of a report is searched
_SESSIONS = 50
#: the seconds before and after a test in which events and log lines are also shown
_MARGIN = 1.0
#: event of a service → the tone (a class of the style sheet) of its mark
_TONES = {"failed": "bad", "exited": "bad", "backoff": "warn", "killing": "warn", "ready": "good"}


class Mark(NamedTuple):
    """A mark on the axis: its position in percent, the seconds since the start of the test, and a text."""

    place: float
    seconds: float
    tone: str
    text: str


@frozen
class Row:
    """The marks of one service on the time axis."""

    service: str
    marks: tuple[Mark, ...]


@frozen
class Axis:
    """The time axis of a test, as the page of a failure report shows it."""

    seconds: float
    bars: tuple[Bar, ...]
    #: the name of a service or isolation unit, and the seconds for which the test has waited for it
    waits: tuple[tuple[str, float], ...]
    events: tuple[Row, ...]
    logs: tuple[Row, ...]


def time_axis(report: Report, content: Content, folders: Iterable[Path]) -> Axis:
    """Return the axis of a failed test; `folders` are the data directories with the records of sessions."""
    test = _recorded(report, folders)
    phases = {name: test.phases[name] for name in PHASES if name in test.phases} if test else {}
    seconds = max(report.description.seconds, sum(phases.values()), 1e-3)
    events = [(event.service, event.time, *_shown(event)) for event in _events(report) if event.service]
    lines = [
        (log.service, time, "bad" if level in {"error", "critical"} else "", level or "line")
        for log in content.logs
        for time, level in log.times
    ]
    return Axis(
        seconds=seconds,
        bars=tuple(_bars(phases, seconds)),
        waits=test.waits if test else (),
        events=_rows(events, report.description.began, seconds),
        logs=_rows(lines, report.description.began, seconds),
    )


def to_json(axis: Axis) -> dict[str, Any]:
    """Return an axis as JSON data."""

    def items(rows: Iterable[Row]) -> list[dict[str, Any]]:
        return [
            {"service": row.service, "seconds": mark.seconds, "text": mark.text}
            for row in rows
            for mark in row.marks
        ]

    return {
        "seconds": axis.seconds,
        "phases": {bar.phase: bar.seconds for bar in axis.bars},
        "waits": [{"name": name, "seconds": seconds} for name, seconds in axis.waits],
        "events": items(axis.events),
        "lines": items(axis.logs),
    }


def _bars(phases: Mapping[str, float], seconds: float) -> Iterable[Bar]:
    elapsed = 0.0
    for phase, length in phases.items():
        width = max(length, 0.0)
        yield Bar(
            phase=phase,
            start=round(elapsed / seconds * 100, 2),
            width=round(width / seconds * 100, 2),
            seconds=round(width, 3),
        )
        elapsed += width


def _rows(moments: Iterable[tuple[str, float, str, str]], began: float, seconds: float) -> tuple[Row, ...]:
    """Return the first `MARKS` marks per service, without moments more than `_MARGIN` s outside the test."""
    rows: dict[str, list[Mark]] = {}
    for service, time, tone, text in moments:
        offset = time - began
        if -_MARGIN <= offset <= seconds + _MARGIN and len(rows.setdefault(service, [])) < MARKS:
            position = round(min(max(offset / seconds, 0.0), 1.0) * 100, 2)
            rows[service].append(Mark(position, round(offset, 3), tone, text))
    return tuple(Row(service=service, marks=tuple(marks)) for service, marks in rows.items() if marks)


def _shown(event: Event) -> tuple[str, str]:
    """Return the tone and the text of an event of a service."""
    status = f" with status {event.status}" if event.status is not None else ""
    return _TONES.get(event.event, ""), f"{event.event}{status}{f': {event.reason}' if event.reason else ''}"


def _events(report: Report) -> list[Event]:
    path = report.folder / "events.jsonl"
    if not disk.is_file(str(path)):
        return []
    try:
        with path.open("rb") as file:
            text = file.read(_BYTES).decode(errors="replace")
        return journal.parsed(text.splitlines())
    except (OSError, RecursionError):
        return []


def _recorded(report: Report, folders: Iterable[Path]) -> TestEnd | None:
    """Return the test of a failure report from the record of its session; None if it is not in a record."""
    began = report.description.began
    for session in session_record.listing(folders, _SESSIONS).sessions:
        if session.start.time - _MARGIN <= began <= session.changed + _MARGIN:
            for test in reversed(Reading.of(session.path).tests):
                if test.test == report.description.test and test.trace == report.description.trace:
                    return test
    return None
