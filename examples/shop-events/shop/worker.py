"""The worker: it sends a confirmation by mail for each order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import smtplib
from email.message import EmailMessage

import aio_pika

from infra_runtime.amqp.envelope import Envelope
from infra_runtime.amqp.messaging import consuming
from infra_runtime.amqp.topology import Topology

log = logging.getLogger(__name__)
QUEUE = "confirmations"
#: seconds until a failed connection is tried again
PAUSE = 0.2
#: seconds to wait for each answer of the mail server
PATIENCE = 5.0


def confirmation(envelope: Envelope) -> EmailMessage:
    """Return the mail for an order."""
    order = envelope.payload
    mail = EmailMessage()
    mail["From"] = "shop@example.com"
    mail["To"] = order["email"]
    mail["Subject"] = f"Your order {order['order_id']}"
    mail["Message-ID"] = f"<{envelope.message_id}@shop.example.com>"
    mail.set_content(f"Thank you for your order: {order['quantity']} x {order['item']}.\n")
    return mail


async def send(envelope: Envelope) -> None:
    """Send the mail for an order.

    If the server does not accept the mail, this raises `OSError` or `SMTPException`: the message is then
    handled again later.
    """
    await asyncio.to_thread(_send, confirmation(envelope))


def _send(mail: EmailMessage) -> None:
    host, port = os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])
    with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
        client.send_message(mail)


async def consume_forever(url: str, topology: Topology) -> None:
    """Consume the queue; connect again after an error."""
    while True:
        try:
            async with await aio_pika.connect(url) as connection:
                await consume(connection, topology)
        except (aio_pika.exceptions.AMQPError, OSError):
            log.exception("the worker connects again")
        await asyncio.sleep(PAUSE)


async def consume(connection: aio_pika.abc.AbstractConnection, topology: Topology) -> None:
    """Consume the queue until the connection is closed."""
    closed = asyncio.Event()
    connection.close_callbacks.add(lambda *_: closed.set())
    async with consuming(await connection.channel(), QUEUE, send, topology.queues[QUEUE]):
        print("waiting for orders", flush=True)
        await closed.wait()


async def main() -> None:
    """Consume the queue until SIGTERM."""
    topology = Topology.model_validate_json(os.environ["RABBITMQ_TOPOLOGY"])
    consuming_task = asyncio.create_task(consume_forever(os.environ["RABBITMQ_URL"], topology))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, consuming_task.cancel)
    try:
        await consuming_task
    except asyncio.CancelledError:
        print("stopped", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main())
