"""The JSON API: answers, problems, and the OpenAPI document with its snapshot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")
pytest.importorskip("yaml", reason="the API check needs the extra `openapi`")

import jsonschema

from fakes.dashboard import KEY, Site, service
from infra_cli.main import run
from infra_runtime.dashboard.openapi import document
from infra_runtime.messages import Phase

SNAPSHOT = Path(__file__).with_name("dashboard.openapi.json")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path, service("db", ports={"client": 5432}), service("api", needs=("db",)))
    site.log("db", "INFO one\nERROR two\n")
    return site


def valid(site: Site, path: str, schema: str, *, method: str = "GET", status: int = 200) -> dict:
    """Send a request with the key; return the answer, which has the shape in the OpenAPI document."""
    response = site.ask(path, method=method, headers={"x-dashboard-key": KEY})
    assert response.status_code == status
    shapes = document()["components"]
    jsonschema.validate(response.json(), {"$ref": f"#/components/schemas/{schema}", "components": shapes})
    return response.json()


def test_services(site: Site) -> None:
    items = valid(site, "/api/v1/services", "Services")["items"]

    assert [(item["name"], item["dependents"]) for item in items] == [("db", ["api"]), ("api", [])]


def test_one_service(site: Site) -> None:
    assert valid(site, "/api/v1/services/db", "Service")["ports"] == {"client": 5432}


def test_an_action_answers_with_the_reached_state_and_is_recorded(site: Site) -> None:
    outcome = valid(site, "/api/v1/services/db/stop", "Outcome", method="POST")

    assert outcome["services"] == [{"name": "db", "phase": Phase.STOPPED.value, "reason": ""}]
    assert [(entry["action"], entry["actor"], entry["details"]) for entry in site.entries()] == [
        ("stop", "key", {"service": "db"})
    ]


def test_an_unknown_action_or_service_is_a_problem(site: Site) -> None:
    assert valid(site, "/api/v1/services/db/crash", "Problem", method="POST", status=404)
    assert valid(site, "/api/v1/services/x/stop", "Problem", method="POST", status=404)
    assert site.supervisor.acted == []


def test_lines_of_the_logs(site: Site) -> None:
    data = valid(site, "/api/v1/logs?service=db&level=error", "Lines")

    assert [line["text"] for line in data["items"]] == ["ERROR two"]


@pytest.mark.parametrize(
    "query",
    ["level=loud", "grep=(", "grep=(%3F=x)", "since=soon", "limit=0", "limit=1001", "limit=x", "before=x"],
)
def test_a_parameter_that_is_not_valid_is_a_problem(site: Site, query: str) -> None:
    valid(site, f"/api/v1/logs?{query}", "Problem", status=400)


def test_status_health_and_ready(site: Site) -> None:
    assert valid(site, "/status", "Status")["services"] == {"ready": 2}
    assert valid(site, "/health", "Health") == valid(site, "/ready", "Health") == {"status": "ok"}


def test_the_document_is_served_and_describes_every_path(site: Site) -> None:
    assert site.ask("/api/v1/openapi.json", headers={"x-dashboard-key": KEY}).json() == document()


def test_no_change_of_the_api_breaks_its_clients(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """After a change on purpose: `infra dev api-snapshot service:dashboard/api/v1/openapi.json FILE`."""
    revision = tmp_path / "openapi.json"
    revision.write_text(json.dumps(document()), encoding="utf-8")

    code = run(["dev", "api-check", str(SNAPSHOT), str(revision)])

    assert code == 0, capfd.readouterr().out
