"""The lines that a selection contains: by time, level, id and pattern."""

from __future__ import annotations

import re

import pytest

from infra_runtime.logs.line import Line
from infra_runtime.logs.selection import Selection, moment

NOON = 1_780_000_000.0
TRACEBACK = (
    "INFO:     started",
    "Traceback (most recent call last):",
    '  File "api.py", line 1',
    "ValueError: boom",
    "INFO:     stopped",
)


def log(*texts: str, service: str = "api") -> list[Line]:
    return [Line(NOON + number, service, text) for number, text in enumerate(texts)]


def selected(lines: list[Line], **conditions: object) -> list[str]:
    forwards = [line.text for line in Selection(**conditions).lines(lines)]
    backwards = [entry.line.text for entry in Selection(**conditions).entries_before(reversed(lines))]
    assert backwards == forwards[::-1]
    return forwards


def test_a_level_selects_more_important_levels_too() -> None:
    lines = log("DEBUG: a", "WARNING: b", "FATAL: c", "no level")

    assert selected(lines, level="warning") == ["WARNING: b", "FATAL: c"]
    assert selected(lines) == ["DEBUG: a", "WARNING: b", "FATAL: c", "no level"]


def test_a_traceback_belongs_to_its_error() -> None:
    assert selected(log(*TRACEBACK), level="error") == list(TRACEBACK[1:4])


def test_further_lines_whose_message_was_dropped_have_no_level() -> None:
    lines = log("  File x", "  File y", "INFO:     started")

    assert selected(lines) == ["  File x", "  File y", "INFO:     started"]
    assert selected(lines, level="info") == ["INFO:     started"]


def test_the_further_lines_of_a_message_have_its_level() -> None:
    entries = list(Selection(level="error").entries(log(*TRACEBACK)))

    assert {entry.record.level for entry in entries} == {"error"}


def test_the_lines_of_two_services_are_not_mixed() -> None:
    lines = [
        Line(NOON, "a", "ERROR: a"),
        Line(NOON, "b", "INFO: b"),
        Line(NOON, "a", "  more of a"),
        Line(NOON, "b", "  more of b"),
    ]

    assert [line.text for line in Selection(level="error").lines(lines)] == ["ERROR: a", "  more of a"]


def test_a_correlation_id_selects_structured_lines_and_texts() -> None:
    lines = log(
        '{"event": "paid", "correlation_id": "c-1", "level": "info"}',
        '{"event": "c-1", "correlation_id": "c-2"}',
        "level=info msg=paid trace_id=c-1",
        "INFO paid for c-1.",
        "INFO paid for c-12",
    )

    assert selected(lines, correlation="c-1") == [lines[0].text, lines[2].text, lines[3].text]


def test_since_and_until_are_inclusive() -> None:
    lines = log("a", "b", "c", "d")

    assert selected(lines, since=NOON + 1, until=NOON + 2) == ["b", "c"]


def test_a_pattern_selects_single_lines_of_a_message() -> None:
    assert selected(log(*TRACEBACK), level="error", patterns=(re.compile("api.py|boom"),)) == [
        TRACEBACK[2],
        TRACEBACK[3],
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("5min", 300), ("1.5h", 5400), ("2d", 172_800)]
)
def test_a_duration_is_subtracted_from_now(text: str, seconds: float) -> None:
    assert moment(text, NOON) == NOON - seconds


def test_a_time_of_day_is_a_time_of_today() -> None:
    assert 0 <= (moment("23:59:59", NOON) - moment("0:00", NOON)) - 86_399 <= 3600
