"""The failure reports of tests: the list, one report, and reports that are damaged, hostile or removed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site
from fakes.dashboard_data import SECOND
from fakes.dashboard_data import write_report as write
from infra_runtime.dashboard import reports
from infra_runtime.dashboard.openapi import document

HEADERS = {"x-dashboard-key": KEY}


def trace(**more: Any) -> str:
    """Return `trace.json` as the plugin writes it."""
    span = {
        "service": "api",
        "name": "GET /orders",
        "kind": "server",
        "status": "error",
        "message": "no stock",
        "start": 100 * SECOND,
        "end": 101 * SECOND,
        "attributes": {"http.route": "/orders"},
        "events": [],
        "trace": "ab" * 16,
        "id": "1",
        "parent": "",
        **more,
    }
    log = {"service": "api", "time": 100 * SECOND, "level": "error", "body": "no stock", "attributes": {}}
    return json.dumps({"trace": "ab" * 16, "spans": [span], "logs": [log]})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def tests(site: Site) -> Path:
    """The data directory of the tests."""
    return site.folder / "data-test"


def listed(site: Site) -> dict[str, Any]:
    return site.ask("/api/v1/tests", headers=HEADERS).json()


def page(site: Site, path: str) -> str:
    response = site.ask(path, headers=HEADERS)
    assert response.status_code == 200
    return str(response.text)


def shaped(site: Site, path: str, schema: str) -> Any:
    """Return an answer of the API, which has the shape in the OpenAPI document."""
    response = site.ask(path, headers=HEADERS)
    assert response.status_code == 200
    shapes = document()["components"]
    jsonschema.validate(response.json(), {"$ref": f"#/components/schemas/{schema}", "components": shapes})
    return response.json()


def report_page(site: Site) -> str:
    (item,) = listed(site)["items"]
    return page(site, f"/tests/{item['id']}")


# --- the list --------------------------------------------------------------------------------------


def test_the_reports_of_all_data_directories_are_listed_the_newest_first(site: Site, tests: Path) -> None:
    write(Path(site.paths.data), "test_own", began=3.0)
    write(tests, "test_old", began=1.0)
    write(tests / "plan-0a", "test_warm", began=2.0)

    data = listed(site)

    jsonschema.validate(data, {"$ref": "#/components/schemas/Tests", "components": document()["components"]})
    assert [item["test"] for item in data["items"]] == [
        "test_shop.py::test_own",
        "test_shop.py::test_warm",
        "test_shop.py::test_old",
    ]
    assert (data["total"], data["damaged"]) == (3, 0)


def test_the_page_links_to_each_report_and_shows_its_exception(site: Site, tests: Path) -> None:
    write(tests, "test_order")
    (item,) = listed(site)["items"]

    text = page(site, "/tests")

    assert item["exception"] == "AssertionError: assert 500 == 200"
    assert item["exception"] in text
    assert f'href="/tests/{item["id"]}"' in text


@pytest.mark.parametrize(
    ("failure", "exception"),
    [
        (
            "E   KeyError: 1\n\nDuring handling …\nE   ValueError: 2\nE   more\n\nx.py:1: ValueError",
            "ValueError: 2",
        ),
        ("fixture 'shop' not found\n", "fixture 'shop' not found"),
        ("", ""),
    ],
)
def test_the_exception_is_the_last_one_of_the_failure(
    site: Site, tests: Path, failure: str, exception: str
) -> None:
    write(tests, "test_order", failure=failure)

    assert listed(site)["items"][0]["exception"] == exception


def test_a_project_without_reports_has_the_reason(site: Site, tests: Path) -> None:
    text = page(site, "/tests")

    assert "No test has failed in this project" in text
    assert str(tests) in text


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, '{"test": 1}', '{"test": "x"}'])
def test_a_report_that_cannot_be_read_is_counted(site: Site, tests: Path, content: str) -> None:
    write(tests, "test_order")
    (write(tests, "test_killed") / "capsule.json").write_text(content, encoding="utf-8")

    assert [len(listed(site)["items"]), listed(site)["damaged"]] == [1, 1]
    assert "2 failure reports; 1 cannot be read" in page(site, "/tests")


@pytest.mark.parametrize("began", [1e400, -1.0, 1e12])
def test_a_time_that_no_browser_shows_makes_a_report_unreadable(
    site: Site, tests: Path, began: float
) -> None:
    write(tests, "test_order", began=began)

    assert listed(site)["damaged"] == 1
    assert "No failure report can be read" in page(site, "/tests")


def test_half_a_pair_of_surrogates_is_replaced(site: Site, tests: Path) -> None:
    folder = write(tests, "test_order", test="test_\udcff \U0001f600")
    (folder / "logs" / os.fsdecode(b"a\xff.log")).write_text("line\n", encoding="utf-8")

    assert listed(site)["items"][0]["test"] == "test_? \U0001f600"
    assert "a\ufffd: 1 line" in report_page(site)


def test_only_the_newest_reports_are_read(site: Site, tests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "REPORTS", 2)
    for number in range(3):
        write(tests, f"test_{number}")

    assert [len(listed(site)["items"]), listed(site)["total"], listed(site)["damaged"]] == [2, 3, 0]
    assert "2 newest of 3 failure reports" in page(site, "/tests")


# --- one report ------------------------------------------------------------------------------------


def test_a_report_has_failure_services_logs_trace_and_settings(site: Site, tests: Path) -> None:
    folder = write(tests, "test_order")
    (folder / "logs" / "api.log").write_bytes(b"\x1b[31mERROR\x1b[0m no stock\n  detail\nb\xff\n")
    (folder / "trace.json").write_text(trace(), encoding="utf-8")

    text = report_page(site)

    assert "where 500 = order()" in text
    assert "exited" in text
    assert '<div class="line error"><span class="text">ERROR no stock</span>' in text
    assert '<div class="line error"><span class="text">  detail</span>' in text
    assert "b\ufffd" in text
    assert "data-waterfall=" in text
    assert "dumps/database.sql" in text
    assert "80 (infra.toml:3)" in text
    assert "null (default)" not in text
    assert str(folder) in text


def test_a_long_log_is_shown_from_its_end(site: Site, tests: Path) -> None:
    folder = write(tests, "test_order")
    lines = [f"line {number} {'x' * 100}" for number in range(10_000)]
    path = folder / "logs" / "api.log"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (report,) = reports.listing([tests]).reports

    (part,) = reports.content(report).logs

    assert [text for _, text in part.lines] == lines[-reports.LINES :]
    assert part.left_out == sum(len(line) + 1 for line in lines[: -reports.LINES])


def test_a_report_without_a_stack_has_the_error(site: Site, tests: Path) -> None:
    write(tests, "test_order", stack={"error": "the supervisor has exited"})

    assert "the supervisor has exited" in report_page(site)


@pytest.mark.parametrize(
    "content",
    [
        *("{", "{}", "[]", '{"spans": [1], "logs": []}', "[" * 100_000),
        *(trace(start="x"), trace(attributes="x"), trace(events=[1]), trace(end=10**400)),
        *(trace(name={"a": 1}), trace(name=None), trace(service=["x"]), trace(id=5), trace(parent=5)),
        trace(end=0).replace('"end": 0', '"end": 1e999'),
    ],
)
def test_a_damaged_trace_is_reported(site: Site, tests: Path, content: str) -> None:
    (write(tests, "test_order") / "trace.json").write_text(content, encoding="utf-8")
    address = f"/api/v1/tests/{listed(site)['items'][0]['id']}"

    assert "trace.json cannot be read" in report_page(site)
    answers = [
        site.ask(f"{address}/{part}", headers=HEADERS) for part in ("waterfall", "spans", "otlp", "har")
    ]
    assert 404 in {answer.status_code for answer in answers} <= {200, 404}


def test_the_spans_of_a_report_are_in_the_api(site: Site, tests: Path) -> None:
    (write(tests, "test_order") / "trace.json").write_text(trace(), encoding="utf-8")
    address = f"/api/v1/tests/{listed(site)['items'][0]['id']}"

    rows = shaped(site, f"{address}/waterfall", "Waterfall")
    span = shaped(site, f"{address}/spans/1", "Span")

    assert (rows["names"], rows["error"]) == (["GET /orders"], [True])
    assert span["attributes"] == {"http.route": "/orders"}
    assert shaped(site, f"{address}/spans?text=ORDERS", "SpanIds") == {"items": ["1"]}
    assert shaped(site, f"{address}/spans?text=other", "SpanIds") == {"items": []}
    assert site.ask(f"{address}/spans/2", headers=HEADERS).status_code == 404


@pytest.mark.parametrize("content", ["", "{", trace(name=1), trace(events=[{"time": "x"}])])
def test_spans_that_cannot_be_read_are_not_found(site: Site, tests: Path, content: str) -> None:
    folder = write(tests, "test_order")
    if content:
        (folder / "trace.json").write_text(content, encoding="utf-8")
    address = f"/api/v1/tests/{listed(site)['items'][0]['id']}"

    answers = [site.ask(f"{address}/spans{path}", headers=HEADERS) for path in ("?text=x", "/1")]

    assert 404 in {answer.status_code for answer in answers} <= {200, 404}


def test_a_report_is_an_item_of_the_api(site: Site, tests: Path) -> None:
    folder = write(tests, "test_order")
    (folder / "logs" / "api.log").write_text("ERROR no stock\n", encoding="utf-8")
    (item,) = listed(site)["items"]

    report = shaped(site, f"/api/v1/tests/{item['id']}", "Report")

    assert item.items() <= report.items()
    assert report["logs"] == [
        {"service": "api", "left_out": 0, "lines": [{"level": "error", "text": "ERROR no stock"}]}
    ]
    assert site.ask("/api/v1/tests/unknown", headers=HEADERS).status_code == 404


def test_a_folder_that_is_removed_while_it_is_listed_has_no_reports(
    site: Site, tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tests, "test_order")
    glob = Path.glob

    def removed(folder: Path, pattern: str) -> Iterator[Path]:
        if pattern.startswith("capsules/"):
            shutil.rmtree(tests / "capsules", ignore_errors=True)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder / "capsules"))
        return glob(folder, pattern)

    monkeypatch.setattr(Path, "glob", removed)

    assert listed(site) == {"items": [], "total": 0, "damaged": 0}
    assert site.ask("/api/v1/tests/unknown/har", headers=HEADERS).status_code == 404


def test_a_file_that_cannot_be_read_is_a_problem(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/secret/place")

    monkeypatch.setattr(reports, "listing", fail)

    answer = site.ask("/api/v1/tests", headers=HEADERS)

    assert answer.status_code == 503
    assert answer.json()["detail"] == "a file cannot be read: No such file or directory; try again"


def test_a_removed_report_is_not_found(site: Site, tests: Path) -> None:
    folder = write(tests, "test_order")
    (item,) = listed(site)["items"]
    shutil.rmtree(folder)

    response = site.ask(f"/tests/{item['id']}", headers=HEADERS)

    assert response.status_code == 404
    assert "This failure report does not exist" in response.text


@pytest.mark.parametrize(
    "name", ["test_order", "../test_order", "..%2Ftest_order", "%2Fetc%2Fpasswd", "x%00y", "capsule.json"]
)
def test_a_path_is_not_the_id_of_a_report(site: Site, tests: Path, name: str) -> None:
    write(tests, "test_order")

    assert site.ask(f"/tests/{name}", headers=HEADERS).status_code == 404


def test_symbolic_links_in_a_report_are_not_followed(site: Site, tests: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(trace(name="SECRET"), encoding="utf-8")
    folder = write(tests, "test_order")
    (folder / "logs" / "api.log").symlink_to(secret)
    (folder / "trace.json").symlink_to(secret)
    other = write(tmp_path / "other", "test_linked")
    (tests / "capsules" / "test_linked").symlink_to(other)

    assert "SECRET" not in report_page(site)


def test_no_text_of_a_report_becomes_an_element(site: Site, tests: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"
    folder = write(
        tests,
        "test_order",
        test=hostile,
        phase=hostile,
        failure=f"E {hostile}",
        trace=hostile,
        stack={"services": [{"name": hostile, "phase": hostile, "reason": hostile, "restarts": 0}]},
        dumps={hostile: hostile},
        settings={hostile: hostile},
    )
    (folder / "logs" / "<img>.log").write_text(f"{hostile}\n", encoding="utf-8")
    (folder / "trace.json").write_text(
        trace(name=hostile, service=hostile, attributes={hostile: hostile}), encoding="utf-8"
    )

    text = page(site, "/tests") + report_page(site)

    assert "<img" not in text
    assert "{{ 7 * 7 }}" in text
