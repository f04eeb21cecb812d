"""Fixtures with a client of Kafka, from the library confluent-kafka (librdkafka) or aiokafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import confluent_kafka
    from aiokafka import AIOKafkaProducer
    from confluent_kafka.admin import AdminClient


def admin(context: FixtureContext, unit: Endpoint) -> Iterator[AdminClient]:
    """Yield a client of confluent-kafka that manages topics, groups and settings."""
    yield context.library("confluent_kafka.admin").AdminClient(_settings(context, unit))


def producer(context: FixtureContext, unit: Endpoint) -> Iterator[confluent_kafka.Producer]:
    """Yield a producer that sends each event at once; afterwards, wait at most 10 s for unsent events."""
    settings = {**_settings(context, unit), "linger.ms": 0}
    open_producer = context.library("confluent_kafka").Producer(settings)
    try:
        yield open_producer
    finally:
        open_producer.flush(10.0)


def consumer(context: FixtureContext, unit: Endpoint) -> Iterator[confluent_kafka.Consumer]:
    """Yield a consumer in the group `{prefix}test`; it reads from the first event, or committed offsets."""
    settings = {
        **_settings(context, unit),
        "group.id": f"{unit.get('prefix', '')}test",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,
        "topic.metadata.refresh.interval.ms": 1000,
        "fetch.wait.max.ms": 50,
    }
    open_consumer = context.library("confluent_kafka").Consumer(settings)
    try:
        yield open_consumer
    finally:
        open_consumer.close()


async def async_producer(context: FixtureContext, unit: Endpoint) -> AsyncIterator[AIOKafkaProducer]:
    """Yield an AIOKafkaProducer that is already started; the fixture stops it after the test."""
    library = context.library("aiokafka")
    open_producer = library.AIOKafkaProducer(
        bootstrap_servers=unit["bootstrap_servers"], client_id=context.label.name
    )
    await open_producer.start()
    try:
        yield open_producer
    finally:
        await open_producer.stop()


def _settings(context: FixtureContext, unit: Endpoint) -> dict[str, object]:
    return {"bootstrap.servers": unit["bootstrap_servers"], "client.id": context.label.name, "log_level": 0}
