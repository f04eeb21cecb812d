"""The background job: confirm each order whose event has arrived."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as BrokerError

from infra_runtime import web
from orders.store import Store

#: the name of the job in the metrics, and of its consumer in NATS
JOB = "confirm_order"
#: seconds until an event is delivered again after its job has failed, and until a failed request is repeated
RETRY = 1.0

log = structlog.get_logger("orders.jobs")


@contextlib.asynccontextmanager
async def confirming(store: Store, metrics: web.Metrics) -> AsyncIterator[None]:
    """Confirm orders in the background while the block runs."""
    task = asyncio.create_task(_confirm_forever(store, metrics))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _confirm_forever(store: Store, metrics: web.Metrics) -> None:
    while True:
        try:
            events = await store.events(JOB)
            while True:
                with contextlib.suppress(TimeoutError):  # no order was placed
                    for event in await events.fetch(1, timeout=30):
                        await _confirm(event, store, metrics)
        except BrokerError as error:
            log.warning("events_unavailable", error=repr(error))
            await asyncio.sleep(RETRY)


async def _confirm(event: Msg, store: Store, metrics: web.Metrics) -> None:
    """Confirm one order, with the correlation id of the request that has placed it."""
    with web.continued(event.headers or {}):
        try:
            with metrics.job(JOB):
                order = uuid.UUID(json.loads(event.data)["id"])
                exists = await store.confirm(order)
        except (ValueError, TypeError, LookupError):
            log.exception("event_invalid")
            await event.term()
        except Exception:
            # An event can arrive twice; the second confirmation changes nothing.
            log.exception("order_not_confirmed")
            await event.nak(delay=RETRY)
        else:
            await event.ack()
            log.info("order_confirmed" if exists else "order_missing", order=str(order))
