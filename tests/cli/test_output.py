"""What people and programs get to read."""

from __future__ import annotations

import pytest

from infra_cli import output
from infra_cli.up_report import picture, table
from infra_runtime.errors import NoStackError
from infra_runtime.messages import Phase, Services, ServiceStatus, Status


def test_columns_are_as_wide_as_their_widest_word_and_end_without_blanks() -> None:
    lines = output.columns([("a", "long word", "x"), ("longer", "b", "")], header=("N", "W", "X"))

    assert lines == ["N       W          X", "a       long word  x", "longer  b"]


def test_colours_do_not_count_for_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "has_colour", lambda: True)
    lines = output.columns([(output.phase("ready"), "x"), ("backing-off", "y")])

    assert lines[0].endswith(" " * 6 + "  x")
    assert "\x1b[32mready" in lines[0]


def test_no_rows_are_no_lines_even_with_a_header() -> None:
    assert output.columns([], header=("A",)) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "0.12 s"), (42, "42 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_a_span_is_told_in_the_unit_that_people_would_choose(seconds: float, text: str) -> None:
    assert output.span(seconds) == text


def test_the_url_comes_before_other_addresses_and_the_rest_is_no_address() -> None:
    exports = {"admin_url": "http://b", "password": "***", "url": "http://a"}

    assert list(output.urls(exports).items()) == [("url", "http://a"), ("admin_url", "http://b")]


def test_a_complaint_has_the_message_the_notes_and_the_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = NoStackError("/data")
    error.add_note("and another thing")
    output.complain(error)

    assert capsys.readouterr().err.splitlines() == [
        "infra: error: no stack is running in /data",
        "infra: error: and another thing",
        f"  hint: {error.hint}",
    ]


def services(*states: tuple[str, Phase, dict[str, object]]) -> Services:
    common: dict[str, object] = {
        "kind": "", "summary": "", "ready": True, "task": False, "copy_of": "", "reason": "", "pid": 1,
        "seconds": 1.5,
        "restarts": 0, "needs": (), "ports": {}, "exports": {}, "log": "",
    }  # fmt: skip
    return Services(
        ServiceStatus(**{**common, "name": name, "phase": phase, **more}) for name, phase, more in states
    )


def test_the_picture_of_a_start_says_why_not_yet() -> None:
    starting = services(("a", Phase.READY, {}), ("b", Phase.STARTING, {"reason": "refused"}))
    lines = picture(
        Status(
            pid=1, environment="test", data="/d", leases=1, stay=False, stay_seconds=None, services=starting
        )
    )

    assert lines[0].startswith("✓  a  ready")
    assert lines[1].endswith("b  starting  1.50 s  refused")


def test_the_table_shows_no_address_of_a_service_that_failed() -> None:
    lines = table(services(("a", Phase.FAILED, {"exports": {"url": "x://1", "admin_url": "http://2"}})))

    assert lines[1:] == ["a        failed"]


def test_the_table_has_web_pages_below_their_service_and_no_sockets() -> None:
    exports = {"url": "x://1", "admin_url": "http://2", "socket_url": "unix:///3"}
    lines = table(
        services(("a", Phase.READY, {"exports": exports}), ("b", Phase.DONE, {"summary": "a task"}))
    )

    assert lines[1:] == [
        "a        ready  x://1",
        "                http://2  (admin)",
        "b        done   a task",
    ]
