"""The shop from outside: HTTP through Caddy, and what it left in the database, the stream and the cache."""

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


async def test_an_order_becomes_a_row(http: httpx.AsyncClient, infra_stack: infra.Stack) -> None:
    placed = (await http.post("/orders", json=ORDER)).raise_for_status().json()

    async with await psycopg.AsyncConnection.connect(infra_stack.postgres.url) as connection:
        cursor = await connection.execute(
            "select customer, item, quantity from orders where id = %s", [placed["id"]]
        )
        assert await cursor.fetchone() == ("Ada", "tea", 3)


async def test_an_order_is_told_to_everybody(http: httpx.AsyncClient, infra_stack: infra.Stack) -> None:
    broker = await nats.connect(infra_stack.nats.url)
    events = await broker.jetstream().subscribe("orders.placed", ordered_consumer=True)

    placed = (await http.post("/orders", json=ORDER)).raise_for_status().json()

    event: dict[str, object] = {}
    while event.get("id") != placed["id"]:
        event = json.loads((await events.next_msg(timeout=5)).data)
    assert event == placed
    await broker.close()


async def test_an_order_is_read_from_the_cache_and_without_it(
    http: httpx.AsyncClient, infra_stack: infra.Stack
) -> None:
    response = await http.post("/orders", json=ORDER)
    place = response.headers["Location"]

    warm = await http.get(place)
    async with Valkey.from_url(infra_stack.valkey.url) as cache:
        await cache.delete(f"order:{response.json()['id']}")
    cold = await http.get(place)

    assert (warm.headers["X-Cache"], cold.headers["X-Cache"]) == ("hit", "miss")
    assert warm.json() == cold.json() == response.json()


async def test_an_order_outlives_its_service(http: httpx.AsyncClient, infra_stack: infra.Stack) -> None:
    place = (await http.post("/orders", json=ORDER)).headers["Location"]

    infra_stack.restart("api")

    assert (await http.get(place)).json()["customer"] == "Ada"


@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"quantity": "3"}, {"customer": ""}, {"item": None}])
async def test_half_an_order_is_refused(http: httpx.AsyncClient, wrong: dict[str, object]) -> None:
    response = await http.post("/orders", json={**ORDER, **wrong})

    assert response.status_code == 422
    assert "quantity above 0" in response.json()["error"]


async def test_an_order_that_nobody_placed_is_not_found(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/orders/{uuid.uuid4()}")).status_code == 404
