"""The page and the API of metrics: sources, time ranges, services, and stacks without a source."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site, service
from fakes.telemetry import Answers
from infra_runtime.dashboard import metrics
from infra_runtime.dashboard.openapi import document
from infra_runtime.dashboard.usage import Usage, UsageMeter

HEADERS = {"x-dashboard-key": KEY}
HOSTILE = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"


def gauge(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "gauge",
        "unit": "1",
        "delta": False,
        "service": "api",
        "resource": {},
        "attributes": {},
        "start": 0,
        "time": int(time.time() * 1e9),
        "value": 7.0,
        **more,
    }


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(
        tmp_path,
        service("db", kind="postgres", pid=1),
        service("api", pid=2, needs=("db",)),
        service("exporter", kind="postgres-exporter", needs=("db",)),
    )
    monkeypatch.setattr(
        UsageMeter,
        "measure",
        lambda _, pids: {name: Usage(cpu=0.25, memory=pid * 10**6) for name, pid in pids.items() if pid},
    )
    return site


@pytest.fixture
def telemetry(site: Site, answers: Answers) -> Answers:
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    return answers


def valid(site: Site, query: str = "") -> dict[str, Any]:
    response = site.ask(f"/api/v1/metrics{query}", headers=HEADERS)
    assert response.status_code == 200
    shape = {"$ref": "#/components/schemas/Metrics", "components": document()["components"]}
    jsonschema.validate(response.json(), shape)
    return dict(response.json())


def names(data: dict[str, Any]) -> dict[str, list[str]]:
    """Return a mapping from chart title to the names of its series."""
    return {chart["title"]: [series["name"] for series in chart["series"]] for chart in data["charts"]}


def test_the_figures_of_processes_and_what_services_have_sent_are_shown(
    site: Site, telemetry: Answers
) -> None:
    telemetry["points"] = {"items": [gauge("pool")]}

    data = valid(site)
    text = site.ask("/charts", headers=HEADERS).text

    assert names(data) == {"CPU": ["api", "db"], "Memory": ["api", "db"], "pool": ["api"]}
    assert "CPU. api: last 25 %, db: last 25 %" in text
    assert "2.0 MB" in text
    assert 'd="M' in text
    assert "secret" not in text


def test_one_service_is_selected(site: Site, telemetry: Answers) -> None:
    telemetry["points"] = {"items": []}

    assert names(valid(site, "?service=db")) == {"CPU": ["db"], "Memory": ["db"]}
    assert telemetry.parameters["points"]["service"] == "db"
    assert "1.0 MB" in site.ask("/services/db", headers=HEADERS).text


def test_the_time_range_is_that_of_the_query(site: Site, telemetry: Answers) -> None:
    telemetry["points"] = {"items": []}

    data = valid(site, "?since=2h&until=1h")

    assert data["until"] - data["since"] == pytest.approx(3600, abs=1)
    assert data["charts"] == []
    assert telemetry.parameters["points"]["step"] == "30.000"


def test_an_earlier_run_ends_at_its_last_value_and_has_no_processes(site: Site, telemetry: Answers) -> None:
    end = 1_780_000_000
    telemetry["points"] = {"items": [gauge("pool", time=end * 10**9)]}
    telemetry["state"] = {"runs": ["2026-01-01", "2026-01-02"]}

    data = valid(site, "?run=2026-01-01")
    text = site.ask("/charts?run=2026-01-01", headers=HEADERS).text

    assert (data["since"], data["until"]) == (pytest.approx(end - 900, abs=1), end)
    assert names(data) == {"pool": ["api"]}
    assert telemetry.parameters["points"]["run"] == "2026-01-01"
    assert data["problems"].keys() == {"processes", "collected"}
    assert "<option selected>2026-01-01</option>" in text
    assert valid(site, "?run=2026-01-01&since=2h&until=1h")["until"] == pytest.approx(
        time.time() - 3600, abs=60
    )


def test_a_run_that_does_not_exist_is_reported(site: Site, telemetry: Answers) -> None:
    assert valid(site, "?run=x")["problems"]["received"] == "points does not exist"


def test_a_range_above_the_limit_begins_later(site: Site) -> None:
    data = valid(site, "?since=2000-01-01T00:00:00%2B00:00")

    assert data["until"] - data["since"] == pytest.approx(metrics.LONGEST)


@pytest.mark.parametrize("query", ["since=soon", "since=1h&until=2h", "until=x"])
@pytest.mark.parametrize("path", ["/charts", "/stream/charts", "/api/v1/metrics", "/api/v1/metrics.csv"])
def test_a_time_that_is_not_valid_is_refused(site: Site, path: str, query: str) -> None:
    assert site.ask(f"{path}?{query}", headers=HEADERS).status_code == 400


def test_a_stack_without_sources_has_the_figures_of_processes_and_the_commands(site: Site) -> None:
    text = site.ask("/charts", headers=HEADERS).text

    assert "The stack has no Prometheus" in text
    assert "infra runtime up --profile observability" in text
    assert "The stack has no telemetry service" in text
    assert "pytest-infra[telemetry]" in text
    assert valid(site)["problems"].keys() == {"collected", "received"}


def test_a_telemetry_service_that_does_not_answer_is_reported(site: Site) -> None:
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}

    assert "the telemetry service does not answer" in valid(site)["problems"]["received"]


def test_an_exporter_belongs_to_the_service_that_it_needs(site: Site) -> None:
    async def main(_: object) -> frozenset[str]:
        return metrics.related(await site.dashboard().stack.state(), "db")

    assert site.run(main) == {"db", "exporter"}


def test_no_text_of_a_metric_becomes_an_element(site: Site, telemetry: Answers) -> None:
    telemetry["points"] = {
        "items": [gauge(HOSTILE, unit=HOSTILE, service=HOSTILE, attributes={HOSTILE: HOSTILE})]
    }

    text = site.ask("/charts", headers=HEADERS).text

    assert "&lt;img" in text
    assert "<img" not in text
    assert '"{{ 7' not in text


def test_the_values_are_exported_as_csv(site: Site) -> None:
    response = site.ask("/api/v1/metrics.csv", headers=HEADERS)

    assert response.headers["content-disposition"] == 'attachment; filename="metrics.csv"'
    assert ",processes,CPU,db,db,%,25" in response.text
