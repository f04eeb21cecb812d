"""The HTTP API: `POST /orders`, `GET /health`.

An order and its message are written in one transaction. A task publishes the messages, and continues where it
stopped when the broker or the database is available again. Therefore no order is lost while RabbitMQ is down,
and no message is published for an order that was not stored.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import aio_pika
from psycopg import AsyncConnection, OperationalError
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from infra_runtime.amqp.envelope import Envelope, Metadata
from infra_runtime.amqp.messaging import publish

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection]

log = logging.getLogger(__name__)
EXCHANGE, PLACED = "orders", "order.placed"
#: seconds until a failed connection is tried again
PAUSE = 0.2
#: seconds after which the outbox is read although no order was placed in this process
INTERVAL = 1.0


class Order(BaseModel):
    """The body of a request for an order."""

    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    item: str = Field(min_length=1)
    quantity: int = Field(gt=0, lt=1_000_000)


async def place(request: Request) -> Response:
    """Store an order and its message."""
    try:
        order = Order.model_validate_json(await request.body())
    except ValidationError as error:
        return JSONResponse({"errors": error.errors(include_url=False, include_input=False)}, status_code=422)
    order_id = uuid.uuid4()
    envelope = Envelope(
        type=PLACED,
        payload={"order_id": str(order_id), **order.model_dump()},
        metadata=Metadata(source="api", correlation_id=request.headers.get("x-request-id", "")),
    )
    pool: Pool = request.state.pool
    try:
        async with pool.connection() as connection:
            await connection.execute(
                "insert into orders (id, email, item, quantity) values (%s, %s, %s, %s)",
                [order_id, order.email, order.item, order.quantity],
            )
            await connection.execute(
                "insert into outbox (message) values (%s)", [Jsonb(envelope.model_dump(mode="json"))]
            )
    except OperationalError:
        log.exception("the order was not stored")
        return JSONResponse({"errors": ["the order was not stored; send it again"]}, status_code=503)
    request.state.placed.set()
    return JSONResponse({"id": str(order_id)}, status_code=201)


async def health(_: Request) -> Response:
    """Return 200 when requests are accepted."""
    return PlainTextResponse("ok")


async def publish_forever(pool: Pool, url: str, placed: asyncio.Event) -> None:
    """Publish the messages of the outbox; connect again after an error."""
    while True:
        try:
            async with await aio_pika.connect(url) as connection:
                channel = await connection.channel(on_return_raises=True)
                while True:
                    placed.clear()
                    while await publish_next(pool, channel):
                        pass
                    with suppress(TimeoutError):
                        await asyncio.wait_for(placed.wait(), INTERVAL)
        except Exception:
            log.exception("the messages of the outbox are published later")
            await asyncio.sleep(PAUSE)


async def publish_next(pool: Pool, channel: aio_pika.abc.AbstractChannel) -> bool:
    """Publish the oldest message of the outbox and delete it; return False if there is none.

    If the process exits before the transaction ends, the message is published again, with the same id.
    """
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "delete from outbox where number = (select min(number) from outbox) returning message"
        )
        row = await cursor.fetchone()
        if row is None:
            return False
        await publish(channel, Envelope.model_validate(row[0]), EXCHANGE)
    return True


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
    """Open the pool of connections, and publish messages while the application runs."""
    placed = asyncio.Event()
    async with Pool(os.environ["DATABASE_URL"], open=False, timeout=5, check=Pool.check_connection) as pool:
        publishing = asyncio.create_task(publish_forever(pool, os.environ["RABBITMQ_URL"], placed))
        yield {"pool": pool, "placed": placed}
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing


app = Starlette(
    routes=[Route("/orders", place, methods=["POST"]), Route("/health", health)], lifespan=lifespan
)
