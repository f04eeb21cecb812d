"""The content of log lines in the formats of the servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.samples import every
from infra_runtime.logs.record import LEVELS, at_least, may_be_error, parse

MAY = 1_777_636_800.0  # 2026-05-01T12:00:00Z


@every(
    [
        ("2026-05-01 12:00:00.000 UTC [123] LOG:  database system is ready", "info"),
        ("2026-05-01 12:00:00.000 UTC [123] FATAL:  no such role", "critical"),
        ("2026-05-01 12:00:00.000 UTC [1] WARNING file is missing", "warning"),
        ("[12] 2026/05/01 12:00:00.123456 [ERR] cannot listen", "error"),
        ("[12] 2026/05/01 12:00:00.123456 [INF] Server is ready", "info"),
        ("12:M 01 May 2026 12:00:00.000 # out of memory", "warning"),
        ("12:M 01 May 2026 12:00:00.000 * Ready to accept connections", "info"),
        ("2026-05-01 12:00:00.123456+00:00 [error] <0.1.0> closing", "error"),
        ("2026-05-01 12:00:00 0 [Note] mariadbd: ready for connections.", "info"),
        ("[2026-05-01 12:00:00,000] WARN slow broker (kafka.server)", "warning"),
        ("2026/05/01 12:00:00 [crit] 12#0: open() failed", "critical"),
        ("E0501 12:00:00.000000 12 master.go:10] cannot assign", "error"),
        ("2026-05-01T12:00:00Z [warning  ] slow            seconds=3", "warning"),
        ("\x1b[31mERROR\x1b[0m:    boom", "error"),
        ('INFO:     127.0.0.1:4000 - "GET / HTTP/1.1" 200 OK', "info"),
        ("ERROR:root:boom", "error"),
        ("2026-05-01 12:00:00,000 - shop - CRITICAL - boom", "critical"),
        ("error: cannot open", "error"),
        ("Traceback (most recent call last):", "error"),
        ("shop.errors.PaymentError: declined", "error"),
        ("at work", ""),
        ("10.0.0.1 - - GET /info/error HTTP/1.1", ""),
        ("no errors, no warnings", ""),
    ]
)
def test_the_level_of_a_text_is_found(text: str, level: str) -> None:
    assert parse(text).level == level


@every(
    [
        ('{"level": "error", "event": "x"}', "error"),
        ('{"severity": "WARN", "message": "x"}', "warning"),
        ('{"t": {"$date": "2026-05-01T12:00:00.000+00:00"}, "s": "F", "msg": "x"}', "critical"),
        ('{"level": 40, "msg": "x"}', "warning"),
        ('{"level": true, "msg": "x"}', ""),
        ('{"level": ["error"], "msg": "x"}', ""),
        ("time=2026-05-01T12:00:00Z level=WARN msg=x", "warning"),
        ('ts=2026-05-01T12:00:00Z caller=a.go:1 level=info msg="a \\"b\\" c"', "info"),
    ]
)
def test_the_level_of_a_structured_line_is_found(text: str, level: str) -> None:
    assert parse(text).level == level


@every(
    [
        '"2026-05-01T12:00:00Z"',
        '"2026-05-01T14:00:00+02:00"',
        "1777636800",
        "1777636800.0",
        "1777636800000",
        "1777636800000000000",
        '"1777636800"',
        '{"$date": "2026-05-01T12:00:00Z"}',
    ]
)
def test_each_form_of_a_time_is_read(time: str) -> None:
    assert parse(f'{{"time": {time}}}').time == MAY


@every(['"soon"', "-1", "1e400", "NaN", "[]", "null", '"0000-00-00"', "true"])
def test_a_time_that_is_not_valid_is_ignored(time: str) -> None:
    assert parse(f'{{"time": {time}, "msg": "x"}}').time is None


def test_message_ids_and_other_fields_are_separated() -> None:
    record = parse(
        '{"event": "paid", "level": "info", "timestamp": "2026-05-01T12:00:00Z", '
        '"trace_id": "t", "request_id": "r", "correlation_id": "c", "amount": 3}'
    )

    assert (record.message, record.ids, record.format) == ("paid", ("c", "r", "t"), "json")
    assert record.fields == {"trace_id": "t", "request_id": "r", "correlation_id": "c", "amount": 3}


def test_logfmt_values_are_unquoted() -> None:
    record = parse('level=info msg="a \\"b\\" c" path=/x')

    assert (record.message, record.fields, record.format) == ('a "b" c', {"path": "/x"}, "logfmt")


def test_a_line_of_structlog_for_terminals_has_the_fields_of_a_json_line() -> None:
    record = parse(
        "2026-05-01T12:00:00.000000Z [warning  ] order placed [now]            [orders.x] "
        "correlation_id=c eq='a=b' n=3 quote=\"it's\" text='two \\\\ words'"
    )

    assert (record.message, record.level, record.time) == ("order placed [now]", "warning", MAY)
    assert (record.ids, record.format) == (("c",), "console")
    assert record.fields == {
        "correlation_id": "c",
        "eq": "a=b",
        "n": "3",
        "quote": "it's",
        "text": "two \\ words",
        "logger": "orders.x",
    }


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T12:00:00Z [info] no logger",
        "2026-05-01T12:00:00Z [info     ] " + " " * 20_000,
        "2026-05-01 12:00:00 [info     ] paid [orders] n=3",
    ],
)
def test_a_line_that_is_not_of_structlog_is_a_text(text: str) -> None:
    record = parse(text)

    assert (record.message, record.level, record.format) == (text, "info", "text")


@pytest.mark.parametrize(
    "text",
    [
        '  File "api.py", line 1',
        "\tat shop.Main",
        "",
        "2026-05-01 12:00:00.000 UTC [123] DETAIL:  Key (id)=(1) already exists.",
        "shop.payments.CardDeclined: no credit",
        "shop.CardDeclined",
    ],
)
def test_a_further_line_of_a_message_is_recognised(text: str) -> None:
    assert parse(text).continues


@pytest.mark.parametrize(
    "text", ["CardDeclined: no", "shop.CardDeclined was raised", "10.0.0.7: GET", "a.ValueError: x", "a.b: c"]
)
def test_a_line_that_does_not_continue_a_message_begins_one(text: str) -> None:
    assert not parse(text).continues


@pytest.mark.parametrize(
    "text", ['{"a":' * 100_000, "[" * 9, '{"a": 1', "{}", '{"a": ' + "9" * 10_000 + "}", 'a="']
)
def test_a_line_that_only_looks_structured_is_a_text(text: str) -> None:
    record = parse(text)

    assert record.message == text or record.format == "json"
    assert record.level == ""


@given(st.text())
def test_every_line_can_be_parsed(text: str) -> None:
    assert parse(text).level in {"", *LEVELS}


NAMES = (
    *("trace", "debug", "notice", "info", "warning", "wrn", "error", "err", "eror", "severe", "critical"),
    *(
        "crit",
        "fatal",
        "ftl",
        "panic",
        "dpanic",
        "emerg",
        "emergency",
        "alert",
        "D",
        "I",
        "W",
        "E",
        "F",
        "E1",
    ),
    *("#", "*", "40", "50", "60.5", "Traceback (most recent call last):"),
)


@given(
    st.sampled_from(
        [
            *("{}: x", "[{}] x", "x {} y", "x.{}Error: y", "{}0501 12:00:00.000 1 x.go:1] y"),
            *('{{"level":"{}"}}', '{{"a": 1, "s" : "{}"}}', '{{"severity": {}}}'),
            *("level={} msg=a", "msg=a lvl={}", 'msg=a level="{}"', "\x1b[1m{}\x1b[0m x"),
            "2026-05-01T12:00:00Z [{}] m [x] k=1",
        ]
    ),
    st.sampled_from(NAMES),
    st.sampled_from([str, str.upper, str.title]),
    st.text(max_size=9),
)
def test_an_error_is_found_in_its_block(
    form: str, level: str, written: Callable[[str], str], other: str
) -> None:
    line = form.format(written(level))
    if parse(line).level in at_least("error"):
        assert may_be_error(f"{other}\n{line}\n{other}".encode(errors="replace"))


def test_a_block_without_errors_is_not_searched() -> None:
    lines = ("INFO request 17 was answered in 50 ms", '{"level": "info", "time": 1777636855}', "12:50:56 LOG")

    assert not may_be_error("\n".join(lines * 100).encode())


def test_the_fields_of_a_line_with_a_long_word_are_found() -> None:
    """The search does not begin at each character of the word, which would take seconds."""
    word = "a" * 15_000

    assert parse(f"2024-01-01T00:00:00Z [info     ] m [x] k=1 {word}").fields["k"] == "1"
    assert parse(f"level=info msg=m {word} k=1").fields == {"k": "1"}
