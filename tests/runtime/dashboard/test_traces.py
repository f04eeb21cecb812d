"""The traces: the list, the waterfall, and a telemetry service that is missing or does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from fakes.dashboard import KEY, Site
from fakes.telemetry import Answers
from infra_runtime.dashboard.traces import SPANS, trace_rows, waterfall

TRACE = "ab" * 16
SECOND = 10**9


def span(
    name: str, identifier: str, parent: str = "", start: float = 0, end: float = 1, **more: Any
) -> dict[str, Any]:
    return {
        "trace": TRACE,
        "id": identifier,
        "parent": parent,
        "name": name,
        "service": "api",
        "kind": "server",
        "start": int((100 + start) * SECOND),
        "end": int((100 + end) * SECOND),
        "status": "ok",
        "message": "",
        "attributes": {},
        "events": [],
        **more,
    }


def whole(*spans: dict[str, Any], logs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"trace": TRACE, "spans": [*spans], "logs": logs or []}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.supervisor.exported = {"collector": {"query_url": "http://127.0.0.1:9", "key": "secret"}}
    return site


def test_a_span_follows_its_parent_and_begins_where_it_started() -> None:
    shown = waterfall(
        whole(
            span("root", "1", end=4),
            span("first", "2", "1", 1, 2),
            span("second", "3", "1", 2, 3),
            span("inner", "4", "2", 1.5, 2),
        )
    )

    assert [(row.name, row.depth) for row in shown.spans] == [
        ("root", 0),
        ("first", 1),
        ("inner", 2),
        ("second", 1),
    ]
    assert [(row.left, row.width) for row in shown.spans] == [(0, 100), (25, 25), (37.5, 12.5), (50, 25)]
    assert (shown.name, shown.duration) == ("root", 4)


def test_spans_without_their_parent_and_cycles_are_shown() -> None:
    shown = waterfall(
        whole(span("lost", "1", "9"), span("own", "2", "2"), span("a", "3", "4"), span("b", "4", "3"))
    )

    assert {row.name for row in shown.spans} == {"lost", "own", "a", "b"}


def test_a_trace_of_many_spans_is_cut_and_the_rest_is_counted() -> None:
    shown = waterfall(whole(*(span("s", str(number), str(number - 1)) for number in range(1, SPANS + 51))))

    assert (len(shown.spans), shown.left_out) == (SPANS, 50)


def test_a_trace_that_has_only_log_records_is_shown() -> None:
    logs = [{"time": 100 * SECOND, "service": "api", "severity": 17, "body": {"a": 1}}]

    shown = waterfall(whole(logs=logs))

    assert (shown.spans, shown.logs) == ((), ((0.0, "api", "error", '{"a": 1}'),))


def test_the_newest_trace_is_the_first_of_the_list() -> None:
    item = {
        "trace": TRACE,
        "name": "GET /",
        "service": "api",
        "services": ["api"],
        "spans": 1,
        "logs": 0,
        "errors": 0,
    }
    items = [{**item, "start": start * SECOND, "end": (start + 1) * SECOND} for start in (1, 3, 2)]

    assert [row.start for row in trace_rows(items)] == [3, 2, 1]


def test_the_page_of_a_trace_has_its_spans_with_attributes_and_logs(site: Site, answers: Answers) -> None:
    event = {"name": "exception", "time": 100 * SECOND, "attributes": {"exception.type": "<b>Boom</b>"}}
    failing = span("charge", "2", "1", status="error", message="card <i>declined</i>", events=[event])
    logs = [{"time": 100 * SECOND, "service": "api", "severity": 13, "body": "<script>x</script>"}]
    answers[f"traces/{TRACE}"] = whole(
        span("root", "1", attributes={"http.route": "/orders"}), failing, logs=logs
    )

    text = site.ask(f"/traces/{TRACE}", headers={"x-dashboard-key": KEY}).text

    assert "/orders" in text
    assert "card &lt;i&gt;declined" in text
    assert "&lt;b&gt;Boom" in text
    assert "&lt;script&gt;x" in text


@pytest.mark.parametrize("trace", ["x", "AB" * 16, "ab" * 15, f"{TRACE}/../state", TRACE])
@pytest.mark.usefixtures("answers")
def test_an_unknown_trace_is_not_found(site: Site, trace: str) -> None:
    assert site.ask(f"/traces/{trace}", headers={"x-dashboard-key": KEY}).status_code == 404


def test_a_stack_without_telemetry_has_a_page_that_names_the_command(site: Site) -> None:
    site.supervisor.exported = {}

    response = site.ask("/traces", headers={"x-dashboard-key": KEY})

    assert response.status_code == 200
    assert "the stack has no telemetry service" in response.text
    assert "pytest-infra[telemetry]" in response.text


def test_a_telemetry_service_that_does_not_answer_is_reported(site: Site) -> None:
    response = site.ask("/traces", headers={"x-dashboard-key": KEY})

    assert response.status_code == 200
    assert "the telemetry service does not answer" in response.text


def test_the_list_links_to_each_trace_and_no_key_is_on_the_page(site: Site, answers: Answers) -> None:
    item = {
        "trace": TRACE,
        "name": "<b>",
        "service": "api",
        "services": ["api", "db"],
        "spans": 3,
        "logs": 0,
        "errors": 1,
    }
    answers["traces"] = {"items": [{**item, "start": 0, "end": SECOND}], "more": True, "dropped": 7}

    text = site.ask("/traces?service=api", headers={"x-dashboard-key": KEY}).text

    assert f'href="/traces/{TRACE}"' in text
    assert "1 error" in text
    assert "7 spans were dropped" in text
    assert "secret" not in text


def test_no_text_of_a_span_becomes_an_element(site: Site, answers: Answers) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"
    events = [{"name": hostile, "time": 100 * SECOND, "attributes": {hostile: hostile}}]
    answers[f"traces/{TRACE}"] = whole(
        span(
            hostile,
            "1",
            service=hostile,
            kind=hostile,
            status="error",
            message=hostile,
            events=events,
            attributes={hostile: [hostile, {hostile: hostile}]},
        ),
        logs=[{"time": 100 * SECOND, "service": hostile, "severity": 17, "body": {hostile: hostile}}],
    )

    text = site.ask(f"/traces/{TRACE}", headers={"x-dashboard-key": KEY}).text

    assert "<img" not in text
    assert "{{ 7 * 7 }}" in text
