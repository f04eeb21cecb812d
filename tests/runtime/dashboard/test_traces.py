"""The traces: the list, the waterfall, and a telemetry service that is missing or does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")
pytest.importorskip("jsonschema", reason="the minimal profile has no JSON Schema")

import jsonschema

from fakes.dashboard import KEY, Site
from fakes.telemetry import Answers
from infra_runtime.dashboard.openapi import document
from infra_runtime.dashboard.traces import SPANS, trace_rows, waterfall

TRACE, ID = "ab" * 16, "12" * 8
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
    assert [(row.offset, row.duration) for row in shown.spans] == [(0, 4), (1, 1), (1.5, 0.5), (2, 1)]
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


def summary(**more: Any) -> dict[str, Any]:
    """Return a trace in the list of the query API."""
    item = {"trace": TRACE, "name": "GET /", "service": "api", "services": ["api"]}
    return {**item, "spans": 1, "logs": 0, "errors": 0, "start": 0, "end": SECOND, **more}


def test_the_newest_trace_is_the_first_of_the_list() -> None:
    items = [summary(start=start * SECOND, end=(start + 1) * SECOND) for start in (1, 3, 2)]

    assert [row.start for row in trace_rows(items)] == [3, 2, 1]


def get(site: Site, path: str, schema: str, status: int = 200) -> Any:
    """Return an answer of the API, which has the shape in the OpenAPI document."""
    response = site.ask(path, headers={"x-dashboard-key": KEY})
    assert response.status_code == status
    shapes = document()["components"]
    jsonschema.validate(response.json(), {"$ref": f"#/components/schemas/{schema}", "components": shapes})
    return response.json()


def test_the_page_of_a_trace_has_its_log_records_and_the_place_of_its_spans(
    site: Site, answers: Answers
) -> None:
    logs = [{"time": 100 * SECOND, "service": "api", "severity": 13, "body": "<script>x</script>"}]
    answers[f"traces/{TRACE}"] = whole(span("root", ID), logs=logs)

    text = site.ask(f"/traces/{TRACE}?run=one", headers={"x-dashboard-key": KEY}).text

    assert f'data-waterfall="/api/v1/traces/{TRACE}" data-place="run=one"' in text
    assert "&lt;script&gt;x" in text
    assert answers.parameters[f"traces/{TRACE}"] == {"run": "one"}


def test_the_rows_of_a_waterfall_are_lists_of_fields(site: Site, answers: Answers) -> None:
    failed = span("charge", "2", "1", 0.25, 0.5, status="error", service="pay")
    answers[f"traces/{TRACE}"] = whole(span("root", "1"), failed, span("charge", "3", "1", service="pay"))

    data = get(site, f"/api/v1/traces/{TRACE}/waterfall", "Waterfall")

    assert (data["names"], data["services"]) == (["root", "charge"], ["api", "pay"])
    assert (data["id"], data["depth"]) == (["1", "2", "3"], [0, 1, 1])
    assert (data["name_of"], data["service_of"]) == ([0, 1, 1], [0, 1, 1])
    assert (data["offset"], data["length"]) == ([0, 0.25, 0], [1, 0.25, 1])
    assert data["error"] == [False, True, False]


def test_a_span_has_its_attributes_events_links_and_log_records(site: Site, answers: Answers) -> None:
    event = {"name": "exception", "time": 100 * SECOND, "attributes": {"exception.type": "Boom"}}
    other = {"trace": "cd" * 16, "span": "ef" * 8, "attributes": {}}
    own = span("charge", ID, attributes={"ok": True}, events=[event], links=[other])
    answers["spans"] = {"items": [own]}
    answers["logs"] = {
        "items": [{"time": 101 * SECOND, "service": "api", "severity": 17, "body": "declined"}]
    }

    data = get(site, f"/api/v1/traces/{TRACE}/spans/{ID}", "Span")

    assert answers.parameters["spans"] == {"trace": TRACE, "id": ID}
    assert answers.parameters["logs"] == {"trace": TRACE, "span": ID}
    assert data["attributes"] == {"ok": "true"}
    assert data["events"][0]["attributes"] == {"exception.type": "Boom"}
    assert data["links"] == [{"trace": "cd" * 16, "span": "ef" * 8}]
    assert [(log["level"], log["text"]) for log in data["logs"]] == [("error", "declined")]


@pytest.mark.parametrize("identifier", ["x", ID.upper(), f"{ID}0", ID])
def test_an_unknown_span_is_not_found(site: Site, answers: Answers, identifier: str) -> None:
    answers["spans"] = answers["logs"] = {"items": []}

    get(site, f"/api/v1/traces/{TRACE}/spans/{identifier}", "Problem", 404)


def test_spans_are_searched_by_name_service_message_and_attribute(site: Site, answers: Answers) -> None:
    answers[f"traces/{TRACE}"] = whole(
        span("Charge", "1"),
        span("b", "2", service="charges"),
        span("c", "3", message="CHARGED"),
        span("d", "4", attributes={"x": {"deep": "a charge"}}),
        span("e", "5"),
    )

    assert get(site, f"/api/v1/traces/{TRACE}/spans?text=charge", "SpanIds")["items"] == ["1", "2", "3", "4"]


def test_a_trace_is_an_item_of_the_api_with_spans_and_other_log_records(site: Site, answers: Answers) -> None:
    logs = [
        {"time": 100 * SECOND, "service": "api", "severity": 9, "body": "inside", "span": ID},
        {"time": 101 * SECOND, "service": "api", "severity": 9, "body": "outside", "span": ""},
    ]
    answers[f"traces/{TRACE}"] = whole(span("root", ID), logs=logs)

    data = get(site, f"/api/v1/traces/{TRACE}", "Trace")

    assert [log["text"] for log in data["spans"][0]["logs"]] == ["inside"]
    assert [log["text"] for log in data["logs"]] == ["outside"]


def test_the_list_is_in_the_api_with_its_parameters(site: Site, answers: Answers) -> None:
    answers["traces"] = {"items": [summary()], "more": False, "dropped": 0}

    data = get(site, "/api/v1/traces?service=api&status=error&limit=5&run=one", "Traces")

    assert [item["name"] for item in data["items"]] == ["GET /"]
    assert answers.parameters["traces"] == {
        "service": "api",
        "status": "error",
        "limit": "5",
        "run": "one",
    }
    get(site, "/api/v1/traces?limit=0", "Problem", 400)


def test_the_traces_of_a_time_range_are_selected(site: Site, answers: Answers) -> None:
    answers["traces"] = {"items": [], "more": False, "dropped": 0}

    get(site, "/api/v1/traces?since=1970-01-01T00:01:00Z&until=1970-01-01T00:02:00.5Z", "Traces")

    assert answers.parameters["traces"] == {"since": "60.000", "until": "120.500", "limit": "100"}
    get(site, "/api/v1/traces?since=yesterday", "Problem", 400)
    assert (
        "No trace matches the filters" in site.ask("/traces?since=5m", headers={"x-dashboard-key": KEY}).text
    )


def test_an_earlier_run_is_selected_on_the_page(site: Site, answers: Answers) -> None:
    answers["traces"] = {"items": [summary()], "more": False, "dropped": 0}
    answers["state"] = {"runs": ["first", "second", "third"]}

    text = site.ask("/traces?run=first", headers={"x-dashboard-key": KEY}).text

    assert '<option value="">this run</option><option>second</option><option selected>first</option>' in text
    assert f'href="/traces/{TRACE}?run=first"' in text


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
    item = summary(name="<b>", services=["api", "db"], spans=3, errors=1)
    answers["traces"] = {"items": [item], "more": True, "dropped": 7}

    text = site.ask("/traces?service=api", headers={"x-dashboard-key": KEY}).text

    assert f'href="/traces/{TRACE}"' in text
    assert "1 error" in text
    assert "7 spans were dropped" in text
    assert "secret" not in text


def test_no_text_of_a_trace_becomes_an_element(site: Site, answers: Answers) -> None:
    """The details of spans are JSON, which the page writes as texts; a test in the browser shows this."""
    hostile = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"
    logs = [{"time": 100 * SECOND, "service": hostile, "severity": 17, "body": {hostile: hostile}}]
    answers[f"traces/{TRACE}"] = whole(span(hostile, "1", service=hostile), logs=logs)

    text = site.ask(f"/traces/{TRACE}", headers={"x-dashboard-key": KEY}).text

    assert "<img" not in text
    assert "{{ 7 * 7 }}" in text
