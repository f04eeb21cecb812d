"""The time axis of a failed test: phases and waits of the session, events and log lines of the services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import KEY, Site
from fakes.dashboard_data import TRACE, write_report, write_session

HEADERS = {"x-dashboard-key": KEY}
TEST = "test_shop.py::test_order"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def began_of(site: Site, **test: Any) -> float:
    """Write the record of a session with the test; return the start of the test."""
    data = Path(site.paths.data)
    own = {"test": TEST, "outcome": "failed", "trace": TRACE, "counts": {"failed": 1}}
    write_session(data, {**own, **test})
    answer = site.ask("/api/v1/tests/sessions", headers=HEADERS).json()
    return float(answer["items"][0]["began"])


def axis(site: Site) -> dict[str, Any]:
    (item,) = site.ask("/api/v1/tests", headers=HEADERS).json()["items"]
    return dict(site.ask(f"/api/v1/tests/{item['id']}", headers=HEADERS).json()["axis"])


def text(site: Site) -> str:
    (item,) = site.ask("/api/v1/tests", headers=HEADERS).json()["items"]
    return str(site.ask(f"/tests/{item['id']}", headers=HEADERS).text)


def test_phases_waits_events_and_lines_are_on_one_axis(site: Site) -> None:
    phases = {"teardown": 0.5, "setup": 1.0, "call": 0.5}
    began = began_of(site, phases=phases, waits=[["db", 0.25]])
    report = write_report(Path(site.paths.data), "test_order", began=began, seconds=2.0)
    (report / "logs" / "api.log").write_text(
        "".join(
            json.dumps({"time": began + offset, "level": "error", "msg": "x"}) + "\n"
            for offset in (-60, 0.5, 60)
        )
        + "a line without a time\n",
        encoding="utf-8",
    )
    event = {"time": began + 1.5, "event": "exited", "service": "db", "status": 1}
    (report / "events.jsonl").write_text(f"{json.dumps(event)}\n{{\n", encoding="utf-8")

    shown, page = axis(site), text(site)

    assert list(shown["phases"].items()) == [("setup", 1.0), ("call", 0.5), ("teardown", 0.5)]
    assert shown["waits"] == [{"name": "db", "seconds": 0.25}]
    assert shown["events"] == [{"service": "db", "seconds": 1.5, "text": "exited with status 1"}]
    assert shown["lines"] == [{"service": "api", "seconds": 0.5, "text": "error"}]
    assert '<rect class="starting" x="50.0" y="0" width="25.0"' in page
    assert '<rect class="moment bad" x="75.0"' in page
    assert "Waited for db 250 ms." in page


@pytest.mark.parametrize("other", [{"trace": "cd" * 16}, {"test": "test_other"}])
def test_another_test_of_the_session_is_not_used(site: Site, other: dict[str, str]) -> None:
    began = began_of(site, phases={"call": 1.0}, **other)
    write_report(Path(site.paths.data), "test_order", began=began)

    assert axis(site)["phases"] == {}
    assert "has no record on this machine" in text(site)


@pytest.mark.parametrize(
    "events",
    ["", "{", "[" * 100_000, '{"time": 1e400, "event": "ready", "service": "db"}', '{"time": "x"}', "\0"],
)
def test_the_time_axis_of_damaged_events_has_no_events(site: Site, events: str) -> None:
    report = write_report(Path(site.paths.data), "test_order")
    (report / "events.jsonl").write_text(events, encoding="utf-8")

    assert axis(site)["events"] == []


def test_events_behind_a_symbolic_link_are_not_read(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"time": 1780000000.5, "event": "ready", "service": "SECRET"}\n', encoding="utf-8")
    report = write_report(Path(site.paths.data), "test_order")
    (report / "events.jsonl").symlink_to(secret)

    assert axis(site)["events"] == []


def test_no_text_of_an_event_becomes_an_element(site: Site) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    report = write_report(Path(site.paths.data), "test_order")
    event = {"time": 1_780_000_000.5, "event": hostile, "service": hostile, "reason": hostile}
    (report / "events.jsonl").write_text(json.dumps(event), encoding="utf-8")

    assert "<img" not in text(site)
    assert text(site).count("&lt;img") >= 3
