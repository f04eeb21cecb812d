"""The errors in the logs: what is counted, logs that grow or are replaced, and where the pages show it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import KEY, Site, events, service
from infra_runtime.dashboard import error_counts
from infra_runtime.dashboard.error_counts import ErrorCounts
from infra_runtime.messages import Phase

HEADERS = {"x-dashboard-key": KEY}


@pytest.fixture
def counts(tmp_path: Path) -> ErrorCounts:
    return ErrorCounts(tmp_path)


def append(folder: Path, name: str, text: str | bytes) -> None:
    with (folder / f"{name}.log").open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def test_messages_with_the_levels_error_and_critical_are_counted(tmp_path: Path, counts: ErrorCounts) -> None:
    append(tmp_path, "api", 'INFO ok\nERROR no\n  at line 3\nWARNING x\n{"level": 60, "msg": "m"}\n')
    append(tmp_path, "db", "LOG:  ready\nFATAL:  no role\n")
    append(tmp_path, "mail", "all is well\n")
    append(tmp_path, "supervisor", "ERROR of the supervisor\n")

    assert counts.update() == {"api": 2, "db": 1}


TRACEBACK = "Traceback (most recent call last):\n  File 'a.py', line 1, in f\n    f()\n"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"ERROR failed\n{TRACEBACK}ValueError: no\n", 1),
        (f"ERROR failed\n{TRACEBACK}shop.Declined: no\n", 1),
        (f"{TRACEBACK}ValueError: no\n", 1),
        (f"{TRACEBACK}ValueError: no\n{TRACEBACK}ValueError\n", 2),
        (f"INFO x\n{TRACEBACK}shop.Declined\nERROR y\n", 2),
        ("ERROR one\nERROR two\nValueError: two\n", 2),
        ("ValueError: one\nValueError: two\n", 2),
    ],
)
def test_a_message_and_the_traceback_below_it_are_one_error(
    tmp_path: Path, counts: ErrorCounts, text: str, count: int
) -> None:
    append(tmp_path, "api", text)

    assert counts.update() == {"api": count}


def test_the_lines_that_are_new_are_added(tmp_path: Path, counts: ErrorCounts) -> None:
    append(tmp_path, "api", "ERROR one\nERROR tw")
    assert counts.update() == {"api": 1}

    append(tmp_path, "api", "o\nINFO\n")

    assert counts.update() == counts.update() == {"api": 2}


def test_a_log_that_was_replaced_or_removed_is_counted_again(tmp_path: Path, counts: ErrorCounts) -> None:
    append(tmp_path, "api", "ERROR one\nERROR two\n")
    assert counts.update() == {"api": 2}

    append(tmp_path, "new", "ERROR\n")
    (tmp_path / "new.log").replace(tmp_path / "api.log")
    assert counts.update() == {"api": 1}
    (tmp_path / "api.log").write_bytes(b"")
    assert counts.update() == {}
    (tmp_path / "api.log").unlink()

    assert counts.update() == {}


def test_only_the_end_of_a_log_that_grows_fast_is_read(
    tmp_path: Path, counts: ErrorCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_counts, "FIRST", 100)
    monkeypatch.setattr(error_counts, "MOST", 60)
    append(tmp_path, "api", "ERROR lost\n" + "INFO 4567\n" * 9 + "ERROR one\n")
    assert counts.update() == {"api": 1}

    append(tmp_path, "api", "ERROR lost\n" + "INFO 4567\n" * 5 + "ERROR two\n")

    assert counts.update() == {"api": 2}


@pytest.mark.parametrize(
    "content", [b"\xff\xfe" * 50_000, b"x" * (10 << 20), b"ERROR " * 400_000, b"\0" * 99_999]
)
def test_bytes_without_lines_do_no_harm(tmp_path: Path, counts: ErrorCounts, content: bytes) -> None:
    append(tmp_path, "api", content)
    counts.update()
    append(tmp_path, "api", "\nERROR one\n")
    before = counts.update()["api"]
    append(tmp_path, "api", "ERROR two\n")

    assert counts.update()["api"] == before + 1


def test_the_errors_of_a_service_are_shown_with_a_link_and_in_the_navigation(tmp_path: Path) -> None:
    site = Site(tmp_path, service("api"), service("db", phase=Phase.FAILED))
    site.log("api", "ERROR one\nERROR two\n")

    page = site.ask("/", headers=HEADERS).text
    own = site.ask("/services/api", headers=HEADERS).text
    items = site.ask("/api/v1/services", headers=HEADERS).json()["items"]

    link = 'href="/logs?level=error&amp;run=0s&amp;service=api"'
    assert link in page
    assert link in own
    assert "2 errors</a>" in page
    assert "2 errors in the logs" in own
    assert "1 failed service<" in own
    assert {item["name"]: item["errors"] for item in items} == {"api": 2, "db": 0}


def test_a_failed_service_changes_the_navigation_of_every_page(tmp_path: Path) -> None:
    site = Site(tmp_path, service("api"))
    assert 'id="count-logs" hidden' in site.ask("/graph", headers=HEADERS).text

    def fail() -> None:
        site.supervisor.services["api"] = service("api", phase=Phase.FAILED)

    before, after = events(site, "/stream/graph", 2, fail)

    assert 'id="count-services" hidden' in before[1]["parts"]["count-services"]
    assert "1 failed service" in after[1]["parts"]["count-services"]
    assert "count-logs" not in after[1]["parts"]


def test_the_errors_of_earlier_runs_are_not_counted(tmp_path: Path) -> None:
    append(tmp_path, "api", "ERROR before\n")
    (tmp_path / "api.index").write_text("100.0 13\n", encoding="ascii")
    append(tmp_path, "api", "ERROR now\nINFO ok\n")

    assert ErrorCounts(tmp_path, since=150.0).update() == {"api": 1}
    assert ErrorCounts(tmp_path).update() == {"api": 2}
