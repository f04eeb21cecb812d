"""Tests of the shop over HTTP through Caddy, with checks of the database, the stream and the cache."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator

import httpx
import nats
import psycopg
import pytest
from valkey.asyncio import Valkey

import infra_runtime as infra

ORDER = {"customer": "Ada", "item": "tea", "quantity": 3}


@pytest.fixture
async def http(infra_stack: infra.Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=infra_stack.caddy.url) as client:
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
    assert "quantity above 0" in response.json()["error"]


async def test_an_unknown_order_is_not_found(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/orders/{uuid.uuid4()}")).status_code == 404
