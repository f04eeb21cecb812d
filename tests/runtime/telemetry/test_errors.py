"""Errors in spans and log records: their fingerprints, and the groups of equal errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.samples import every
from infra_runtime.telemetry import errors
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.records import LogRecord, Records, Resource, Span
from infra_runtime.telemetry.store import Store

API = Resource("api", "{}")
PYTHON = """Traceback (most recent call last):
  File "/app/shop/web.py", line {line}, in handle
    charge(order)
  File "/app/shop/payment.py", line {line}, in {function}
    raise CardError(order)
CardError: declined
"""
NODE = "TypeError: x\n    at charge (/app/payment.js:{line}:7)\n    at handle (/app/web.js:3:1)\n"
JAVA = "a.b.Error: x\n\tat shop.Payment.charge(Payment.java:{line})\n\tat shop.Web.handle(Web.java:9)\n"


def log(message: str = "declined", *, severity: int = 17, trace: bytes = b"", time: int = 1) -> LogRecord:
    attributes = json.dumps({"exception.type": "CardError", "exception.message": message})
    return LogRecord(API, time, severity, "", "failed", "", "", trace, b"", attributes)


def span(number: int, *, status: int = 2, exception: str = "declined", trace: bytes = b"t" * 16) -> Span:
    attributes = {"exception.type": "CardError", "exception.message": exception}
    events = [{"name": "exception", "time": 1, "attributes": attributes}] if exception else []
    return Span(
        API, trace, number.to_bytes(8), b"", "charge", "", 1, 1, 2, status, "", "{}", json.dumps(events), "[]"
    )


# --- fingerprints ----------------------------------------------------------------------------------


@every(["\n" * 1_000_000, "\n\t " * 300_000, '  File "a' * 100_000, "\n at" * 200_000])
def test_a_long_stack_trace_is_read_in_a_time_proportional_to_its_length(text: str) -> None:
    """With a search at each position, this test would take hours."""
    assert len(errors.innermost_frame(f'{text}\n  File "/app/shop.py", line 3, in pay')) <= 500
    assert errors.innermost_frame(f'{text}\n  File "/app/shop.py", line 3, in pay') == "/app/shop.py:pay"


@every(
    [
        ("order 17 of 3,000.50 EUR failed", "order NUMBER of NUMBER EUR failed"),
        ("order-17 failed", "order-NUMBER failed"),
        ("user 8a1f0c9e-3b52-4a57-9d0f-6c3a1f2b4d5e is unknown", "user NUMBER is unknown"),
        ("<Order object at 0x7f3a2c1b>", "<Order object at NUMBER>"),
        ("commit 9923432a is missing", "commit NUMBER is missing"),
        ("key 01ARZ3NDEKTSV4RRFFQ69G5FAV", "key NUMBER"),
        ("10.0.0.7:5432 refuses the connection", "ADDRESS refuses the connection"),
        ("[fe80::1:2:3] refuses the connection", "ADDRESS refuses the connection"),
        ("no mailbox anna.b@example.test", "no mailbox ADDRESS"),
        ("the default facade is added", "the default facade is added"),
    ]
)
def test_the_variable_parts_of_a_message_are_replaced(text: str, expected: str) -> None:
    assert errors.normalised(text) == expected


@every(
    [
        *("order {0}", "took {0}ms", "delta -{0} or +{0}", "total={0}", "port:{0}"),
        *("Key (id)=({0}) already exists.", "KeyError: 'k{0}'", "no file /tmp/pytest-{0}/x"),
        *("10.0.0.{0}:80 refused", "mail to a{0}.b@example.test", "at 2026-05-01T12:00:{0}.{0}Z"),
    ]
)
def test_numbers_of_any_length_in_a_message_are_one_kind_of_error(message: str) -> None:
    is_short = message.startswith(("10.", "at "))
    values = ["1", "7", "77"] if is_short else ["1", "99", "1234567", "12345678", "1" * 12]

    assert len({errors.fingerprint("api", "E", message.format(value)) for value in values}) == 1


@every(["commit {0} is missing", "/orders/{0}/pay", "[{0}] refused"])
def test_ids_of_letters_and_digits_in_a_message_are_one_kind_of_error(message: str) -> None:
    ids = ["9923432", "992343a", "a9b9c9d9", "65f0c9e3b524a579d0f6c3a1", "0x1f", "DEADBEEF9"]

    assert len({errors.fingerprint("api", "E", message.format(one)) for one in ids}) == 1


def test_the_sign_of_a_number_does_not_make_another_kind_of_error() -> None:
    assert errors.normalised("delta -5, (+5), =-5, 5") == "delta NUMBER, (NUMBER), =NUMBER, NUMBER"
    assert errors.normalised("3e-7, -4.5E+9") == "NUMBER, NUMBER"
    assert errors.normalised("2026-05-01 or a-5") == "NUMBER-NUMBER-NUMBER or a-NUMBER"


@pytest.mark.parametrize(
    ("trace", "frame"),
    [
        (PYTHON, "/app/shop/payment.py:charge"),
        (NODE, "charge (/app/payment.js:NUMBER:NUMBER)"),
        (JAVA, "shop.Payment.charge(Payment.java:NUMBER)"),
    ],
)
def test_the_innermost_frame_has_no_number_of_a_line(trace: str, frame: str) -> None:
    traces = [trace.replace("{line}", line).replace("{function}", "charge") for line in ("5", "77")]

    assert [errors.innermost_frame(text) for text in traces] == [frame, frame]
    assert errors.innermost_frame("no stack trace") == ""


def test_equal_errors_have_the_same_fingerprint_and_other_errors_another_one() -> None:
    trace = PYTHON.format(line=5, function="charge")
    first = errors.fingerprint("api", "CardError", "card 17 declined", trace)

    assert (
        errors.fingerprint("api", "CardError", "card 4 declined", PYTHON.format(line=6, function="charge"))
        == first
    )
    others = {
        errors.fingerprint("web", "CardError", "card 17 declined", trace),
        errors.fingerprint("api", "KeyError", "card 17 declined", trace),
        errors.fingerprint("api", "CardError", "card 17 expired", trace),
        errors.fingerprint("api", "CardError", "card 17 declined", PYTHON.format(line=5, function="refund")),
    }
    assert len(others | {first}) == 5


@pytest.mark.parametrize("text", ["a" * 10**6, "1" * 10**6, "a." * 10**6, ":" * 10**6, " File " * 10**5])
def test_a_long_message_is_cut_before_it_is_searched(text: str) -> None:
    assert len(errors.normalised(text)) <= 500 * len("ADDRESS")
    assert errors.innermost_frame(text) == ""


# --- groups ----------------------------------------------------------------------------------------


def test_equal_errors_of_log_records_are_one_group_with_their_number_and_times() -> None:
    records = [log(f"card {number} declined", time=number) for number in range(1, 1001)]

    (group,) = errors.grouped([*records, log(severity=13)])

    assert (group.number, group.first, group.last) == (1000, 1, 1000)
    assert (group.type, group.message, group.service) == ("CardError", "card 1000 declined", "api")


def test_spans_of_one_trace_that_fail_with_the_same_error_count_once() -> None:
    records = [span(1), span(2), span(3, trace=b"u" * 16), span(4, status=1)]

    (group,) = errors.grouped(records)

    assert (group.spans, group.trace) == (2, b"u" * 16)


def test_a_failed_span_without_an_exception_is_an_error_with_its_name() -> None:
    (group,) = errors.grouped([span(1, exception="")])

    assert (group.type, group.message) == ("", "charge")


def test_the_store_adds_the_numbers_of_later_records_and_keeps_the_latest_groups(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits(error_groups=2))
    for records in (
        [log(time=1), log(time=2)],
        [log(time=3)],
        [log("other", time=4)],
        [log("third", time=5)],
    ):
        store.add(Records([], records, [], 0, ""), 100, 1)
        store.write()

    rows = store.read("SELECT message, logs FROM error ORDER BY last")
    taken = [(group.message, group.logs) for group in store.take_errors()]
    store.close()

    assert [(row["message"], row["logs"]) for row in rows] == [("other", 1), ("third", 1)]
    assert taken == [("declined", 2), ("declined", 1), ("other", 1), ("third", 1)]
    assert store.take_errors() == []
