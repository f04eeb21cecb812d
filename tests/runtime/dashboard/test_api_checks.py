"""The checks of APIs: verdicts, findings, documents of services, and what prevents a check."""

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

import jsonschema

from fakes.clock import Clock
from fakes.dashboard import KEY, Site, service
from infra_runtime.dashboard import api_checks
from infra_runtime.dashboard.api_checks import ApiChecks, CheckError, checked
from infra_runtime.dashboard.openapi import document

HEADERS = {"x-dashboard-key": KEY}
STACK = '[api.shop]\nsnapshot = "openapi.json"\nsource = "new.json"\n'
HOSTILE = "<img src=x onerror=alert(1)>"


def api(*paths: str) -> dict[str, Any]:
    operation = {"get": {"responses": {"200": {"description": "ok"}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "shop", "version": "1"},
        "paths": dict.fromkeys(paths, operation),
    }


def write(folder: Path, *, stack: str = STACK, old: Any = None, new: Any = None) -> None:
    (folder / "infra.toml").write_text(stack, encoding="utf-8")
    for name, content in (("openapi.json", old), ("new.json", new)):
        if content is not None:
            (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, service("shop"))


def test_a_removed_operation_is_a_finding_with_its_rule_and_path(tmp_path: Path) -> None:
    write(tmp_path, old=api("/pets", "/orders"), new=api("/pets"))

    (check,) = checked(tmp_path, {})

    (finding,) = check["findings"]
    assert (check["name"], check["verdict"], check["problem"]) == ("shop", "breaking", "")
    assert (finding["level"], finding["method"], finding["path"]) == ("breaking", "GET", "/orders")
    assert finding["rule"]
    assert finding["file"].endswith("new.json")


def test_a_missing_document_or_service_is_the_problem_of_its_api(tmp_path: Path) -> None:
    other = '[api.api]\nsnapshot = "openapi.json"\nsource = "service:gone/openapi.json"\n'
    write(tmp_path, stack=STACK + other, old=api("/pets"))

    first, second = checked(tmp_path, {})

    assert "new.json" in first["problem"]
    assert "the service 'gone' is not running" in second["problem"]
    assert (first["verdict"], second["verdict"]) == ("", "")


def test_a_stack_file_without_apis_has_no_checks(tmp_path: Path) -> None:
    write(tmp_path, stack="")

    assert checked(tmp_path, {}) == checked(tmp_path / "none", {}) == []


@pytest.mark.process
def test_the_answer_has_the_shape_of_the_document(site: Site, tmp_path: Path) -> None:
    write(tmp_path, old=api("/pets", "/orders"), new=api("/pets"))

    data = site.ask("/api/v1/apis", headers=HEADERS).json()

    jsonschema.validate(
        data, {"$ref": "#/components/schemas/ApiChecks", "components": document()["components"]}
    )
    assert [check["verdict"] for check in data["items"]] == ["breaking"]


@pytest.mark.process
def test_a_stack_file_that_is_not_valid_is_a_problem(site: Site, tmp_path: Path) -> None:
    write(tmp_path, stack='[api.shop]\nsnapshot = ""\n')

    response = site.ask("/api/v1/apis", headers=HEADERS)

    assert response.status_code == 503
    assert "api.shop" in response.json()["detail"]


def test_checks_that_take_too_long_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, timeout: float, **__: Any) -> None:
        raise api_checks.subprocess.TimeoutExpired("check", timeout)

    monkeypatch.setattr(api_checks.subprocess, "run", run)

    with pytest.raises(CheckError, match="stopped after 120 s"):
        api_checks._run(tmp_path, {})


def test_a_result_is_shared_until_it_has_expired(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    monkeypatch.setattr(api_checks, "_run", lambda *_: [{"run": runs.append(1) or len(runs)}])
    clock = Clock()

    async def main(_: object) -> list[list[dict[str, Any]]]:
        checks = ApiChecks(Path(), clock=clock)
        clock.now = 100
        first, second = await checks.read({}), await checks.read({})
        clock.now += 2 * api_checks.FRESH
        return [first, second, await checks.read({})]

    assert site.run(main) == [[{"run": 1}], [{"run": 1}], [{"run": 2}]]


def test_the_page_reports_the_running_check_and_no_text_becomes_an_element(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = dict.fromkeys(
        ("rule", "method", "path", "subject", "message", "advice", "fingerprint", "file", "pointer"), HOSTILE
    ) | {"level": "breaking", "line": 3}
    check = dict.fromkeys(("name", "base", "revision"), HOSTILE) | {
        "verdict": "breaking",
        "problem": "",
        "hint": "",
        "accepted": 1,
        "left_out": 2,
        "findings": [finding, {**finding, "level": "info", "rule": "other"}],
    }

    assert "The documents are compared" in site.ask("/apis", headers=HEADERS).text
    monkeypatch.setattr(ApiChecks, "last", [check], raising=False)
    monkeypatch.setattr(ApiChecks, "__init__", lambda *_: None)
    text = site.ask("/apis?level=breaking", headers=HEADERS).text

    assert "&lt;img" in text
    assert "<img" not in text
    assert "other" not in text
    assert "2 further findings" in text


def test_the_page_without_apis_has_the_table_of_the_stack_file(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiChecks, "last", [], raising=False)
    monkeypatch.setattr(ApiChecks, "__init__", lambda *_: None)

    assert "[api.NAME]" in site.ask("/apis", headers=HEADERS).text
