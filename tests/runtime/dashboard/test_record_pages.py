"""The log records of the telemetry service: page, API, filters, hostile texts, missing service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site, events
from fakes.dashboard_data import SECOND, TRACE
from fakes.telemetry import Answers
from infra_runtime.dashboard.openapi import document

HEADERS = {"x-dashboard-key": KEY}
HOSTILE = "<img src=x onerror=alert(1)>"


def record(body: Any, **more: Any) -> dict[str, Any]:
    """Return a log record as the telemetry service returns it."""
    own = {"service": "api", "severity": 17, "attributes": {"user": {"id": 7}}, "trace": TRACE, "span": ""}
    return {"time": 5 * SECOND, "body": body, **own, **more}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    return site


def page(site: Site, query: str = "") -> str:
    response = site.ask(f"/records{query}", headers=HEADERS)
    assert response.status_code == 200
    return str(response.text)


def test_the_newest_record_is_first_and_leads_to_its_trace(site: Site, answers: Answers) -> None:
    answers["logs"] = {"items": [record("first"), record({"k": 1}, trace="")], "more": True, "dropped": 3}

    answer = site.ask("/api/v1/records", headers=HEADERS).json()
    text = page(site)

    jsonschema.validate(
        answer, {"$ref": "#/components/schemas/Records", "components": document()["components"]}
    )
    assert [(item["text"], item["level"], item["time"]) for item in answer["items"]] == [
        ('{"k": 1}', "error", 5.0),
        ("first", "error", 5.0),
    ]
    assert answer["items"][1]["attributes"] == {"user": '{"id": 7}'}
    assert f'href="/traces/{TRACE}?span=' in text
    assert "2 newest; more exist; 3 were dropped" in text


def test_the_filters_are_those_of_the_query_api(site: Site, answers: Answers) -> None:
    answers["logs"] = {"items": [], "more": False, "dropped": 0}

    text = page(site, "?level=warning&service=api&text=x&since=1970-01-01T00:00:05%2B00:00&run=r")

    expected = {"level": "warn", "service": "api", "text": "x", "since": "5.000", "run": "r", "limit": "200"}
    assert answers.parameters["logs"] == expected
    assert "No log record matches the filters" in text


@pytest.mark.parametrize("query", ["level=loud", "since=x", "until=x", "limit=0"])
@pytest.mark.parametrize("path", ["/records", "/stream/records", "/api/v1/records"])
def test_a_filter_that_is_not_valid_is_refused(site: Site, answers: Answers, path: str, query: str) -> None:
    answers["logs"] = {"items": [], "more": False, "dropped": 0}

    assert site.ask(f"{path}?{query}", headers=HEADERS).status_code == 400


def test_a_new_record_is_shown_without_a_reload(site: Site, answers: Answers) -> None:
    answers["logs"] = {"items": [], "more": False, "dropped": 0}

    def arrive() -> None:
        answers["logs"] = {"items": [record("declined")], "more": False, "dropped": 0}

    before, after = events(site, "/stream/records", 2, arrive)

    assert "No service has sent a log record" in before[1]["parts"]["record-list"]
    assert "declined" in after[1]["parts"]["record-list"]


def test_a_stack_without_telemetry_has_a_page_that_names_the_command(site: Site) -> None:
    site.supervisor.exported = {}

    assert "pytest-infra[telemetry]" in page(site)
    assert site.ask("/api/v1/records", headers=HEADERS).status_code == 503


def test_no_text_of_a_record_becomes_an_element(site: Site, answers: Answers) -> None:
    own = record(HOSTILE, service=HOSTILE, attributes={HOSTILE: HOSTILE}, trace=HOSTILE)
    answers["logs"] = {"items": [own], "more": False, "dropped": 0}

    text = page(site)

    assert "<img" not in text
    assert text.count("&lt;img") >= 5
