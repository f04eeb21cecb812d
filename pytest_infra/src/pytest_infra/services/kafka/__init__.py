"""The service kit of the kind `kafka`: each test gets a prefix for its topics and consumer groups."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="kafka",
    variants=("prefix",),
    units="pytest_infra.services.kafka.isolation:units",
    local_needs={"prefix": "connections to the address that the broker announces"},
    dump="pytest_infra.services.kafka.dump:dump",
    install={"confluent_kafka": "pytest-infra[kafka]", "aiokafka": "aiokafka"},
    urls={"kafka": "{url}"},
    leftover="pytest_infra.services.kafka.isolation:leftover",
    unit_name=r"test-(?P<owner>[a-z0-9]+)-\d+-",
    fixtures=(
        KitFixture(
            name="{service}_admin",
            function="pytest_infra.services.kafka.clients:admin",
            summary="The AdminClient of confluent-kafka, for topics, groups and settings.",
        ),
        KitFixture(
            name="{service}_producer",
            function="pytest_infra.services.kafka.clients:producer",
            summary='A Producer of confluent-kafka: `{service}_producer.produce(topic, b"1")`.',
        ),
        KitFixture(
            name="{service}_consumer",
            function="pytest_infra.services.kafka.clients:consumer",
            summary="A Consumer of confluent-kafka, in a group of the test, that reads from the first event.",
        ),
        KitFixture(
            name="{service}_async_producer",
            function="pytest_infra.services.kafka.clients:async_producer",
            summary="A started AIOKafkaProducer: `await {service}_async_producer.send(topic, data)`.",
            asynchronous=True,
        ),
    ),
)
