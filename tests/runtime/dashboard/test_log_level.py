"""The level of a line, in the formats of servers and libraries."""

from __future__ import annotations

import pytest

from infra_runtime.dashboard.log_level import is_at_least, level_of


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("[12] 2026/01/01 00:00:00.1 [INF] Server is ready", "info"),
        ("[12] 2026/01/01 00:00:00.1 [ERR] x", "error"),
        ("2026-01-01 00:00:00 UTC [7] LOG:  database system is ready", "info"),
        ("2026-01-01 00:00:00 UTC [7] FATAL:  no pg_hba.conf entry", "error"),
        ('{"level":"warn","msg":"slow"}', "warn"),
        ('{"level": "error", "ts": 1}', "error"),
        ("time=2026-01-01T00:00:00Z level=DEBUG msg=x", "debug"),
        ("\x1b[31mERROR\x1b[0m failed", "error"),
        ("WARNING:root:careful", "warn"),
        ("Traceback (most recent call last):", "error"),
        ("the terror of errors", ""),
        ("0 errors", ""),
        ("", ""),
    ],
)
def test_the_level_of_a_line(text: str, level: str) -> None:
    assert level_of(text) == level


def test_a_filter_shows_its_level_and_higher_ones() -> None:
    assert [level for level in ("debug", "info", "warn", "error") if is_at_least(level, "warn")] == [
        "warn",
        "error",
    ]
    assert is_at_least("", "")
    assert not is_at_least("", "debug")
