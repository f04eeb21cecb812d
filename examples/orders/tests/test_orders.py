"""Tests of the shop over HTTP and gRPC, with checks of the database, the stream and the cache."""

from __future__ import annotations

import json
import tomllib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import nats
import psycopg
import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue
from valkey.asyncio import Valkey

import infra_runtime as infra
from infra_runtime import web
from infra_runtime.web import audit
from pytest_infra import Logs

ORDER = {"customer": "Ada", "item": "tea", "quantity": 3}
STACK_FILE = Path(__file__).parent.parent / "infra.toml"
VARIABLES = tomllib.loads(STACK_FILE.read_text(encoding="utf-8"))["services"]["api"]["env"]


def tokens_of(*roles: str, kind: web.ActorKind = web.ActorKind.USER) -> web.TokenPair:
    """Return the tokens of a new log-in of an actor with these roles."""
    tokens = web.Tokens(web.Keys.from_secret(VARIABLES["WEB_JWT_SECRET"]), issuer="app", audience="app")
    return tokens.issue(web.Actor(id="ada", kind=kind, roles=frozenset(roles)))


def bearer(*roles: str, kind: web.ActorKind = web.ActorKind.USER) -> dict[str, str]:
    """Return the header with the token of an actor who has these roles."""
    return {"Authorization": f"Bearer {tokens_of(*roles, kind=kind).access}"}


def audit_entry(log: Path, request_id: str) -> dict[str, Any]:
    """Verify the audit log, and return the entry of a request."""
    audit.verify(log, key=VARIABLES["WEB_AUDIT_KEY"])
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    (entry,) = [entry for entry in entries if entry["request"] == request_id]
    return dict(entry)


@pytest.fixture
async def http(infra_stack: infra.Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=infra_stack.caddy.url, headers=bearer("clerk")) as client:
        yield client


async def test_an_order_is_stored_as_a_row(http: httpx.AsyncClient, infra_stack: infra.Stack) -> None:
    placed = (await http.post("/orders", json=ORDER)).raise_for_status().json()

    async with await psycopg.AsyncConnection.connect(infra_stack.postgres.url) as connection:
        cursor = await connection.execute(
            "select customer, item, quantity from orders where id = %s", [placed["id"]]
        )
        assert await cursor.fetchone() == ("Ada", "tea", 3)


async def test_an_order_is_published(http: httpx.AsyncClient, infra_stack: infra.Stack) -> None:
    broker = await nats.connect(infra_stack.nats.url)
    events = await broker.jetstream().subscribe("orders.placed", ordered_consumer=True)

    placed = (await http.post("/orders", json=ORDER)).raise_for_status().json()

    event: dict[str, object] = {}
    while event.get("id") != placed["id"]:
        event = json.loads((await events.next_msg(timeout=5)).data)
    assert event == placed
    await broker.close()


async def test_an_order_is_read_from_the_cache_or_from_the_database(
    http: httpx.AsyncClient, infra_stack: infra.Stack
) -> None:
    response = await http.post("/orders", json=ORDER)
    location = response.headers["Location"]

    cached = await http.get(location)
    async with Valkey.from_url(infra_stack.valkey.url) as cache:
        await cache.delete(f"order:{response.json()['id']}")
    uncached = await http.get(location)

    assert (cached.headers["X-Cache"], uncached.headers["X-Cache"]) == ("hit", "miss")
    assert cached.json() == uncached.json() == response.json()


async def test_the_session_contains_the_last_order(http: httpx.AsyncClient) -> None:
    assert (await http.get("/orders/last")).status_code == 404

    placed = await http.post("/orders", json=ORDER)

    assert (await http.get("/orders/last")).json() == placed.json()


async def test_an_order_is_counted_and_is_in_the_audit_log(
    http: httpx.AsyncClient, infra_stack: infra.Stack
) -> None:
    placed = await http.post("/orders", json=ORDER)

    metrics = (await http.get("/metrics")).text
    assert "shop_orders_placed_total" in metrics
    assert 'database_query_duration_seconds_count{outcome="done",query="insert_order"}' in metrics
    entry = audit_entry(infra_stack.api.data / "audit.jsonl", placed.headers["X-Request-ID"])
    assert (entry["actor"], entry["details"]) == ("ada", {"order": placed.json()["id"]})


