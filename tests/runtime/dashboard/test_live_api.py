"""The streams of the JSON API: the answer of a request, again after each change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import KEY, Site, events, service
from fakes.dashboard_data import TRACE, write_report, write_session
from fakes.telemetry import Answers
from infra_runtime.dashboard.live_api import LIVE

HEADERS = {"x-dashboard-key": KEY}


@pytest.fixture
def site(tmp_path: Path, answers: Answers) -> Site:
    site = Site(tmp_path, service("db"))
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    answers["traces"] = {"items": [], "more": False, "dropped": 0}
    answers["alerts"] = answers["errors"] = answers["points"] = {"items": [], "more": False}
    answers["logs"] = {"items": [], "more": False, "dropped": 0}
    write_session(Path(site.paths.data), {"test": "a", "outcome": "passed", "counts": {"passed": 1}})
    Path(site.paths.journal).write_text(
        "".join(
            f"{json.dumps(event)}\n"
            for event in (
                {"event": "up", "time": 1},
                {"event": "wanted", "time": 1, "services": ["db"], "needs": {"db": []}},
                {"event": "preparing", "service": "db", "time": 2},
                {"event": "ready", "service": "db", "time": 3},
            )
        ),
        encoding="utf-8",
    )
    return site


@pytest.mark.parametrize("path", [path for path in LIVE if path not in {"apis", "metrics"}])
def test_a_stream_begins_with_the_answer_of_the_request(site: Site, path: str) -> None:
    session = site.ask("/api/v1/tests/sessions", headers=HEADERS).json()["items"][0]["id"]
    address = path.format(name="db", session=session)

    ((name, value),) = events(site, f"/api/v1/streams/{address}", 1)

    answer = site.ask(f"/api/v1/{address}", headers=HEADERS).json()
    assert (name, value.keys()) == ("value", answer.keys())


def test_a_stream_sends_a_change(site: Site) -> None:
    def fail() -> None:
        write_report(Path(site.paths.data), "test_order")

    before, after = events(site, "/api/v1/streams/tests", 2, fail)

    assert (before[1]["total"], after[1]["total"]) == (0, 1)


def test_an_error_of_a_stream_is_sent_and_the_stream_continues(site: Site, answers: Answers) -> None:
    summary = {"trace": TRACE, "name": "x", "service": "api", "services": [], "start": 1, "end": 2}

    def stop() -> None:
        del answers["traces"]

    def sent(count: int) -> list[tuple[str, Any]]:
        return events(site, "/api/v1/streams/traces?service=api", count, stop)

    answers["traces"]["items"] = [{**summary, "spans": 1, "logs": 0, "errors": 0}]

    assert [name for name, _ in sent(2)] == ["value", "lost"]


@pytest.mark.parametrize("is_removed", [False, True])
@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("traces", "trace-list"),
        ("records", "record-list"),
        ("alerts", "alert-list"),
        ("charts", "charts"),
    ],
)
def test_an_open_page_reports_that_the_telemetry_service_has_stopped(
    site: Site, answers: Answers, monkeypatch: pytest.MonkeyPatch, path: str, part: str, *, is_removed: bool
) -> None:
    monkeypatch.setattr("infra_runtime.dashboard.pages.INTERVAL", 0.01)
    answers["points"] = {"items": []}
    reason = "the stack has no telemetry service" if is_removed else "does not exist"

    def stop() -> None:
        if is_removed:
            site.supervisor.exported = {}
        else:
            answers.clear()

    before, after = (data["parts"][part].lower() for _, data in events(site, f"/stream/{path}", 2, stop))

    assert reason not in before
    assert reason in after


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("services/missing", 404),
        ("alerts?since=x", 400),
        ("tests/sessions/missing", 404),
        ("traces?limit=x", 400),
    ],
)
def test_an_unknown_name_or_an_invalid_parameter_is_a_problem(site: Site, path: str, status: int) -> None:
    assert site.ask(f"/api/v1/streams/{path}", headers=HEADERS).status_code == status


def test_the_page_of_traces_is_updated(site: Site, answers: Answers) -> None:
    def arrive() -> None:
        summary = {
            "trace": TRACE,
            "name": "GET /new",
            "service": "api",
            "services": ["api"],
            "start": 1,
            "end": 2,
        }
        answers["traces"] = {
            "items": [{**summary, "spans": 1, "logs": 0, "errors": 0}], "more": False, "dropped": 0
        }  # fmt: skip

    before, after = events(site, "/stream/traces?service=api", 2, arrive)

    assert "No trace matches the filters" in before[1]["parts"]["trace-list"]
    assert "GET /new" in after[1]["parts"]["trace-list"]
    page = site.ask("/traces?service=api", headers=HEADERS).text
    assert 'data-stream="/stream/traces?service=api"' in page
