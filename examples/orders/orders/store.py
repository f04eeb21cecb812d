"""Storage of orders: a row in PostgreSQL, an event on NATS JetStream, a copy in Valkey."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Self, TypeAlias

from nats.aio.client import Client as Broker
from nats.js import JetStreamContext
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from valkey.asyncio import Valkey

from infra_runtime.web import Metrics, outgoing_headers

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection]

STREAM, PLACED = "ORDERS", "orders.placed"
#: seconds until a copy in Valkey expires
CACHE_SECONDS = 300
#: the lock of an order until the end of the transaction: an order is confirmed after its row is committed
LOCK = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"


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
    """Write and read orders in all three services, which are connected in an `async with` block."""

    def __init__(self, database_url: str, nats_url: str, cache: Valkey, metrics: Metrics) -> None:
        self._pool: Pool = Pool(database_url, open=False)
        self._broker, self._nats_url = Broker(), nats_url
        self._cache, self._metrics = cache, metrics

    async def __aenter__(self) -> Self:
        """Connect to the services, and create the stream if it does not exist."""
        await self._broker.connect(self._nats_url)
        await self._broker.jetstream().add_stream(name=STREAM, subjects=["orders.>"])
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._pool.close()
        await self._cache.aclose()
        await self._broker.close()

    @property
    def checks(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """Functions that raise an exception if a service does not answer."""
        return {"postgres": self._check_database, "nats": self._broker.flush, "valkey": self._check_cache}

    async def place(self, *, customer: str, item: str, quantity: int) -> Order:
        """Store an order. The row is committed only after the stream has stored the event."""
        order = Order(id=str(uuid.uuid4()), customer=customer, item=item, quantity=quantity)
        with self._metrics.query("insert_order"):
            async with self._pool.connection() as connection:
                await connection.execute(LOCK, [order.id])
                await connection.execute(
                    "insert into orders (id, customer, item, quantity) values (%s, %s, %s, %s)",
                    [order.id, order.customer, order.item, order.quantity],
                )
                # With this id the stream ignores a second copy, which is sent if the answer was lost.
                headers = {"Nats-Msg-Id": order.id, **outgoing_headers()}
                await self._broker.jetstream().publish(PLACED, order.to_json().encode(), headers=headers)
        await self._cache_order(order)
        return order

    async def find(self, order_id: uuid.UUID) -> tuple[Order | None, bool]:
        """Return the order, and whether it was read from the cache."""
        if (copy := await self._cache.get(_key(str(order_id)))) is not None:
            return Order(**json.loads(copy)), True
        with self._metrics.query("find_order"):
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

    async def events(self, consumer: str) -> JetStreamContext.PullSubscription:
        """Return the events of placed orders; each event is delivered until it is acknowledged."""
        return await self._broker.jetstream().pull_subscribe(PLACED, durable=consumer, stream=STREAM)

    async def confirm(self, order_id: uuid.UUID) -> bool:
        """Confirm an order; return whether the order exists, because its row may not have been committed."""
        with self._metrics.query("confirm_order"):
            async with self._pool.connection() as connection:
                await connection.execute(LOCK, [str(order_id)])
                cursor = await connection.execute(
                    "update orders set confirmed_at = coalesce(confirmed_at, now()) where id = %s", [order_id]
                )
        return cursor.rowcount == 1

    async def _cache_order(self, order: Order) -> None:
        await self._cache.set(_key(order.id), order.to_json(), ex=CACHE_SECONDS)

    async def _check_database(self) -> None:
        async with self._pool.connection() as connection:
            await connection.execute("select 1")

    async def _check_cache(self) -> None:
        await self._cache.get("health")


def _key(order_id: str) -> str:
    return f"order:{order_id}"
