"""The alerts and the groups of equal errors: rows, filters, and reasons why there are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site, events, service
from fakes.telemetry import Answers
from infra_runtime.dashboard.openapi import document
from infra_runtime.telemetry import alerts, errors
from infra_runtime.telemetry.limits import Limits

SECOND = 10**9
TRACE = "ab" * 16
HEADERS = {"x-dashboard-key": KEY}


def alert(name: str, **more: Any) -> dict[str, Any]:
    """Return an alert as the telemetry service returns it."""
    return {
        "seq": 1,
        "fingerprint": "f",
        "start": 100 * SECOND,
        "end": 0,
        "status": "firing",
        "name": name,
        "service": "api",
        "severity": "critical",
        "labels": {"alertname": name, "service": "api", "severity": "critical", "type": "Boom"},
        "annotations": {"summary": f"{name} is bad"},
        **more,
    }


def group(**more: Any) -> dict[str, Any]:
    """Return a group of errors as the telemetry service returns it."""
    return {
        "fingerprint": "0123456789abcdef",
        "service": "api",
        "type": "ValueError",
        "message": "no stock",
        "frame": "shop.py:order",
        "first": 100 * SECOND,
        "last": 200 * SECOND,
        "logs": 3,
        "spans": 12,
        "count": 12,
        "trace": TRACE,
        **more,
    }


def answer(*items: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"items": [*items], "more": more}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path, service("api"), service("alerts", kind="alertmanager"))
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    return site


def page(site: Site, path: str = "/alerts") -> str:
    response = site.ask(path, headers=HEADERS)
    assert response.status_code == 200
    return str(response.text)


def test_alerts_and_groups_of_errors_are_shown(site: Site, answers: Answers) -> None:
    answers["alerts"] = answer(alert("Slow"), alert("Down", status="resolved", end=160 * SECOND))
    answers["errors"] = answer(group(), more=True)

    text = page(site)

    assert "1 firing · 1 group of errors; older alerts or errors exist" in text
    assert "Slow is bad" in text
    assert "type: Boom" in text
    assert "for 1 min" in text
    assert "12 \N{MULTIPLICATION SIGN}" in text
    assert "shop.py:order" in text
    assert f'href="/traces/{TRACE}"' in text
    assert "secret" not in text


def test_alerts_that_fire_are_before_those_that_are_resolved(site: Site, answers: Answers) -> None:
    answers["errors"] = answer()
    answers["alerts"] = answer(
        alert("old", start=1),
        alert("resolved", start=3 * SECOND, status="resolved", end=4 * SECOND),
        alert("new", start=2 * SECOND),
    )

    items = site.ask("/api/v1/alerts", headers=HEADERS).json()["items"]

    assert [(item["name"], item["status"]) for item in items] == [
        ("new", "firing"),
        ("old", "firing"),
        ("resolved", "resolved"),
    ]


def test_the_answer_has_the_shape_of_the_document(site: Site, answers: Answers) -> None:
    answers["alerts"], answers["errors"] = answer(alert("Slow")), answer(group(trace=""))

    data = site.ask("/api/v1/alerts", headers=HEADERS).json()

    jsonschema.validate(data, {"$ref": "#/components/schemas/Alerts", "components": document()["components"]})
    assert (data["items"][0]["start"], data["items"][0]["labels"]) == (100.0, {"type": "Boom"})
    assert (data["errors"][0]["count"], data["errors"][0]["last"]) == (12, 200.0)


def test_an_earlier_run_is_selected(site: Site, answers: Answers) -> None:
    answers["alerts"], answers["errors"] = answer(), answer(group())
    answers["state"] = {"runs": ["first", "second"]}

    text = site.ask("/alerts?run=first", headers=HEADERS).text

    assert answers.parameters["alerts"]["run"] == answers.parameters["errors"]["run"] == "first"
    assert '<option value="">this run</option><option selected>first</option>' in text
    assert "?run=first" in text[text.index('href="/traces/') :]


def test_the_answers_of_the_telemetry_service_are_read(site: Site, answers: Answers) -> None:
    body = {
        "alerts": [{**alert("Slow"), "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}]
    }
    (stored,) = alerts.read(json.dumps(body).encode(), Limits(), 0)
    answers["alerts"] = answer(*alerts.shown([{"seq": 1, **stored._asdict()}]))
    record = errors.ErrorGroup(**{key: value for key, value in group(trace=b"").items() if key != "count"})
    answers["errors"] = answer(*errors.shown([record._asdict()]))

    data = site.ask("/api/v1/alerts", headers=HEADERS).json()

    assert [(item["name"], item["start"], item["end"]) for item in data["items"]] == [
        ("Slow", 1767225600.0, 0.0)
    ]
    assert [(item["count"], item["trace"]) for item in data["errors"]] == [(12, "")]


def test_the_filters_are_those_of_the_query_api(site: Site, answers: Answers) -> None:
    answers["alerts"], answers["errors"] = answer(), answer()

    text = page(site, "/alerts?status=firing&severity=critical&service=api&since=2026-01-01T00:00:00%2B00:00")

    since = {"service": "api", "since": "1767225600.000", "limit": "200"}
    assert answers.parameters["alerts"] == {"status": "firing", "severity": "critical", **since}
    assert answers.parameters["errors"] == since
    assert "No alert matches the filters." in text


def test_a_time_that_is_not_valid_is_refused(site: Site, answers: Answers) -> None:
    answers["alerts"], answers["errors"] = answer(), answer()

    assert site.ask("/alerts?since=soon", headers=HEADERS).status_code == 400
    assert site.ask("/api/v1/alerts?since=soon", headers=HEADERS).status_code == 400


def test_a_page_without_alerts_has_the_reason(tmp_path: Path, site: Site, answers: Answers) -> None:
    answers["alerts"], answers["errors"] = answer(), answer()
    other = Site(tmp_path / "other", service("api"))
    other.supervisor.exported = site.supervisor.exported

    assert "Alertmanager has sent no alert in this run." in page(site)
    assert "The stack has no Alertmanager" in page(other)


def test_a_new_alert_is_shown_without_a_reload(site: Site, answers: Answers) -> None:
    answers["alerts"], answers["errors"] = answer(), answer()

    def fire() -> None:
        answers["alerts"] = answer(alert("Slow"))

    before, after = events(site, "/stream/alerts?status=firing", 2, fire)

    assert "No alert matches" in before[1]["parts"]["alert-list"]
    assert "Slow is bad" in after[1]["parts"]["alert-list"]
    assert answers.parameters["alerts"]["status"] == "firing"
    assert 'data-stream="/stream/alerts?status=firing&amp;' in page(site, "/alerts?status=firing")
    assert site.ask("/stream/alerts?since=soon", headers=HEADERS).status_code == 400


def test_a_stack_without_telemetry_has_a_page_that_names_the_command(site: Site) -> None:
    site.supervisor.exported = {}

    text = page(site)

    assert "the stack has no telemetry service" in text
    assert "pytest-infra[telemetry]" in text
    assert site.ask("/api/v1/alerts", headers=HEADERS).status_code == 503


def test_a_telemetry_service_that_does_not_answer_is_reported(site: Site) -> None:
    assert "the telemetry service does not answer" in page(site)


def test_no_text_of_an_alert_becomes_an_element(site: Site, answers: Answers) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"
    labels = {"alertname": hostile, hostile: hostile}
    answers["alerts"] = answer(
        alert(hostile, service=hostile, severity=hostile, labels=labels, annotations={"summary": hostile})
    )
    answers["errors"] = answer(
        group(service=hostile, type=hostile, message=hostile, frame=hostile, trace='"><img>')
    )

    text = page(site)

    assert "<img" not in text
    assert "{{ 7 * 7 }}" in text