async def test_an_order_is_confirmed_by_a_job_with_the_id_of_the_request(
    http: httpx.AsyncClient, infra_stack: infra.Stack, infra_logs: Logs
) -> None:
    placed = await http.post("/orders", json=ORDER, headers={"X-Correlation-ID": "order-of-ada"})

    line = infra_logs.wait_for("api", f"order_confirmed.*{placed.json()['id']}", timeout=60)
    async with await psycopg.AsyncConnection.connect(infra_stack.postgres.url) as connection:
        cursor = await connection.execute(
            "select confirmed_at > placed_at from orders where id = %s", [placed.json()["id"]]
        )
        assert await cursor.fetchone() == (True,)
    assert (line.correlation_id, line.fields["logger"]) == ("order-of-ada", "orders.jobs")
    metrics = (await http.get("/metrics")).text
    assert 'jobs_total{job="confirm_order",outcome="done"}' in metrics
    assert 'job_duration_seconds_count{job="confirm_order"}' in metrics


async def test_an_event_that_is_not_an_order_is_a_failed_job(
    http: httpx.AsyncClient, infra_stack: infra.Stack, infra_logs: Logs
) -> None:
    broker = await nats.connect(infra_stack.nats.url)
    event, headers = b'{"id": "no order"}', {"X-Correlation-ID": "broken"}
    await broker.jetstream().publish("orders.placed", event, headers=headers)
    await broker.close()

    line = infra_logs.wait_for("api", "event_invalid", timeout=60)

    assert (line.level, line.correlation_id) == ("error", "broken")
    assert 'jobs_total{job="confirm_order",outcome="failed"}' in (await http.get("/metrics")).text


async def find(stack: infra.Stack, order: str, headers: dict[str, str]) -> Struct:
    """Request an order over gRPC."""
    metadata = [(name.lower(), value) for name, value in headers.items()]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.api.ports['grpc']}") as channel:
        call = channel.unary_unary(
            "/shop.Orders/Find",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Struct.FromString,
        )
        answer: Struct = await call(StringValue(value=order), metadata=metadata, timeout=60)
        return answer


async def test_a_service_requests_an_order_over_grpc(
    http: httpx.AsyncClient, infra_stack: infra.Stack
) -> None:
    placed = (await http.post("/orders", json=ORDER)).json()

    answer = await find(infra_stack, placed["id"], bearer("reader", kind=web.ActorKind.SERVICE))

    assert dict(answer) == placed
    labels = 'grpc_method="Find",grpc_service="shop.Orders",grpc_type="unary"'
    metrics = (await http.get("/metrics")).text
    assert f'grpc_server_handled_total{{grpc_code="OK",{labels}}}' in metrics
    assert f"grpc_server_handling_seconds_count{{{labels}}}" in metrics


