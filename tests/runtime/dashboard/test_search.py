"""The search for one text in all signals: hits with their pages, unreadable signals, hostile texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site, service
from fakes.dashboard_data import SECOND, TRACE, write_report, write_session
from fakes.telemetry import Answers
from infra_runtime.dashboard.openapi import document
from infra_runtime.dashboard.search import SIGNALS

HEADERS = {"x-dashboard-key": KEY}
HOSTILE = "<script>alert('x')</script>\x1b]8;;javascript:alert(1)\x07"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path, service("api", reason="waits for Order-db"), service("db"))
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    return site


def fill(site: Site, answers: Answers, text: str) -> None:
    """Write the text into every signal."""
    data = Path(site.paths.data)
    site.log("api", f"before\n\x1b[31m{text}\x1b[0m order\nafter\n")
    site.settings = {"services.api.env.NAME": (text, "infra.toml:3")}
    write_report(data, "test_order", failure=f"E  {text}")
    write_session(data, {"test": f"test_shop.py::{text}", "outcome": "passed", "counts": {"passed": 1}})
    summary = {"trace": TRACE, "name": text, "service": "api", "services": ["api"], "start": 1, "end": 2}
    answers["traces"] = {"items": [{**summary, "spans": 2, "logs": 0, "errors": 0}], "more": False}
    record = {"time": SECOND, "service": "api", "severity": 17, "body": text, "trace": TRACE}
    answers["logs"] = {"items": [record], "more": False}
    answers["metrics"] = {"items": [{"name": text, "type": "sum", "unit": "", "services": ["api"]}]}
    alert = {"name": text, "service": "api", "severity": "critical", "status": "firing"}
    times = {"start": SECOND, "end": 0, "annotations": {}, "labels": {"queue": "other"}}
    answers["alerts"] = {"items": [{**alert, **times}], "more": False}
    group = {"fingerprint": "f", "service": "api", "type": "E", "message": text, "frame": "", "count": 2}
    answers["errors"] = {"items": [{**group, "first": 1, "last": SECOND, "trace": ""}], "more": False}


def hits_of(site: Site, text: str, **more: str) -> dict[str, list[dict[str, Any]]]:
    response = site.ask("/api/v1/search", headers=HEADERS, params={"text": text, **more})
    assert response.status_code == 200
    answer = response.json()
    jsonschema.validate(
        answer, {**document()["components"]["schemas"]["Search"], "components": document()["components"]}
    )
    return {part["signal"]: part["items"] for part in answer["signals"]}


def test_one_text_is_found_in_every_signal(site: Site, answers: Answers) -> None:
    fill(site, answers, "ORDER-17")
    site.supervisor.services["api"] = service("api", reason="waits for order-17")

    hits = hits_of(site, "order-17")

    assert {signal for signal, items in hits.items() if items} == {*SIGNALS}
    assert {item["title"] for item in hits["logs"]} == {"ORDER-17 order"}
    assert hits["traces"][0]["link"] == f"/traces/{TRACE}"
    assert hits["log records"][0]["link"] == f"/traces/{TRACE}"
    assert hits["failure reports"][0]["link"].startswith("/tests/")


@pytest.mark.parametrize("signal", ["services", "failure reports", "logs", "tests", "settings"])
def test_the_page_of_a_hit_exists(site: Site, answers: Answers, signal: str) -> None:
    fill(site, answers, "order")

    link = hits_of(site, "order")[signal][0]["link"]

    assert site.ask(link, headers=HEADERS).status_code == 200


def test_the_page_shows_the_hits_with_links_and_the_signals_without_hits(
    site: Site, answers: Answers
) -> None:
    fill(site, answers, "other")

    text = site.ask("/search?text=Order-db", headers=HEADERS).text

    assert 'href="/services/api" data-open' in text
    assert "No hit in tests, failure reports" in text


def test_the_id_of_a_trace_or_a_span_selects_traces_by_id(site: Site, answers: Answers) -> None:
    fill(site, answers, "order")

    hits_of(site, TRACE.upper())
    by_trace = answers.parameters["traces"], answers.parameters["logs"]
    hits_of(site, "cd" * 8)

    assert [hit["trace"] for hit in by_trace] == [TRACE, TRACE]
    assert answers.parameters["traces"]["id"] == "cd" * 8


def test_further_hits_are_counted_and_linked(site: Site, answers: Answers) -> None:
    fill(site, answers, "x")
    site.log("api", "order\n" * 20)

    answer = site.ask("/api/v1/search?text=order&limit=2", headers=HEADERS).json()

    logs = next(part for part in answer["signals"] if part["signal"] == "logs")
    assert (len(logs["items"]), logs["more"], logs["link"]) == (2, True, "/logs?text=order")


def test_a_stack_without_telemetry_is_searched_and_the_reason_is_shown(site: Site) -> None:
    site.supervisor.exported = {}
    site.log("api", "order\n")

    answer = site.ask("/api/v1/search?text=order", headers=HEADERS).json()
    text = site.ask("/search?text=order", headers=HEADERS).text

    problems = {part["signal"]: part["problem"] for part in answer["signals"] if part["problem"]}
    assert problems.keys() == {"traces", "log records", "errors", "alerts", "metrics"}
    assert "Traces cannot be searched: the stack has no telemetry service." in text
    assert "order" in text


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_text_searches_nothing(site: Site, text: str) -> None:
    assert hits_of(site, text) == {}
    assert "The search finds a text in" in site.ask("/search", headers=HEADERS).text


@pytest.mark.parametrize(
    "query", [{"text": "x" * 201}, {"text": "x", "limit": "0"}, {"text": "x", "limit": "9999"}]
)
def test_a_parameter_that_is_not_valid_is_refused(site: Site, query: dict[str, str]) -> None:
    assert site.ask("/api/v1/search", headers=HEADERS, params=query).status_code == 400
    assert site.ask("/search", headers=HEADERS, params=query).status_code == 400


def test_no_text_of_a_hit_becomes_an_element(site: Site, answers: Answers) -> None:
    fill(site, answers, HOSTILE)

    text = site.ask("/search", headers=HEADERS, params={"text": "<script>"}).text

    assert text.count("&lt;script&gt;alert") >= len(SIGNALS) - 2
    assert "<script>alert" not in text
    assert 'href="javascript' not in text
