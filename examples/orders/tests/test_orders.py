"""Tests of the shop over HTTP through Caddy, with checks of the database, the stream and the cache."""

from __future__ import annotations

import json
import tomllib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import nats
import psycopg
import pytest
from valkey.asyncio import Valkey

import infra_runtime as infra
from infra_runtime import web
from infra_runtime.web import audit

ORDER = {"customer": "Ada", "item": "tea", "quantity": 3}
STACK_FILE = Path(__file__).parent.parent / "infra.toml"
VARIABLES = tomllib.loads(STACK_FILE.read_text(encoding="utf-8"))["services"]["api"]["env"]


def bearer(*roles: str) -> dict[str, str]:
    """Return the header with the token of a user who has these roles."""
    tokens = web.Tokens(web.Keys.from_secret(VARIABLES["WEB_JWT_SECRET"]), issuer="app", audience="app")
    return {"Authorization": f"Bearer {tokens.issue(web.Actor(id='ada', roles=frozenset(roles))).access}"}


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


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (bearer("reader"), 403)])
async def test_only_a_clerk_can_place_an_order(
    infra_stack: infra.Stack, headers: dict[str, str], status: int
) -> None:
    async with httpx.AsyncClient(base_url=infra_stack.caddy.url, headers=headers) as client:
        assert (await client.post("/orders", json=ORDER)).status_code == status


async def test_an_unknown_order_is_not_found(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/orders/{uuid.uuid4()}")).status_code == 404
