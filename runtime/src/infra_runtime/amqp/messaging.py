"""Publish envelopes with confirms, and consume envelopes with acknowledgements and retries, with aio-pika.

If a message cannot be handled, a copy of the message is published to the retry exchange of the next delay,
and the message is acknowledged. After the last delay, the message is rejected, and the server routes it to
the queue of dead letters, or drops it if the queue has none.

Sources: RabbitMQ documentation, "Consumer Acknowledgements and Publisher Confirms"; aio-pika's documentation.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from infra_runtime.amqp.envelope import Envelope
from infra_runtime.amqp.topology import Queue, retry_name

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

log = logging.getLogger(__name__)
#: the name of the header with the number of failed attempts
RETRIES = "x-retries"
#: the time limit in seconds for the server's confirm of a message
PATIENCE = 30.0


async def publish(
    channel: AbstractChannel, envelope: Envelope, exchange: str, routing_key: str | None = None
) -> None:
    """Publish an envelope and wait until the server has confirmed that it stored the message.

    The default routing key is the type of the envelope. The channel must have `publisher_confirms`, which is
    the default of aio-pika, and `on_return_raises=True`, so that it is an error if no queue receives the
    message.

    Raises `aio_pika.exceptions.DeliveryError` if no queue received the message or the server refused it.
    """
    from aio_pika import DeliveryMode, Message

    target = await channel.get_exchange(exchange, ensure=False)
    message = Message(
        envelope.encoded(),
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=envelope.message_id,
        correlation_id=envelope.metadata.correlation_id or None,
        timestamp=envelope.timestamp,
        type=envelope.type,
    )
    key = envelope.type if routing_key is None else routing_key
    await target.publish(message, key, mandatory=True, timeout=PATIENCE)


@contextlib.asynccontextmanager
async def consuming(
    channel: AbstractChannel,
    name: str,
    handle: Callable[[Envelope], Awaitable[object]],
    settings: Queue | None = None,
) -> AsyncIterator[None]:
    """Consume a queue during the `with` block; `handle` is called with the envelope of each message.

    `settings` is the queue in the topology, such as `topology.queues["email"]`. A message is acknowledged
    when `handle` has returned. If `handle` raises an exception, it is called again after the next delay in
    `retries`; after the last delay, the message is rejected. A message whose body is not an envelope is
    rejected at once.

    Raises `aio_pika.exceptions.ChannelNotFoundEntity` if the queue or the exchange of a delay is missing.
    """
    queue_settings = settings or Queue()
    exchanges = [await channel.get_exchange(retry_name(delay)) for delay in queue_settings.retries]
    await channel.set_qos(prefetch_count=queue_settings.prefetch)
    queue = await channel.get_queue(name)

    async def receive(message: AbstractIncomingMessage) -> None:
        await _handle(message, name, handle, exchanges)

    tag = await queue.consume(receive)
    try:
        yield
    finally:
        await queue.cancel(tag)


async def _handle(
    message: AbstractIncomingMessage,
    queue: str,
    handle: Callable[[Envelope], Awaitable[object]],
    exchanges: list[AbstractExchange],
) -> None:
    try:
        envelope = Envelope.decoded(message.body)
    except ValueError:
        log.exception("message_invalid", extra={"queue": queue, "message_id": message.message_id})
        await message.reject(requeue=False)
        return
    try:
        await handle(envelope)
    except Exception:
        failed = _failed_attempts(message) + 1
        log.exception(
            "message_failed",
            extra={"queue": queue, "message_id": envelope.message_id, "attempt": failed},
        )
        if failed > len(exchanges):
            await message.reject(requeue=False)
            return
        await _publish_again(message, exchanges[failed - 1], queue, failed)
    await message.ack()


def _failed_attempts(message: AbstractIncomingMessage) -> int:
    value = message.headers.get(RETRIES, 0)
    return value if isinstance(value, int) else 0


async def _publish_again(
    message: AbstractIncomingMessage, exchange: AbstractExchange, queue: str, failed: int
) -> None:
    """Publish a copy of a message to a retry exchange; the routing key is the name of the message's queue."""
    from aio_pika import Message

    copy = Message(
        message.body,
        headers={**message.headers, RETRIES: failed},
        content_type=message.content_type,
        delivery_mode=message.delivery_mode,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
        type=message.type,
    )
    await exchange.publish(copy, queue, mandatory=True, timeout=PATIENCE)
