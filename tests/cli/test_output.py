"""The output of commands: columns, durations, error messages, tables."""

from __future__ import annotations

import sys

import pytest

from infra_cli import output
from infra_cli.commands.runtime.status import row
from infra_cli.download_display import progress_line
from infra_cli.up_report import endpoint_table, progress_lines
from infra_runtime.errors import NoStackError
from infra_runtime.messages import Phase, Services, ServiceStatus, Status


def test_columns_are_as_wide_as_their_longest_cell_without_trailing_blanks() -> None:
    lines = output.columns([("a", "long word", "x"), ("longer", "b", "")], header=("N", "W", "X"))

    assert lines == ["N       W          X", "a       long word  x", "longer  b"]


def test_colours_do_not_count_for_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "has_colour", lambda: True)
    lines = output.columns([(output.phase("ready"), "x"), ("backing-off", "y")])

    assert lines[0].endswith(" " * 6 + "  x")
    assert "\x1b[32mready" in lines[0]


def test_a_table_without_rows_has_no_header() -> None:
    assert output.columns([], header=("A",)) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "0.12 s"), (42, "42 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_a_duration_has_a_suitable_unit(seconds: float, text: str) -> None:
    assert output.span(seconds) == text


def test_url_is_the_first_address_and_other_exports_are_left_out() -> None:
    exports = {"admin_url": "http://b", "password": "***", "url": "http://a"}

    assert list(output.urls(exports).items()) == [("url", "http://a"), ("admin_url", "http://b")]


def test_an_error_has_a_message_notes_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = NoStackError("/data")
    error.add_note("and another thing")
    output.print_error(error)

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


def test_the_progress_of_a_start_shows_the_reasons() -> None:
    starting = services(("a", Phase.READY, {}), ("b", Phase.STARTING, {"reason": "refused"}))
    lines = progress_lines(
        Status(
            pid=1, environment="test", data="/d", leases=1, stay=False, stay_seconds=None, services=starting
        )
    )

    assert lines[0].startswith("✓  a  ready")
    assert lines[1].endswith("b  starting  1.50 s  refused")


def test_the_table_shows_no_address_of_a_service_that_failed() -> None:
    lines = endpoint_table(
        services(("a", Phase.FAILED, {"exports": {"url": "x://1", "admin_url": "http://2"}}))
    )

    assert lines[1:] == ["a        failed"]


def test_the_table_has_web_pages_below_their_service_and_no_sockets() -> None:
    exports = {"url": "x://1", "admin_url": "http://2", "socket_url": "unix:///3"}
    lines = endpoint_table(
        services(("a", Phase.READY, {"exports": exports}), ("b", Phase.DONE, {"summary": "a task"}))
    )

    assert lines[1:] == [
        "a        ready  x://1",
        "                http://2  (admin)",
        "b        done   a task",
    ]


def test_the_tables_show_the_engine_of_a_kind_with_several() -> None:
    (service,) = services(("a", Phase.READY, {"exports": {"url": "x://1", "engine": "emulation"}}))

    assert endpoint_table(Services([service]))[1:] == ["a        ready  x://1  (emulation)"]
    assert row(service)[-1] == "x://1  (emulation)"


@pytest.mark.parametrize(
    ("total", "text"), [(4_000_000, " 25 %  1.0 of 4.0 MB "), (0, "  1.0 MB ")], ids=["known", "unknown"]
)
def test_the_total_of_a_download_is_printed_if_it_is_known(
    total: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    with progress_line() as draw:
        assert draw is not None
        draw(1_000_000, total)

    line = capsys.readouterr().err
    assert text in line
    assert (" of " in line) == bool(total)