@pytest.mark.parametrize(
    ("headers", "order", "code"),
    [
        ({}, uuid.uuid4(), grpc.StatusCode.UNAUTHENTICATED),
        ({"Authorization": "Bearer forged"}, uuid.uuid4(), grpc.StatusCode.UNAUTHENTICATED),
        (bearer("gardener"), uuid.uuid4(), grpc.StatusCode.PERMISSION_DENIED),
        (bearer("reader"), uuid.uuid4(), grpc.StatusCode.NOT_FOUND),
        (bearer("reader"), "no id", grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_a_call_over_grpc_is_refused(
    infra_stack: infra.Stack, headers: dict[str, str], order: object, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await find(infra_stack, str(order), headers)

    assert caught.value.code() is code


async def test_a_refresh_token_is_exchanged_once_and_a_log_out_revokes_all_tokens(
    http: httpx.AsyncClient,
) -> None:
    first = tokens_of("clerk")

    second = (await http.post("/tokens", content=first.refresh)).raise_for_status().json()
    headers = {"Authorization": f"Bearer {second['access']}"}
    placed = await http.post("/orders", json=ORDER, headers=headers)
    log_out = await http.delete("/tokens", headers=headers)
    after_log_out = await http.get(placed.headers["Location"], headers=headers)
    second_exchange = await http.post("/tokens", content=first.refresh)
    exchange_after_log_out = await http.post("/tokens", content=second["refresh"])

    assert (placed.status_code, log_out.status_code) == (201, 204)
    assert after_log_out.status_code == 401
    assert (second_exchange.status_code, exchange_after_log_out.status_code) == (401, 401)
    assert (await http.get("/orders/last")).status_code == 404


async def test_a_client_that_exceeds_its_limit_has_to_wait(infra_stack: infra.Stack) -> None:
    """The header contains the address of another client, as a proxy sends it."""
    url, headers = f"http://127.0.0.1:{infra_stack.api.ports['http']}", {"X-Forwarded-For": "198.51.100.7"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        response = await client.get("/orders/last")
        while response.status_code == 401:  # a client may send further requests while time passes
            response = await client.get("/orders/last")

    assert response.status_code == 429
    assert response.headers["RateLimit-Limit"] == VARIABLES["WEB_RATE_LIMIT"]
    assert int(response.headers["Retry-After"]) > 0


async def test_the_level_of_the_log_changes_at_run_time(http: httpx.AsyncClient, infra_logs: Logs) -> None:
    location = (await http.post("/orders", json=ORDER)).headers["Location"]
    try:
        changed = await http.put("/debug/log-level", params={"level": "debug"})
        await http.get(location, headers={"X-Correlation-ID": "with-details"})
        line = infra_logs.wait_for("api", "order_found", timeout=60)
    finally:
        await http.put("/debug/log-level", params={"level": "info"})

    assert (changed.text, line.level, line.correlation_id) == ("debug\n", "debug", "with-details")


async def test_the_processor_time_and_the_memory_can_be_profiled(http: httpx.AsyncClient) -> None:
    profile = (await http.get("/debug/profile", params={"seconds": 0.1})).raise_for_status()
    memory = (await http.get("/debug/memory", params={"seconds": 0.1})).raise_for_status()

    assert "cumulative" in profile.text
    assert "size=" in memory.text


async def test_the_readiness_has_the_state_of_each_service(http: httpx.AsyncClient) -> None:
    ready = (await http.get("/ready")).raise_for_status().json()

    assert (ready["status"], ready["version"]) == ("pass", "1.0")
    assert {name: check["status"] for name, check in ready["checks"].items()} == {
        "postgres": "pass",
        "nats": "pass",
        "valkey": "pass",
    }


async def test_only_pages_of_the_shop_can_read_a_response(http: httpx.AsyncClient) -> None:
    (own,) = json.loads(VARIABLES["WEB_CORS_ORIGINS"])

    to_own = await http.get("/health", headers={"Origin": own})
    to_other = await http.get("/health", headers={"Origin": "http://other"})

    assert to_own.headers["Access-Control-Allow-Origin"] == own
    assert "Access-Control-Allow-Origin" not in to_other.headers


@pytest.mark.infra_exclusive("api")
async def test_an_order_survives_a_restart_of_the_service(
    http: httpx.AsyncClient, infra_stack: infra.Stack
) -> None:
    location = (await http.post("/orders", json=ORDER)).headers["Location"]

    infra_stack.restart("api")

    assert (await http.get(location)).json()["customer"] == "Ada"


@pytest.mark.parametrize("change", [{"quantity": 0}, {"quantity": "3"}, {"customer": ""}, {"item": None}])
async def test_an_invalid_order_is_rejected(http: httpx.AsyncClient, change: dict[str, object]) -> None:
    response = await http.post("/orders", json={**ORDER, **change})

    assert response.status_code == 422
    assert "quantity above 0" in response.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer forged"}, 401),
        (bearer("reader"), 403),
        (bearer("reader", kind=web.ActorKind.SERVICE), 403),
        (bearer(kind=web.ActorKind.ADMIN), 201),
    ],
)
async def test_only_a_clerk_or_an_administrator_can_place_an_order(
    infra_stack: infra.Stack, headers: dict[str, str], status: int
) -> None:
    async with httpx.AsyncClient(base_url=infra_stack.caddy.url, headers=headers) as client:
        assert (await client.post("/orders", json=ORDER)).status_code == status


async def test_an_unknown_order_is_not_found(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/orders/{uuid.uuid4()}")).status_code == 404
