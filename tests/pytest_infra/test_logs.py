"""The fixture `infra_logs`: the lines of services since the start of the test."""

from __future__ import annotations

from fakes.suite import Suite
from pytest_infra.logs import LogLine, LogLineMissingError

#: a server that logs each line that it receives, some time after its answer
ECHO = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    with connection, connection.makefile() as lines:
        for line in lines:
            threading.Timer(0.2, print, (line.strip(),), {"flush": True}).start()
            connection.sendall(b"ok\\n")
"""
TESTS = """
import json, re, socket, time
import pytest
from pytest_infra.logs import LogLineMissingError

# Tests of the other worker would log lines at the same time, and one test stops the service.
pytestmark = pytest.mark.infra_exclusive("shop")

def send(shop, text):
    with socket.create_connection(("127.0.0.1", shop.port)) as connection, connection.makefile("rw") as lines:
        lines.write(text + "\\n")
        lines.flush()
        assert lines.readline() == "ok\\n"

def test_a_line_is_awaited(shop, infra_logs):
    send(shop, "the first test, paid 30 EUR")
    line = infra_logs.wait_for("shop", r"paid \\d+", timeout=60)
    assert line == ("shop", "the first test, paid 30 EUR", line.text, "", None, "", {})
    assert infra_logs.wait_for(shop, re.compile("PAID", re.IGNORECASE)) == line

def test_the_fields_of_json_are_parsed(shop, infra_logs):
    fields = {"event": "paid \u00fcber", "level": "warn", "time": 60, "correlation_id": "c1", "sum": 3}
    send(shop, json.dumps(fields))
    line = infra_logs.wait_for("shop", "über", timeout=60)
    assert (line.message, line.level, line.time, line.correlation_id) == ("paid über", "warning", 60.0, "c1")
    assert line.fields["sum"] == 3
    assert [line.level for line in infra_logs.of("shop")] == ["warning"]

def test_a_missing_line_is_an_error_with_the_lines_of_the_test(shop, infra_logs):
    send(shop, "the third test")
    infra_logs.wait_for("shop", "third", timeout=60)
    with pytest.raises(LogLineMissingError, match="no line that matches 'refund'") as error:
        infra_logs.wait_for("shop", "refund", timeout=0.01)
    assert "\\n  the third test" in str(error.value)
    assert "first" not in str(error.value)

def test_reading_the_log_of_a_stopped_service_does_not_start_it(shop, infra_logs, infra_chaos):
    with infra_chaos.stopped("shop"):
        assert infra_logs.of("shop") == []
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", shop.port))

def test_an_unknown_service_is_an_error(infra_logs):
    with pytest.raises(pytest.fail.Exception, match="shopp"):
        infra_logs.of("shopp")
"""


def test_a_test_gets_the_lines_that_a_service_logs_during_the_test(suite: Suite) -> None:
    (suite.root / "echo.py").write_text(ECHO)
    command = '["${bin.python}", "-I", "-S", "${root}/echo.py", "${port.http}"]'
    suite.stack(
        f"[services.shop]\ncommand = {command}\nports = {{ http = 18080 }}\nready = {{ tcp = true }}\n"
    )
    suite.test(TESTS)

    suite.run("-n2").assert_outcomes(passed=5)


def test_the_error_about_a_missing_line_has_the_number_of_lines_and_the_last_ones() -> None:
    lines = tuple(
        LogLine("shop", f"line {number}", f"line {number}", "info", None, "", {}) for number in range(1, 31)
    )

    error = LogLineMissingError("shop", "sold out", 1.5, lines)

    head, *shown_lines = str(error).splitlines()
    assert head == (
        "shop logged no line that matches 'sold out' within 1.5 s; "
        "30 other lines since the start of the test, the last 20 are:"
    )
    assert shown_lines == [f"  line {number}" for number in range(11, 31)]
    assert error.lines == lines


def test_the_error_about_a_missing_line_of_a_silent_service_shows_no_lines() -> None:
    assert str(LogLineMissingError("shop", "sold out", 1.5, ())) == (
        "shop logged no line that matches 'sold out' within 1.5 s, "
        "and no other line since the start of the test"
    )
