"""The sessions of pytest: the list, one session, their streams, and links to reports, logs and traces."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site, events
from fakes.telemetry import Answers
from infra_runtime.dashboard import session_view
from infra_runtime.dashboard.openapi import document
from infra_runtime.data_directory.session_record import FORMAT, Writer

HEADERS = {"x-dashboard-key": KEY}
BEGAN = 1_780_000_000.0
TRACE = "ab" * 16


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def data(site: Site) -> Path:
    """The data directory of the tests."""
    folder = site.folder / "data-test"
    folder.mkdir()
    return folder


def line(kind: str, **fields: Any) -> str:
    return json.dumps({"kind": kind, **fields})


def first(data: Path, **more: Any) -> str:
    values = {"format": FORMAT, "time": BEGAN, "pid": 1, "root": "/shop", "data": str(data), "selected": 9}
    return line("session", **{**values, **more})


def ended(test: str, outcome: str = "passed", **more: Any) -> str:
    values = {"test": test, "outcome": outcome, "began": BEGAN, "seconds": 0.5, "counts": {outcome: 1}}
    return line("test", **{**values, **more})


def write(data: Path, *lines: str, began: float = BEGAN) -> Path:
    writer = Writer(data, began)
    writer.write(lines)
    writer.close()
    return writer.path


def capsule(data: Path, name: str, trace: str = TRACE) -> Path:
    """Write a failure report; return its folder."""
    folder = data / "capsules" / name
    folder.mkdir(parents=True)
    described = {
        "test": name,
        "phase": "call",
        "began": BEGAN,
        "seconds": 0.5,
        "failure": "E x",
        "trace": trace,
    }
    (folder / "capsule.json").write_text(json.dumps({**described, "trace": trace}), encoding="utf-8")
    return folder


def get(site: Site, path: str, schema: str) -> dict[str, Any]:
    """Return an answer of the API, which has the shape in the OpenAPI document."""
    response = site.ask(path, headers=HEADERS)
    assert response.status_code == 200
    shape = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    jsonschema.validate(response.json(), shape)
    return response.json()


def page(site: Site, path: str) -> str:
    response = site.ask(path, headers=HEADERS)
    assert response.status_code == 200
    return str(response.text)


# --- the list --------------------------------------------------------------------------------------


def test_sessions_are_listed_the_newest_first_with_state_and_counts(site: Site, data: Path) -> None:
    write(data, first(data), ended("a"), line("end", time=BEGAN + 4, status=0, counts={"passed": 9}))
    write(data, first(data, paths=["/shop/tests"], keyword="slow"), ended("a", "failed"), began=BEGAN + 1)

    items = get(site, "/api/v1/tests/sessions", "TestSessions")["items"]

    assert [(item["state"], item["counts"], item["selection"]) for item in items] == [
        ("killed", {"failed": 1}, "tests -k slow"),
        ("passed", {"passed": 9}, ""),
    ]
    assert items[1]["seconds"] == 4.0
    text = page(site, "/tests")
    assert "tests -k slow" in text
    assert f'href="/tests/sessions/{items[0]["id"]}"' in text


def test_a_text_selects_sessions_as_on_the_page(site: Site, data: Path) -> None:
    write(data, first(data, keyword="slow"), ended("a"))
    write(data, first(data, keyword="fast"), ended("a"), began=BEGAN + 1)

    items = get(site, "/api/v1/tests/sessions?text=SLOW&limit=1", "TestSessions")["items"]

    assert [item["selection"] for item in items] == ["-k slow"]


def test_a_project_without_sessions_has_the_reason(site: Site) -> None:
    assert "No session of pytest with a service was recorded" in page(site, "/tests")


def test_a_thousand_sessions_are_listed(site: Site, data: Path) -> None:
    path = write(data, first(data), ended("a"))
    for number in range(999):
        shutil.copy(path, path.with_name(f"20260101T{number:06d}-00000000.jsonl"))

    assert "50 newest of 1000 sessions" in page(site, "/tests")
    assert len(get(site, "/api/v1/tests/sessions?limit=1000", "TestSessions")["items"]) == 1000


# --- one session -----------------------------------------------------------------------------------


def test_the_tests_of_a_session_have_durations_waits_and_workers(site: Site, data: Path) -> None:
    waits = [["start db", 0.2], ["isolate db", 0.1]]
    path = write(
        data, first(data), ended("test_a.py::test_it", waits=waits, worker="gw1", phases={"call": 0.4})
    )

    (item,) = get(site, f"/api/v1/tests/sessions/{path.stem}", "TestRuns")["items"]
    text = page(site, f"/tests/sessions/{path.stem}")

    assert item["waits"] == [{"name": "start db", "seconds": 0.2}, {"name": "isolate db", "seconds": 0.1}]
    assert (item["worker"], item["phases"]) == ("gw1", {"call": 0.4})
    for shown in ("test_a.py::test_it", "isolate db 100 ms", "gw1", "1 of 9 tests"):
        assert shown in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["c", "b", "a"]),
        ("outcome=failed", ["b"]),
        ("text=NO+STOCK", ["b"]),
        ("text=A", ["a"]),
        ("sort=slowest", ["a", "c", "b"]),
        ("sort=waits", ["b", "c", "a"]),
        ("limit=1", ["c"]),
    ],
)
def test_the_tests_are_filtered_and_sorted(site: Site, data: Path, query: str, expected: list[str]) -> None:
    path = write(
        data,
        first(data),
        ended("a", seconds=3),
        ended("b", "failed", seconds=1, error="no stock", waits=[["x", 1]]),
        ended("c", seconds=2),
    )

    answer = get(site, f"/api/v1/tests/sessions/{path.stem}?{query}", "TestRuns")

    assert [item["test"] for item in answer["items"]] == expected
    if "limit" not in query:
        text = page(site, f"/tests/sessions/{path.stem}?{query}")
        assert len(re.findall("<tr data-item", text)) == len(expected)


@pytest.mark.parametrize("query", ["outcome=lost", "sort=random", "limit=0", "limit=x"])
def test_a_filter_that_is_not_valid_is_refused(site: Site, data: Path, query: str) -> None:
    path = write(data, first(data))

    assert site.ask(f"/api/v1/tests/sessions/{path.stem}?{query}", headers=HEADERS).status_code == 400


def test_a_removed_session_is_not_found(site: Site, data: Path) -> None:
    path = write(data, first(data))
    path.unlink()

    for address in ("/tests/sessions", "/stream/tests/sessions", "/api/v1/tests/sessions"):
        response = site.ask(f"{address}/{path.stem}", headers=HEADERS)
        assert response.status_code == 404
        assert "its record was removed" in response.text


def test_only_some_tests_of_a_long_session_are_shown(
    site: Site, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra_runtime.dashboard.session_pages.TESTS", 2)
    path = write(data, first(data), *(ended(f"test_{number}") for number in range(5)))

    assert "2 of 5 tests" in page(site, f"/tests/sessions/{path.stem}")


def test_the_tests_that_ran_when_a_session_was_killed_are_shown(site: Site, data: Path) -> None:
    path = write(data, first(data), line("start", test="test_hangs", time=BEGAN))

    text = page(site, f"/tests/sessions/{path.stem}")

    assert "Running when the session ended" in text
    assert "test_hangs" in text
    assert "data-stream" not in text


# --- links -----------------------------------------------------------------------------------------


def links(site: Site, path: Path) -> dict[str, str]:
    (item,) = get(site, f"/api/v1/tests/sessions/{path.stem}", "TestRuns")["items"]
    return dict(item["links"])


def test_the_links_lead_to_the_logs_of_exactly_that_time(site: Site, data: Path) -> None:
    path = write(data, first(data), ended("a", trace=TRACE, services=["db"]))
    (data / "logs").mkdir()
    times = [(BEGAN - 1, "before"), (BEGAN + 0.2, "during"), (BEGAN + 9, "after")]
    size, index = 0, ""
    for time, text in times:
        size += len(text) + 1
        index += f"{time} {size}\n"
    for name in ("db", "other"):
        (data / "logs" / f"{name}.log").write_text("before\nduring\nafter\n", encoding="utf-8")
        (data / "logs" / f"{name}.index").write_text(index, encoding="ascii")

    address = links(site, path)["logs"]

    lines = site.ask(address.replace("/logs", "/api/v1/logs"), headers=HEADERS).json()["items"]
    assert [(line["service"], line["text"]) for line in lines] == [("db", "during")]
    text = page(site, address)
    assert str(data) in text
    assert f'name="stack" value="{parse_qs(urlsplit(address).query)["stack"][0]}"' in text


def test_a_session_with_the_stack_of_the_dashboard_has_links_to_this_stack(
    site: Site, answers: Answers
) -> None:
    data = Path(site.paths.data)
    path = write(data, first(data), ended("a", trace=TRACE))
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    answers["traces"] = {"items": [], "more": False, "dropped": 0}

    assert "stack=" not in links(site, path)["logs"]
    assert links(site, path)["trace"].startswith(f"/traces/{TRACE}")
    page(site, "/traces?test=test_a.py%3A%3Atest_it")
    assert answers.parameters["traces"]["text"] == '"test_a.py::test_it"'


def test_the_traces_of_a_stack_that_has_stopped_have_a_message(site: Site, data: Path) -> None:
    path = write(data, first(data), ended("a", trace=TRACE))
    stack = parse_qs(urlsplit(links(site, path)["logs"]).query)["stack"][0]

    assert "is not running; the failure report of a test contains its trace" in page(
        site, f"/traces?stack={stack}"
    )


def test_a_session_whose_data_directory_was_moved_has_no_links(site: Site, data: Path) -> None:
    path = write(data, first(Path("/elsewhere")), ended("a", trace=TRACE))

    assert links(site, path) == {"report": "", "logs": "", "trace": ""}


@pytest.mark.parametrize("address", ["/logs", "/traces", "/api/v1/logs", "/api/v1/streams/logs"])
def test_an_unknown_stack_is_refused(site: Site, address: str) -> None:
    assert site.ask(f"{address}?stack=../etc", headers=HEADERS).status_code == 400


def test_a_failed_test_leads_to_its_report_with_logs_and_traces(site: Site, data: Path) -> None:
    folder = capsule(data, "test_order")
    path = write(data, first(data), ended("a", "failed", trace=TRACE, report=str(folder)))

    text = unescape(page(site, links(site, path)["report"]))

    assert re.search(r'href="/logs\?stack=\w+&since=2026-05-28', text)
    assert re.search(r'href="/traces\?stack=\w+&test=test_order"', text)


def test_a_report_that_was_removed_or_replaced_has_a_message(site: Site, data: Path) -> None:
    folder = capsule(data, "test_order", trace="cd" * 16)
    path = write(data, first(data), ended("a", "failed", trace=TRACE, report=str(folder)))
    address = links(site, path)["report"]

    replaced = site.ask(address, headers=HEADERS)
    shutil.rmtree(folder)
    removed = site.ask(address, headers=HEADERS)

    assert "This failure report was replaced" in replaced.text
    assert "This failure report does not exist: it was removed" in removed.text
    assert "<nav" in removed.text


# --- streams ---------------------------------------------------------------------------------------


def test_a_running_session_is_updated(site: Site, data: Path) -> None:
    writer = Writer(data, BEGAN)
    writer.write([first(data), line("start", test="test_first", time=BEGAN)])

    def more() -> None:
        writer.write([ended("test_first"), line("start", test="test_second", time=BEGAN)])

    before, after = events(site, f"/stream/tests/sessions/{writer.path.stem}", 2, more)
    text = page(site, f"/tests/sessions/{writer.path.stem}")
    writer.close()

    assert "test_first" in before[1]["parts"]["session-head"]
    assert "test_second" in after[1]["parts"]["session-head"]
    assert "test_first" in after[1]["parts"]["session-tests"]
    assert f'data-stream="/stream/tests/sessions/{writer.path.stem}?' in text


def test_the_list_shows_a_session_that_has_begun(site: Site, data: Path) -> None:
    before, after = events(site, "/stream/tests", 2, lambda: write(data, first(data, keyword="new")))

    assert "new" not in before[1]["parts"]["session-list"]
    assert after[1]["parts"].keys() == {"session-list"}
    assert "-k new" in after[1]["parts"]["session-list"]


# --- texts of others -------------------------------------------------------------------------------


def test_no_text_of_a_record_becomes_an_element(site: Site, data: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"
    test = ended(
        hostile,
        hostile,
        error=hostile,
        worker=hostile,
        trace=hostile,
        report=f"/x/{hostile}",
        waits=[[hostile, 1]],
        services=[hostile],
        phases={hostile: 1},
        counts={hostile: 1},
    )
    start = first(data, paths=[hostile], keyword=hostile, markers=hostile, python=hostile, pytest=hostile)
    path = write(data, start, test, line("start", test=hostile, time=BEGAN))

    text = page(site, "/tests") + page(site, f"/tests/sessions/{path.stem}")

    assert "<img" not in text
    assert "{{ 7 * 7 }}" in text


@pytest.mark.parametrize(
    "change", [{"began": 1e30}, {"began": -1e30}, {"seconds": 1e300}, {"report": "a\0b"}]
)
def test_values_that_no_page_can_show_do_no_harm(site: Site, data: Path, change: dict[str, Any]) -> None:
    path = write(data, first(data), ended("a", trace=TRACE, **change))

    assert "a" in page(site, f"/tests/sessions/{path.stem}")


def test_the_states_and_outcomes_have_a_tone() -> None:
    tones = {"good", "bad", "warn", "busy", "off"}

    assert {tone for tone, _ in (*session_view.STATES.values(), *session_view.OUTCOMES.values())} <= tones
