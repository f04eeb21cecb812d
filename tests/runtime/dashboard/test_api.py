"""The JSON API: answers, problems, and the OpenAPI document with its snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")
pytest.importorskip("yaml", reason="the API check needs the extra `openapi`")

import httpx
import jsonschema
from starlette.routing import Route

from fakes.dashboard import HOST, KEY, Site, events, service
from fakes.dashboard_data import write_report
from infra_cli.main import run
from infra_runtime.dashboard import api_checks
from infra_runtime.dashboard.application import application, is_for_programs
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


def test_one_service_has_its_ports(site: Site) -> None:
    assert valid(site, "/api/v1/services/db", "Service")["ports"] == {"client": 5432}


def test_the_filters_of_the_pages_select_what_is_exported(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.settings = {"services.db.port": ("5432", "infra.toml:3"), "profile": ("", "default")}
    write_report(Path(site.paths.data), "test_order")
    findings = [
        {"rule": rule, "method": "GET", "path": "/x", "message": "m", "level": level}
        for rule, level in (("removed", "breaking"), ("added", "info"))
    ]
    monkeypatch.setattr(api_checks, "_run", lambda *_: [{"name": "shop", "findings": findings}])

    def items(path: str) -> list[dict[str, Any]]:
        return list(site.ask(f"/api/v1/{path}", headers={"x-dashboard-key": KEY}).json()["items"])

    assert [item["name"] for item in items("services?text=DB")] == ["db"]
    assert [item["key"] for item in items("configuration?text=infra.toml")] == ["services.db.port"]
    assert (len(items("tests?text=ORDER")), len(items("tests?text=other"))) == (1, 0)
    assert [item["findings"] for item in items("apis?level=info")] == [findings[1:]]
    assert [item["findings"] for item in items("apis?text=REMOVED")] == [findings[:1]]


def test_the_services_of_a_group_are_selected(tmp_path: Path) -> None:
    kinds = {"api": "", "db": "postgres", "grafana": "grafana", "telemetry": "telemetry"}
    site = Site(tmp_path, *(service(name, kind=kind) for name, kind in kinds.items()))

    def names(query: str) -> list[str]:
        answer = site.ask(f"/api/v1/services?{query}", headers={"x-dashboard-key": KEY}).json()
        return [item["name"] for item in answer["items"]]

    assert names("group=own") == ["api"]
    assert names("group=servers") == ["db"]
    assert names("group=observability&text=graf") == ["grafana"]
    valid(site, "/api/v1/services?group=other", "Problem", status=400)


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


def test_the_selected_lines_of_the_logs_are_returned(site: Site) -> None:
    data = valid(site, "/api/v1/logs?service=db&level=error", "Lines")

    assert [line["text"] for line in data["items"]] == ["ERROR two"]


@pytest.mark.parametrize(
    "query",
    ["level=loud", "grep=(", "grep=(%3F=x)", "since=soon", "limit=0", "limit=1001", "limit=x", "before=x"],
)
def test_a_parameter_that_is_not_valid_is_a_problem(site: Site, query: str) -> None:
    valid(site, f"/api/v1/logs?{query}", "Problem", status=400)


def test_the_changes_of_a_service_and_the_last_start(site: Site) -> None:
    valid(site, "/api/v1/start", "Problem", status=404)
    valid(site, "/api/v1/services/x/history", "Problem", status=404)
    changes = [
        {"event": "up", "time": 1.0},
        {"event": "wanted", "time": 1.0, "services": ["db"], "needs": {"db": []}},
        *(
            {"event": event, "service": "db", "time": time}
            for event, time in (("preparing", 2.0), ("ready", 5.0))
        ),
    ]
    Path(site.paths.journal).write_text(
        "".join(f"{json.dumps(change)}\n" for change in changes), encoding="utf-8"
    )

    history = valid(site, "/api/v1/services/db/history", "History")
    start = valid(site, "/api/v1/start", "Start")

    assert [item["event"] for item in history["items"]] == ["ready", "preparing"]
    assert [service["name"] for service in start["services"]] == start["critical_path"] == ["db"]


def test_settings(site: Site) -> None:
    site.settings = {"services.db.port": ("5432", "infra.toml:3")}

    items = valid(site, "/api/v1/configuration", "Configuration")["items"]

    assert items == [{"key": "services.db.port", "value": "5432", "source": "infra.toml:3"}]


def test_a_stream_has_the_services_that_have_changed(site: Site) -> None:
    def stop() -> None:
        site.supervisor.act("stop", ["db"])

    first, second = events(site, "/api/v1/streams/services", 2, stop)

    assert [*first[1]["parts"]] == first[1]["order"]["services"] == ["db", "api"]
    assert second[1]["parts"]["db"]["phase"] == Phase.STOPPED.value


def test_the_requests_are_measured(site: Site) -> None:
    async def work(client: httpx.AsyncClient) -> str:
        headers = {"host": HOST, "x-dashboard-key": KEY}
        await client.get("/api/v1/services", headers=headers)
        return (await client.get("/metrics", headers=headers)).text

    text = site.run(work)

    assert 'http_requests_total{method="GET",status="200"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_every_route_is_in_the_document(site: Site) -> None:
    app: Any = application(site.dashboard())
    routes = {
        route.path: {*route.methods} - {"HEAD"}
        for route in app.app._app.routes
        if isinstance(route, Route) and is_for_programs(route.path) and not route.path.startswith("/stream/")
    }

    assert routes == {
        path: {method.upper() for method in operations} for path, operations in document()["paths"].items()
    }


def test_status_health_and_ready_describe_the_services(site: Site) -> None:
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
    assert json.loads(SNAPSHOT.read_text(encoding="utf-8")) == document()
