"""The download and the import of failure reports and traces through the API."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import KEY, ORIGIN, Site, events
from fakes.dashboard_data import TRACE, stored_span, write_report
from fakes.telemetry import Answers
from infra_runtime.dashboard import report_archive, telemetry
from infra_runtime.dashboard.sessions import Role
from infra_runtime.dashboard.telemetry import TelemetryError

HEADERS = {"x-dashboard-key": KEY}
OTLP = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": TRACE.upper(), "spanId": "12" * 8}]}]}]}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    exports = {"query_url": "http://127.0.0.1:9", "url": "http://127.0.0.1:8", "key": "secret"}
    site.supervisor.exported = {"collector": exports}
    return site


def send(site: Site, path: str, content: bytes) -> Any:
    return site.ask(path, method="POST", headers=HEADERS, content=content)


def report_of(site: Site) -> str:
    """Write a failure report with a trace of another machine; return its address in the API."""
    folder = write_report(site.folder / "data-test", "test_order")
    request = {"http.request.method": "GET", "url.full": "http://shop/orders"}
    spans = [stored_span("GET /orders", 1, attributes=request), stored_span("query", 2, 1)]
    content = {"trace": TRACE, "spans": spans, "logs": []}
    (folder / "trace.json").write_text(json.dumps(content), encoding="utf-8")
    (item,) = site.ask("/api/v1/tests", headers=HEADERS).json()["items"]
    return f"/api/v1/tests/{item['id']}"


def test_a_report_is_downloaded_and_opened_on_another_machine(site: Site, tmp_path: Path) -> None:
    file = site.ask(f"{report_of(site)}/archive", headers=HEADERS)
    other = Site(tmp_path / "other")

    answer = send(other, "/api/v1/tests/imports", file.content)
    (name,) = answer.json()["items"]

    assert file.headers["content-disposition"].endswith('.zip"')
    assert "AssertionError: assert 500 == 200" in other.ask(f"/tests/{name}", headers=HEADERS).text
    assert "imported" in other.ask("/tests", headers=HEADERS).text
    assert [entry["action"] for entry in other.entries()] == ["import reports"]


def imported(site: Site) -> str:
    """Import a failure report; return its id."""
    file = site.ask(f"{report_of(site)}/archive", headers=HEADERS)
    (name,) = send(site, "/api/v1/tests/imports", file.content).json()["items"]
    return str(name)


def test_an_imported_report_is_removed_and_the_removal_is_recorded(site: Site) -> None:
    name = imported(site)
    (folder,) = Path(site.paths.data, "capsules").iterdir()
    assert f'data-remove-report="{name}"' in site.ask("/tests", headers=HEADERS).text

    answer = site.change(f"/api/v1/tests/{name}/remove", site.cookie(Role.OPERATOR))

    assert (answer.status_code, answer.json()) == (200, {"id": name, "test": "test_shop.py::test_order"})
    assert not folder.exists()
    assert site.ask(f"/tests/{name}", headers=HEADERS).status_code == 404
    assert site.change(f"/api/v1/tests/{name}/remove", site.cookie()).status_code == 404
    entries = [(entry["action"], entry["details"]) for entry in site.entries()]
    assert entries[1:] == [("remove report", {"report": name, "test": "test_shop.py::test_order"})]


def test_the_list_is_updated_when_a_report_is_removed(site: Site) -> None:
    name = imported(site)

    before, after = events(site, "/stream/tests", 2, lambda: shutil.rmtree(Path(site.paths.data, "capsules")))

    assert name in before[1]["parts"]["report-list"]
    assert name not in after[1]["parts"]["report-list"]


def test_a_report_of_a_test_of_the_project_is_not_removed(site: Site) -> None:
    address = report_of(site)

    refused = site.ask(f"{address}/remove", method="POST", headers=HEADERS)

    assert refused.status_code == 409
    assert "replaced when the test fails again" in refused.json()["detail"]
    assert site.ask(address, headers=HEADERS).status_code == 200
    assert "data-remove-report" not in site.ask("/tests", headers=HEADERS).text
    assert not site.audit.exists()


def test_a_viewer_or_a_get_request_removes_no_report(site: Site) -> None:
    address = f"/api/v1/tests/{imported(site)}/remove"

    assert site.change(address, site.cookie(Role.VIEWER)).status_code == 403
    assert site.ask(address, headers=HEADERS).status_code == 405
    assert [*Path(site.paths.data, "capsules").iterdir()]


def test_files_that_cannot_be_removed_are_a_problem(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    name = imported(site)
    monkeypatch.setattr("infra_runtime.dashboard.transfers.disk.discard", refuse)

    answer = site.ask(f"/api/v1/tests/{name}/remove", method="POST", headers=HEADERS)

    assert answer.status_code == 409
    assert answer.json()["detail"].endswith("cannot be removed: Operation not permitted")


def test_another_file_is_a_problem(site: Site) -> None:
    answer = send(site, "/api/v1/tests/imports", b"x")

    assert answer.status_code == 400
    assert "is not a ZIP file" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/tests/imports", "/api/v1/traces/imports"])
def test_a_file_that_is_too_large_is_refused_and_a_viewer_imports_nothing(
    site: Site, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_archive, "LARGEST", 1000)
    monkeypatch.setattr("infra_runtime.dashboard.transfers.LARGEST_TRACE", 1000)
    cookie = site.cookie(Role.VIEWER)
    fields = {"origin": ORIGIN, "x-dashboard-token": site.header_token(cookie)}

    refused = site.ask(path, method="POST", headers=fields, cookie=cookie, content=b"x")

    assert send(site, path, b"x" * 1001).status_code == 413
    assert refused.status_code == 403


def test_the_spans_of_a_report_are_otlp_json_and_har(site: Site) -> None:
    address = report_of(site)

    otlp = site.ask(f"{address}/otlp", headers=HEADERS)
    har = site.ask(f"{address}/har", headers=HEADERS)

    (resource,) = otlp.json()["resourceSpans"]
    assert [span["name"] for span in resource["scopeSpans"][0]["spans"]] == ["GET /orders", "query"]
    assert [entry["request"]["url"] for entry in har.json()["log"]["entries"]] == ["http://shop/orders"]
    assert har.headers["content-disposition"].endswith('.har"')


@pytest.mark.parametrize("form", ["otlp", "har", "archive"])
def test_an_unknown_report_is_not_found(site: Site, form: str) -> None:
    assert site.ask(f"/api/v1/tests/unknown/{form}", headers=HEADERS).status_code == 404


@pytest.mark.parametrize("span", [{"events": [{}]}, {"start": "x"}, {"links": [1]}, {"kind": "other"}])
def test_spans_that_cannot_be_converted_are_a_problem(site: Site, span: dict[str, Any]) -> None:
    address = report_of(site)
    (path,) = site.folder.glob("data-test/capsules/*/trace.json")
    path.write_text(
        json.dumps({"trace": TRACE, "spans": [stored_span("x", 1, **span)], "logs": []}), encoding="utf-8"
    )

    assert site.ask(f"{address}/otlp", headers=HEADERS).status_code == 404


def test_a_trace_is_sent_to_the_telemetry_service(
    site: Site, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str, bytes]] = []

    def receive(url: str, key: str, content: bytes) -> dict[str, Any]:
        sent.append((url, key, content))
        return {"partialSuccess": {"rejectedSpans": "1"}}

    monkeypatch.setattr(telemetry, "_send", receive)
    answers["spans"] = {"items": []}
    content = json.dumps(OTLP).encode()

    answer = send(site, "/api/v1/traces/imports", content).json()

    assert answer == {"items": [TRACE], "rejected": 1}
    assert sent == [("http://127.0.0.1:8", "secret", content)]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"resourceSpans": [1]}', b'{"resourceSpans": 1}'],
)
def test_a_file_without_spans_is_refused(site: Site, content: bytes) -> None:
    assert send(site, "/api/v1/traces/imports", content).status_code == 400


def test_a_telemetry_service_that_refuses_the_trace_is_a_problem(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise TelemetryError("the disk is full", 503)

    monkeypatch.setattr(telemetry, "_send", refuse)

    answer = send(site, "/api/v1/traces/imports", json.dumps(OTLP).encode())

    assert (answer.status_code, answer.json()["detail"]) == (503, "the disk is full")
