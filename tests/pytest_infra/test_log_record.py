"""The parts of log lines that are JSON objects."""

from __future__ import annotations

import pytest

from pytest_infra.log_record import parse


def test_the_known_keys_of_structlog_and_pino_become_parts() -> None:
    structlog = parse('{"event": "paid", "level": "warning", "timestamp": "1970-01-01T00:01:00Z", "sum": 3}')
    pino = parse(
        '{"level": 50, "time": 1600000000000, "msg": "refused", "requestId": "r1", "trace_id": "t1"}'
    )

    assert structlog == ("warning", 60.0, "paid", (), {"sum": 3})
    assert (pino.level, pino.time, pino.message) == ("error", 1_600_000_000.0, "refused")
    assert pino.ids == ("r1", "t1")


@pytest.mark.parametrize("text", ["plain text", "{not json", '["a"]', "{" * 100_000, ""])
def test_any_other_line_is_a_message(text: str) -> None:
    assert parse(text) == ("", None, text, (), {})


@pytest.mark.parametrize(
    "fields",
    ['"level": []', '"level": true', '"time": "yesterday"', '"time": NaN', '"time": 1e400', '"time": true',
     '"time": {}', '"msg": null', '"level": "loud"', '"time": -1'],
)  # fmt: skip
def test_a_part_of_another_type_is_empty(fields: str) -> None:
    assert parse(f"{{{fields}}}")[:3] == ("", None, "")


def test_a_message_that_is_not_a_text_is_json() -> None:
    assert parse('{"msg": {"a": 1}}').message == '{"a": 1}'
