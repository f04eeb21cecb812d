"""Kafka in the contract suite: a value is the last event of a topic."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, Producer, TopicPartition

from infra_runtime.engines.local.stack import Endpoint

#: seconds for one request
PATIENCE = 180.0


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Append an event to a topic; in a unit, the topic has the prefix of the unit."""
    producer = Producer({"bootstrap.servers": endpoint["bootstrap_servers"], "linger.ms": 0, "log_level": 0})
    producer.produce(_topic(endpoint, name), value.encode())
    if producer.flush(PATIENCE):
        raise TimeoutError(f"{endpoint.name} has not acknowledged the event")


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the value of the last event of a topic."""
    settings = {"bootstrap.servers": endpoint["bootstrap_servers"], "group.id": "contract", "log_level": 0}
    consumer, topic = Consumer(settings), _topic(endpoint, name)
    try:
        if topic not in consumer.list_topics(timeout=PATIENCE).topics:
            return None
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=PATIENCE)
        if not end:
            return None
        consumer.assign([TopicPartition(topic, 0, end - 1)])
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is not None and not message.error():
                return message.value().decode()
        raise TimeoutError(f"{endpoint.name} has not sent the event")
    finally:
        consumer.close()


def _topic(endpoint: Endpoint, name: str) -> str:
    return endpoint.get("prefix", "") + name
