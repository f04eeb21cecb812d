"""Storage of orders: a row in PostgreSQL, an event on NATS JetStream, a copy in Valkey."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TypeAlias

import nats
from nats.js import JetStreamContext
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from valkey.asyncio import Valkey

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection]

STREAM, PLACED = "ORDERS", "orders.placed"
#: seconds until a copy in Valkey expires
CACHE_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order of a customer."""

    id: str
    customer: str
    item: str
    quantity: int

    def to_json(self) -> str:
        """Return the order in the format of the event and of the cache."""
        return json.dumps(asdict(self))


class Store:
    """Write and read orders in all three services."""

    def __init__(self, pool: Pool, stream: JetStreamContext, cache: Valkey) -> None:
        self._pool, self._stream, self._cache = pool, stream, cache

    async def place(self, *, customer: str, item: str, quantity: int) -> Order:
        """Store an order. The row is committed only after the stream has stored the event."""
        order = Order(id=str(uuid.uuid4()), customer=customer, item=item, quantity=quantity)
        async with self._pool.connection() as connection:
            await connection.execute(
                "insert into orders (id, customer, item, quantity) values (%s, %s, %s, %s)",
                [order.id, order.customer, order.item, order.quantity],
            )
            # With this id the stream ignores a second copy, which is sent if the acknowledgement was lost.
            await self._stream.publish(PLACED, order.to_json().encode(), headers={"Nats-Msg-Id": order.id})
        await self._cache_order(order)
        return order

    async def find(self, order_id: uuid.UUID) -> tuple[Order | None, bool]:
        """Return the order, and whether it was read from the cache."""
        if (copy := await self._cache.get(_key(str(order_id)))) is not None:
            return Order(**json.loads(copy)), True
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "select customer, item, quantity from orders where id = %s", [order_id]
            )
            row = await cursor.fetchone()
        if row is None:
            return None, False
        order = Order(id=str(order_id), customer=row[0], item=row[1], quantity=row[2])
        await self._cache_order(order)
        return order, False

    async def _cache_order(self, order: Order) -> None:
        await self._cache.set(_key(order.id), order.to_json(), ex=CACHE_SECONDS)


def _key(order_id: str) -> str:
    return f"order:{order_id}"


@asynccontextmanager
async def open_store(database_url: str, nats_url: str, valkey_url: str) -> AsyncIterator[Store]:
    """Connect to the three services, and create the stream if it does not exist."""
    broker = await nats.connect(nats_url)
    cache = Valkey.from_url(valkey_url)
    try:
        stream = broker.jetstream()
        await stream.add_stream(name=STREAM, subjects=["orders.>"])
        async with Pool(database_url, open=False) as pool:
            yield Store(pool, stream, cache)
    finally:
        await cache.aclose()
        await broker.close()
