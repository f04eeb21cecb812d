"""A prefix for each test: topics do not collide, and the topics of finished tests are deleted."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("kafka")

TESTS = """
import pytest
from pytest_infra.services.kafka import admin

@pytest.mark.parametrize("number", range(3))
def test_equal_names_in_several_tests(kafka, kafka_producer, kafka_consumer, number):
    topic = kafka.prefix + "orders"
    kafka_producer.produce(topic, str(number).encode())
    assert kafka_producer.flush(60) == 0
    kafka_consumer.subscribe([topic])
    assert kafka_consumer.poll(60).value() == str(number).encode()

def test_an_example_has_its_own_topics(kafka, kafka_admin):
    with kafka.example() as first, kafka.example() as second:
        assert first.prefix != second.prefix
        assert first.prefix.startswith(kafka.prefix)
        assert first["bootstrap_servers"] == kafka["bootstrap_servers"]
    assert kafka_admin.list_topics(timeout=60).topics is not None

async def test_an_asynchronous_producer(kafka, kafka_async_producer):
    record = await kafka_async_producer.send_and_wait(kafka.prefix + "events", b"1")
    assert record.offset == 0

def test_topics_and_groups_of_finished_tests_are_deleted(kafka_admin):
    for listed in (admin.topics, admin.groups):
        before = listed(kafka_admin, "")
        assert [name for name in before if name.startswith("test-")]
        if listed is admin.groups:
            admin.delete(kafka_admin, ["test-"])
    assert admin.topics(kafka_admin, "test-") == admin.groups(kafka_admin, "test-") == []
    assert "__consumer_offsets" in admin.topics(kafka_admin, "")
"""


def test_each_test_has_its_own_topics(suite: Suite) -> None:
    pytest.importorskip("aiokafka")
    suite.stack('use = ["kafka"]\n')
    suite.with_plugins("asyncio")
    suite.test(TESTS)

    result = suite.run("-q", "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["infra: 1 service, ready in *; 0 processes, 0 ports, 0 sockets left"])
