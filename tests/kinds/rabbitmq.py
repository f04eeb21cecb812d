"""RabbitMQ in the contract suite: a value is the message in a durable queue."""

from __future__ import annotations

import pika
from pika.exceptions import ChannelClosedByBroker

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Replace the message in a queue, and wait until the server has confirmed it."""
    connection = pika.BlockingConnection(pika.URLParameters(endpoint.url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(name, durable=True)
    channel.queue_purge(name)
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    channel.basic_publish("", name, value.encode(), persistent)
    connection.close()


def settled(endpoint: Endpoint) -> bool:
    """Return whether the declaration of the last queue survives a kill of the server.

    RabbitMQ answers when the changes are in the log of its database Mnesia. The decision that commits them
    can be in memory for two more seconds; without it, the next start drops the changes.
    """
    (log,) = endpoint.data.rglob("LATEST.LOG")
    _, queue, later_bytes = log.read_bytes().rpartition(b"amqqueue")
    return not queue or b"committed" in later_bytes


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the message in a queue, which stays there."""
    connection = pika.BlockingConnection(pika.URLParameters(endpoint.url))
    try:
        _, _, body = connection.channel().basic_get(name)
    except ChannelClosedByBroker:  # the queue does not exist
        return None
    finally:
        connection.close()
    return body.decode() if body is not None else None
