"""The HTTP interface of the telemetry service, without a server: OTLP requests, queries, and refusals."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the minimal profile has no protobuf")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

import httpx

from infra_runtime.telemetry import KEY_HEADER
from infra_runtime.telemetry.application import Telemetry
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.reception import Reception
from infra_runtime.telemetry.store import Store, StoreUnavailableError

KEY = "k" * 20
TRACE = "01" * 16
JSON = {"content-type": "application/json"}


@contextlib.asynccontextmanager
async def opened(store: Store, limits: Limits, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    telemetry = Telemetry(store, Reception(store, limits, KEY))
    writing = asyncio.create_task(telemetry.write_forever())
    transport = httpx.ASGITransport(app=telemetry.application())
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:4318", headers=headers
    ) as client:
        yield client
    writing.cancel()


def run(
    folder: Path,
    work: Callable[[httpx.AsyncClient], Awaitable[Any]],
    *,
    limits: Limits | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """Run a coroutine with a client that has the key; return its result."""
    limits = limits or Limits()
    store = Store(folder, limits)

    async def main() -> Any:
        async with opened(store, limits, {KEY_HEADER: KEY} if headers is None else headers) as client:
            return await asyncio.wait_for(work(client), 60)

    try:
        return asyncio.run(main())
    finally:
        store.close()


def trace_request(*names: str, trace: str = TRACE) -> dict[str, Any]:
    spans = [
        {
            "traceId": trace,
            "spanId": f"{number:016x}",
            "parentSpanId": f"{number - 1:016x}" if number > 1 else "",
            "name": name,
            "startTimeUnixNano": str(number * 10**9),
            "endTimeUnixNano": str(number * 10**9 + 10**8),
            "status": {"code": 2} if name == "failing" else {},
        }
        for number, name in enumerate(names, 1)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "api"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def log_request(*bodies: str, severity: int = 9) -> dict[str, Any]:
    records = [
        {"body": {"stringValue": body}, "severityNumber": severity, "traceId": TRACE, "timeUnixNano": "7"}
        for body in bodies
    ]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


async def sent(client: httpx.AsyncClient, signal: str, request: dict[str, Any]) -> httpx.Response:
    return await client.post(f"/v1/{signal}", content=json.dumps(request), headers=JSON)


def test_a_span_is_found_as_soon_as_it_is_written(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> tuple[httpx.Response, dict[str, Any]]:
        query = asyncio.create_task(client.get("/api/v1/spans", params={"name": "charge", "wait": "30"}))
        await sent(client, "traces", trace_request("order"))
        response = await sent(client, "traces", trace_request("", "charge"))
        return response, (await query).json()

    response, answer = run(tmp_path, work)

    assert (response.status_code, response.text) == (200, "{}")
    (span,) = answer["items"]
    assert (span["service"], span["name"], span["trace"]) == ("api", "charge", TRACE)
    assert (answer["more"], answer["dropped"]) == (False, 0)


def test_a_query_without_a_match_ends_after_its_time(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> Any:
        return (await client.get("/api/v1/logs", params={"text": "x", "wait": "0.01"})).json()

    assert run(tmp_path, work)["items"] == []


def test_a_trace_has_its_spans_and_its_log_records(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> tuple[Any, Any, int]:
        await sent(client, "traces", trace_request("root", "failing"))
        await sent(client, "logs", log_request("declined"))
        await client.get("/api/v1/logs", params={"wait": "30"})
        traces = (await client.get("/api/v1/traces", params={"status": "error"})).json()
        whole = (await client.get(f"/api/v1/traces/{TRACE}")).json()
        missing = await client.get(f"/api/v1/traces/{'0' * 32}")
        return traces["items"], whole, missing.status_code

    (summary,), whole, missing = run(tmp_path, work)

    assert (summary["name"], summary["spans"], summary["errors"], summary["logs"]) == ("root", 2, 1, 1)
    assert [span["name"] for span in whole["spans"]] == ["root", "failing"]
    assert [log["body"] for log in whole["logs"]] == ["declined"]
    assert missing == 404


def test_a_span_is_found_by_the_text_of_its_events(tmp_path: Path) -> None:
    request = trace_request("root", "charge")
    raised = {"name": "exception", "attributes": [{"key": "type", "value": {"stringValue": "CardError"}}]}
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["events"] = [raised]

    async def work(client: httpx.AsyncClient) -> Any:
        await sent(client, "traces", request)
        return (await client.get("/api/v1/spans", params={"text": "carderror", "wait": "30"})).json()

    assert [span["name"] for span in run(tmp_path, work)["items"]] == ["charge"]


def test_one_span_and_its_log_records_are_selected_by_id(tmp_path: Path) -> None:
    request = log_request("inside", "outside")
    request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["spanId"] = f"{2:016x}"

    async def work(client: httpx.AsyncClient) -> tuple[Any, Any]:
        await sent(client, "traces", trace_request("root", "charge"))
        await sent(client, "logs", request)
        await client.get("/api/v1/logs", params={"wait": "30"})
        spans = await client.get("/api/v1/spans", params={"trace": TRACE, "id": f"{2:016x}"})
        logs = await client.get("/api/v1/logs", params={"trace": TRACE, "span": f"{2:016x}"})
        return spans.json()["items"], logs.json()["items"]

    spans, logs = run(tmp_path, work)

    assert [span["name"] for span in spans] == ["charge"]
    assert [log["body"] for log in logs] == ["inside"]


@pytest.mark.parametrize(
    ("parameters", "bodies"),
    [
        ({}, ["100%", "100x"]),
        ({"text": "100%"}, ["100%"]),
        ({"level": "error"}, []),
        ({"level": "info", "limit": "1"}, ["100x"]),
        ({"after": "1"}, ["100x"]),
        ({"since": "1"}, []),
        ({"service": "other"}, []),
    ],
)
def test_the_parameters_select_log_records(
    tmp_path: Path, parameters: dict[str, str], bodies: list[str]
) -> None:
    async def work(client: httpx.AsyncClient) -> Any:
        await sent(client, "logs", log_request("100%", "100x"))
        await client.get("/api/v1/logs", params={"wait": "30"})
        return (await client.get("/api/v1/logs", params=parameters)).json()

    assert [item["body"] for item in run(tmp_path, work)["items"]] == bodies


def test_metrics_are_listed_with_their_services(tmp_path: Path) -> None:
    points = [{"asInt": "1", "timeUnixNano": "5"}, {"asInt": "4", "timeUnixNano": "6"}]
    metrics = [{"name": "orders", "unit": "1", "sum": {"dataPoints": points}}]

    async def work(client: httpx.AsyncClient) -> tuple[Any, Any, Any]:
        await sent(client, "metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
        points = (await client.get("/api/v1/points", params={"name": "orders", "wait": "30"})).json()
        listed = (await client.get("/api/v1/metrics")).json()
        return points["items"], listed["items"], (await client.get("/api/v1/state")).json()

    stored, listed, state = run(tmp_path, work)

    assert [point["value"] for point in stored] == [1, 4]
    assert listed == [
        {"name": "orders", "type": "sum", "unit": "1", "services": ["unknown_service"], "points": 2}
    ]
    assert state["records"] == {"spans": 0, "logs": 0, "points": 2}


def test_a_step_leaves_the_last_total_of_each_period_and_every_change(tmp_path: Path) -> None:
    seconds = (2, 3, 4, 5)
    points = [{"asInt": str(second), "timeUnixNano": str(second * 10**9)} for second in seconds]
    metrics = [
        {"name": "total", "sum": {"dataPoints": points, "isMonotonic": True}},
        {"name": "change", "sum": {"dataPoints": points, "aggregationTemporality": 1}},
    ]

    async def work(client: httpx.AsyncClient) -> tuple[Any, int]:
        await sent(client, "metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
        await client.get("/api/v1/points", params={"name": "change", "wait": "30"})
        points = (await client.get("/api/v1/points", params={"step": "2"})).json()
        refused = await client.get("/api/v1/points", params={"step": "0"})
        return points["items"], refused.status_code

    stored, status = run(tmp_path, work)

    values = {
        name: [point["value"] for point in stored if point["name"] == name] for name in ("total", "change")
    }
    assert values == {"total": [3, 5], "change": [2, 3, 4, 5]}
    assert {point.get("monotonic") for point in stored if point["name"] == "total"} == {True}
    assert status == 400


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/v1/spans?colour=red", "unknown parameters: colour"),
        (f"/api/v1/logs?text={'a' * 1_001}", "which is not valid"),
        (f"/api/v1/logs?limit={'9' * 5_000}", "must be a number from 1 to 10000"),
        (f"/api/v1/logs?after={'9' * 5_000}", "which is not valid"),
        ("/api/v1/spans?limit=0", "limit must be a number from 1 to 10000"),
        ("/api/v1/spans?trace=xyz", "trace has the value 'xyz'"),
        ("/api/v1/spans?since=soon", "since has the value 'soon'"),
        ("/api/v1/logs?level=loud", "level has the value 'loud'"),
        ("/api/v1/logs?wait=-1", "wait must be a number from 0 to 60"),
        ("/api/v1/logs?run=../x", "the run '../x' does not exist"),
        ("/api/v1/logs?since=1e20", "since has the value '1e20'"),
        ("/api/v1/spans?after=9999999999999999999", "after has the value '9999999999999999999'"),
        ("/api/v1/alerts?after=9999999999999999999", "after has the value '9999999999999999999'"),
    ],
)
def test_an_invalid_parameter_is_named(tmp_path: Path, path: str, text: str) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get(path)

    response = run(tmp_path, work)

    assert response.status_code == 400
    assert text in response.json()["error"]


@pytest.mark.parametrize("headers", [{}, {KEY_HEADER: "wrong"}])
@pytest.mark.parametrize("path", ["/v1/traces", "/api/v1/spans", "/api/v1/state", f"/api/v1/traces/{TRACE}"])
def test_a_request_without_the_key_is_refused(tmp_path: Path, path: str, headers: dict[str, str]) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await (client.get(path) if path.startswith("/api") else sent(client, "traces", {}))

    assert run(tmp_path, work, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.test:4318", "127.0.0.1.evil.test:4318", "127.0.0.1", "localhost:x", ""]
)
@pytest.mark.parametrize("path", ["/health", "/api/v1/spans"])
def test_a_request_under_a_foreign_host_name_is_refused(tmp_path: Path, path: str, host: str) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get(path, headers={"host": host})

    assert run(tmp_path, work).status_code == 403


def test_a_web_page_cannot_send_records_as_plain_text(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/traces", content="{}", headers={"content-type": "text/plain"})

    assert run(tmp_path, work).status_code == 415


@pytest.mark.parametrize(
    ("content", "encoding", "status", "text"),
    [
        (gzip.compress(b"\0" * 2**22), "gzip", 413, "larger than 1000000 bytes"),
        (b"x" * 1_000_001, "identity", 413, "larger than 1000000 bytes"),
        (gzip.compress(b"{}")[:-3], "gzip", 400, "is incomplete"),
        (gzip.compress(b"{}") + b"{}", "gzip", 400, "not gzip"),
        (gzip.compress(b"{}") + gzip.compress(b"")[:-3], "gzip", 400, "is incomplete"),
        (gzip.compress(b"") * 60_000, "gzip", 413, "larger than 1000000 bytes"),
        (b"{}", "gzip", 400, "not gzip"),
        (b"{}", "br", 415, "the content encoding br is not supported"),
        (b"{", "identity", 400, "not JSON"),
    ],
    ids=["bomb", "huge", "cut", "longer", "second cut", "no content", "plain", "brotli", "malformed"],
)
def test_a_malformed_or_huge_body_is_refused(
    tmp_path: Path, content: bytes, encoding: str, status: int, text: str
) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/logs", content=content, headers={**JSON, "content-encoding": encoding})

    response = run(tmp_path, work, limits=Limits(request_bytes=1_000_000))

    assert response.status_code == status
    assert text in response.json()["message"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_several_gzip_streams_are_one_body(tmp_path: Path, encoding: str) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        content = gzip.compress(b"{") + gzip.compress(b"") + gzip.compress(b"}")
        return await client.post("/v1/logs", content=content, headers={**JSON, "content-encoding": encoding})

    assert run(tmp_path, work).status_code == 200


@pytest.mark.parametrize("value", ["x" * 1_000_000, ["x" * 1_000_000], {"x" * 1_000_000: "\ud800"}])
def test_the_answer_to_a_refused_request_does_not_contain_the_request(tmp_path: Path, value: object) -> None:
    metric = {"sum": {"isMonotonic": value}}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}

    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/metrics", content=json.dumps(body), headers=JSON)

    response = run(tmp_path, work)

    assert response.status_code == 400
    assert "isMonotonic" in response.json()["message"]
    assert len(response.content) < 5_000


def test_requests_that_are_large_together_are_refused_until_one_of_them_is_complete(tmp_path: Path) -> None:
    limits = Limits(receiving_bytes=1000)

    async def work(client: httpx.AsyncClient) -> tuple[int, int, int]:
        arrived, proceed = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b" " * 800
            arrived.set()
            await proceed.wait()
            yield b"{}"

        first = asyncio.create_task(client.post("/v1/logs", content=slow(), headers=JSON))
        await arrived.wait()
        refused = await client.post("/v1/logs", content=b" " * 300 + b"{}", headers=JSON)
        small = await client.post("/v1/logs", content=b"{}", headers=JSON)
        proceed.set()
        return refused.status_code, small.status_code, (await first).status_code

    assert run(tmp_path, work, limits=limits) == (503, 200, 200)


def test_a_request_is_answered_when_its_records_are_stored(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> Any:
        answers = [await sent(client, "logs", log_request(*["text"] * 1200)) for _ in range(2)]
        stored = (await client.get("/api/v1/state")).json()["records"]["logs"]
        return [answer.status_code for answer in answers], stored

    assert run(tmp_path, work) == ([200, 200], 2400)


def test_a_request_whose_records_cannot_be_stored_is_repeated_by_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def work(client: httpx.AsyncClient) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_insert", full)
            refused = await sent(client, "logs", log_request("text"))
        while (await client.get("/health")).status_code != 200:  # noqa: ASYNC110 - polls the API
            await asyncio.sleep(0.01)
        repeated = await sent(client, "logs", log_request("text"))
        stored = (await client.get("/api/v1/state")).json()["records"]["logs"]
        return refused.status_code, refused.headers["retry-after"], repeated.status_code, stored

    assert run(tmp_path, work) == (503, "1", 200, 1)


def test_a_flood_of_spans_is_bounded_by_the_queue_and_the_store(tmp_path: Path) -> None:
    limits = Limits(spans=300, queue_bytes=100_000)

    async def work(client: httpx.AsyncClient) -> tuple[set[int], Any]:
        requests = [trace_request(*["flood"] * 100, trace=f"{number:032x}") for number in range(1, 61)]
        answers = await asyncio.gather(*(sent(client, "traces", request) for request in requests))
        return {answer.status_code for answer in answers}, (await client.get("/api/v1/state")).json()

    statuses, state = run(tmp_path, work, limits=limits)

    assert statuses == {200, 503}
    assert 0 < state["records"]["spans"] <= 300
    assert state["dropped"]["spans"] > 0


def test_a_flood_of_spans_of_one_trace_is_rejected_above_its_limit(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> tuple[list[Any], Any, Any]:
        answers = []
        for number in range(11):
            request = trace_request(*["flood"] * 20)
            for span in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:
                span["spanId"] = f"{number + 1:08x}{span['spanId'][8:]}"
            answers.append((await sent(client, "traces", request)).json())
        state = (await client.get("/api/v1/state")).json()
        return answers, state, (await client.get(f"/api/v1/traces/{TRACE}")).json()

    (*accepted, refused), state, whole = run(tmp_path, work, limits=Limits(trace_spans=200))

    assert accepted == [{}] * 10
    assert refused["partialSuccess"] == {
        "rejectedSpans": "20",
        "errorMessage": f"the trace {TRACE} has 200 spans, which is the limit",
    }
    assert (state["records"]["spans"], state["rejected"]["spans"]) == (200, 20)
    assert (len(whole["spans"]), whole["full"]) == (200, True)


def test_a_flood_of_metric_streams_is_rejected_above_their_limit(tmp_path: Path) -> None:
    points = [
        {
            "asInt": "1",
            "timeUnixNano": "7",
            "attributes": [{"key": "user", "value": {"intValue": str(number)}}],
        }
        for number in range(250)
    ]
    metric = {"name": "logins", "sum": {"dataPoints": points, "aggregationTemporality": 2}}
    request = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}

    async def work(client: httpx.AsyncClient) -> tuple[list[Any], Any]:
        answers = [(await sent(client, "metrics", request)).json()["partialSuccess"] for _ in range(2)]
        return answers, (await client.get("/api/v1/state")).json()

    answers, state = run(tmp_path, work, limits=Limits(streams=200))

    assert [answer["rejectedDataPoints"] for answer in answers] == ["50", "50"]
    assert "200 sets of attributes of all metrics, which is the limit" in answers[0]["errorMessage"]
    assert (state["records"]["points"], state["rejected"]["points"]) == (400, 100)


def test_spans_of_clients_whose_clocks_are_wrong_are_stored(tmp_path: Path) -> None:
    request = trace_request("early", "backwards", "late", "over")
    early, backwards, late, over = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
    early |= {"startTimeUnixNano": "0", "endTimeUnixNano": "0"}
    backwards |= {"startTimeUnixNano": "7000", "endTimeUnixNano": "3000"}
    late |= {"startTimeUnixNano": str(2**62), "endTimeUnixNano": str(2**62)}
    over |= {"startTimeUnixNano": str(2**64 - 1), "endTimeUnixNano": str(2**64 - 1)}

    async def work(client: httpx.AsyncClient) -> tuple[Any, Any]:
        await sent(client, "traces", request)
        await client.get("/api/v1/spans", params={"name": "over", "wait": "30"})
        whole = (await client.get(f"/api/v1/traces/{TRACE}")).json()
        return whole, (await client.get("/api/v1/traces")).json()["items"]

    whole, (summary,) = run(tmp_path, work)

    assert [span["name"] for span in whole["spans"]] == ["early", "backwards", "late", "over"]
    assert all(span["start"] <= span["end"] < 2**63 for span in whole["spans"])
    assert summary["spans"] == 4


def test_a_compressed_request_is_accepted_with_parameters_of_the_media_type(tmp_path: Path) -> None:
    body = gzip.compress(json.dumps(log_request("zipped")).encode())
    headers = {"content-type": "Application/JSON; charset=utf-8", "content-encoding": "gzip"}

    async def work(client: httpx.AsyncClient) -> Any:
        await client.post("/v1/logs", content=body, headers=headers)
        return (await client.get("/api/v1/logs", params={"wait": "30"})).json()

    assert [item["body"] for item in run(tmp_path, work)["items"]] == ["zipped"]


def test_an_empty_protobuf_request_has_an_empty_response(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/metrics", headers={"content-type": "application/x-protobuf"})

    response = run(tmp_path, work)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/x-protobuf"


def test_rejected_records_are_reported(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await sent(client, "traces", trace_request("a", trace="00" * 16))

    assert run(tmp_path, work).json()["partialSuccess"]["rejectedSpans"] == "1"


def test_the_answer_of_a_full_store_requests_another_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailableError("disk is full")

    async def work(client: httpx.AsyncClient) -> httpx.Response:
        monkeypatch.setattr(Store, "add", full)
        return await sent(client, "logs", log_request("x"))

    response = run(tmp_path, work)

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json() == {"message": "disk is full"}


def test_the_health_has_the_problem_of_the_store(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get("/health")

    assert run(tmp_path, work).json() == {"status": "ok", "problem": ""}


# --- alerts and errors -----------------------------------------------------------------------------


def webhook_request(*alerts: tuple[str, str, str]) -> dict[str, Any]:
    """Return a request of Alertmanager with alerts: fingerprint, status and severity of each."""
    return {
        "version": "4",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": "Down", "service": "api", "severity": severity},
                "annotations": {"summary": "api is down"},
                "startsAt": "2026-01-01T00:00:00.5Z",
                "endsAt": "2026-01-01T00:01:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
                "fingerprint": fingerprint,
            }
            for fingerprint, status, severity in alerts
        ],
    }


def test_an_alert_is_stored_once_and_its_changes_are_found_after_the_last_answer(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> tuple[int, Any, Any]:
        client.headers["authorization"] = f"Bearer {client.headers.pop(KEY_HEADER)}"
        waiting = asyncio.create_task(client.get("/api/v1/alerts", params={"wait": "30"}))
        firing = webhook_request(("a", "firing", "critical"), ("b", "firing", "warning"))
        response = await client.post("/api/v1/alerts", json=firing)
        first = (await waiting).json()
        await client.post("/api/v1/alerts", json=webhook_request(("a", "resolved", "critical")))
        changed = await client.get("/api/v1/alerts", params={"after": first["last"]})
        return response.status_code, first, changed.json()

    status, first, changed = run(tmp_path, work)

    assert status == 204
    assert [(item["fingerprint"], item["status"]) for item in first["items"]] == [
        ("a", "firing"),
        ("b", "firing"),
    ]
    (alert,) = changed["items"]
    start = 1767225600 * 10**9
    assert (alert["status"], alert["start"], alert["end"]) == (
        "resolved",
        start + 5 * 10**8,
        start + 60 * 10**9,
    )
    assert (alert["name"], alert["service"], alert["severity"]) == ("Down", "api", "critical")
    assert alert["annotations"] == {"summary": "api is down"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"alerts": 7}',
        b'{"alerts": [{}]}',
        json.dumps(webhook_request(("a", "lost", ""))).encode(),
        b'{"alerts":' + b"[" * 100_000,
        json.dumps(webhook_request(("a", "firing", ""))).replace("2026-01-01T00:00:00.5Z", "now").encode(),
    ],
)
def test_a_body_that_is_not_a_request_of_alertmanager_is_refused(tmp_path: Path, body: bytes) -> None:
    async def work(client: httpx.AsyncClient) -> tuple[int, Any]:
        response = await client.post("/api/v1/alerts", content=body, headers=JSON)
        return response.status_code, (await client.get("/api/v1/alerts")).json()["items"]

    assert run(tmp_path, work) == (400, [])


def test_a_time_and_a_text_that_sqlite_cannot_store_are_changed(tmp_path: Path) -> None:
    message = webhook_request(("\ud800", "resolved", "\ud800"))
    message["alerts"][0] |= {"startsAt": "9999-12-31T00:00:00Z", "endsAt": "9999-12-31T00:00:00Z"}

    async def work(client: httpx.AsyncClient) -> tuple[int, Any]:
        response = await client.post("/api/v1/alerts", content=json.dumps(message), headers=JSON)
        return response.status_code, (await client.get("/api/v1/alerts")).json()["items"]

    status, (alert,) = run(tmp_path, work)

    assert (status, alert["fingerprint"], alert["severity"]) == (204, "?", "?")
    assert alert["start"] == alert["end"] == 2**63 - 1


def test_alerts_need_the_key_and_have_a_limit(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> list[int]:
        large = await client.post("/api/v1/alerts", content=b" " * (4 * 2**20 + 1), headers=JSON)
        wrong = await client.post(
            "/api/v1/alerts", json=webhook_request(), headers={KEY_HEADER: "", "authorization": "Bearer x"}
        )
        return [large.status_code, wrong.status_code]

    assert run(tmp_path, work) == [413, 401]


def test_errors_of_log_records_are_groups_with_their_number(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> tuple[Any, Any]:
        await sent(client, "logs", log_request("order 1 failed", "order 2 failed", severity=17))
        await sent(client, "logs", log_request("fine", severity=9))
        groups = await client.get("/api/v1/errors", params={"wait": "30"})
        other = await client.get("/api/v1/errors", params={"service": "web"})
        return groups.json()["items"], other.json()["items"]

    (group,), other = run(tmp_path, work)

    assert (group["count"], group["message"], group["trace"]) == (2, "order 2 failed", TRACE)
    assert other == []
