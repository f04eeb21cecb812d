"""Kafka: the configuration of one server, and what clients do with the real server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.engine import spec_of
from infra_runtime.engines.local.stack import Stack
from infra_runtime.spec import Seed, WriteFile

#: seconds for one request
PATIENCE = 180.0


def properties(**settings: object) -> dict[str, str]:
    """Return the properties in the configuration of the server."""
    (text,) = (
        step.text
        for step in spec_of("kafka", **settings).prepare
        if isinstance(step, WriteFile) and step.path == "${data}/server.properties"
    )
    return dict(line.split("=", 1) for line in text.splitlines())


def seeds(**settings: object) -> list[Seed]:
    """Return the steps that record the classes of the server."""
    return [step for step in spec_of("kafka", **settings).prepare if isinstance(step, Seed)]


def test_the_server_listens_on_the_address_of_the_stack_only() -> None:
    listeners = properties()["listeners"].split(",")

    assert all("://${host}:${port." in listener for listener in listeners)


def test_settings_and_options_are_properties() -> None:
    written = properties(auto_create=False, partitions=3, options={"log.retention.hours": "1"})

    assert written["auto.create.topics.enable"] == "false"
    assert written["num.partitions"] == "3"
    assert written["log.retention.hours"] == "1"


def test_variables_of_the_service_are_also_set_in_the_container() -> None:
    container = spec_of("kafka", env={"KAFKA_LOG4J_ROOT_LOGLEVEL": "WARN"}).container

    assert container is not None
    assert container.env["KAFKA_LOG4J_ROOT_LOGLEVEL"] == "WARN"
    assert container.env["KAFKA_NODE_ID"] == "1"


def test_the_recorded_server_uses_only_its_own_ports_and_folder() -> None:
    """The seed is shared by all stacks, so its steps must not contain references to one of them."""
    (seed,) = seeds()
    (training,) = (step for step in seed.steps if getattr(step, "path", "").endswith("training.properties"))

    assert "${" not in training.text
    assert "log.dirs=LOG_FOLDER\n" in training.text
    assert "127.0.0.1:CLIENT_PORT" in training.text


def test_the_settings_of_a_server_need_no_further_recording() -> None:
    assert seeds(auto_create=False, partitions=3, options={"log.retention.hours": "1"}) == seeds()


def test_options_of_java_have_the_memory_of_the_setting() -> None:
    assert "-Xmx1g" in spec_of("kafka", heap="1g").env["JDK_JAVA_OPTIONS"].split()


@pytest.mark.process
def test_a_server_that_does_not_start_makes_the_recording_fail_with_its_output(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\necho the port is taken\nexit 1\n")
    program.chmod(0o755)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "training.properties").write_text("log.dirs=LOG_FOLDER\n")

    completed_process = subprocess.run(
        [sys.executable, "-m", "infra_runtime.kafka_training", str(program), str(folder)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (completed_process.returncode, completed_process.stderr) == (1, "the port is taken\n\n")


# --- the real server -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server that compacts topics often, which the tests share."""
    options = {"log.cleaner.backoff.ms": "100", "log.segment.delete.delay.ms": "100"}
    folder = tmp_path_factory.mktemp("kafka")
    (folder / "infra.toml").write_text('use = ["kafka"]\n')
    overrides = {"services": {"kafka": {"options": options}}}
    with infra.start(directory=folder, environment="test", overrides=overrides) as stack:
        yield stack


@pytest.mark.real("kafka")
class TestServer:
    def test_an_aborted_transaction_is_not_read(self, stack: Stack) -> None:
        from confluent_kafka import Consumer, Producer

        address = {"bootstrap.servers": stack["kafka"]["bootstrap_servers"]}
        producer = Producer({**address, "transactional.id": "t"})
        producer.init_transactions(PATIENCE)
        for value in (b"aborted", b"committed"):
            producer.begin_transaction()
            producer.produce("payments", value)
            producer.flush(PATIENCE)
            end = producer.commit_transaction if value == b"committed" else producer.abort_transaction
            end(PATIENCE)
        consumer = Consumer({**address, "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe(["payments"])
        message = consumer.poll(PATIENCE)
        consumer.commit(message, asynchronous=False)
        consumer.close()

        assert message.value() == b"committed"

    def test_an_aborted_transaction_of_aiokafka_is_not_read(self, stack: Stack) -> None:
        aiokafka = pytest.importorskip("aiokafka")
        address = stack["kafka"]["bootstrap_servers"]

        async def received() -> bytes:
            async with aiokafka.AIOKafkaProducer(
                bootstrap_servers=address, transactional_id="asynchronous"
            ) as producer:
                await producer.begin_transaction()
                await producer.send_and_wait("refunds", b"aborted")
                await producer.abort_transaction()
                async with producer.transaction():
                    await producer.send_and_wait("refunds", b"committed")
            async with aiokafka.AIOKafkaConsumer(
                "refunds",
                bootstrap_servers=address,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            ) as consumer:
                event = await asyncio.wait_for(consumer.getone(), PATIENCE)
            return event.value

        assert asyncio.run(received()) == b"committed"

    def test_a_group_of_librdkafka_shares_the_partitions_and_continues_after_its_last_event(
        self, stack: Stack
    ) -> None:
        from confluent_kafka import Consumer, Producer
        from confluent_kafka.admin import AdminClient, NewTopic

        address = {"bootstrap.servers": stack["kafka"]["bootstrap_servers"]}
        admin = AdminClient(address)
        admin.create_topics([NewTopic("parcels", 2, 1)])["parcels"].result(PATIENCE)
        producer = Producer(address)
        for partition in range(2):
            producer.produce("parcels", b"first", partition=partition)
        producer.flush(PATIENCE)
        settings = {**address, "group.id": "carriers", "auto.offset.reset": "earliest"}
        members = [Consumer({**settings, "enable.auto.commit": False}) for _ in range(2)]
        for member in members:
            member.subscribe(["parcels"])
        deadline = time.monotonic() + PATIENCE
        while any(len(member.assignment()) != 1 for member in members) and time.monotonic() < deadline:
            for member in members:
                member.poll(0.05)
        assigned = sorted(part.partition for member in members for part in member.assignment())
        for member in members:
            (part,) = member.assignment()
            part.offset = 1
            member.commit(offsets=[part], asynchronous=False)
            member.close()
        producer.produce("parcels", b"second", partition=0)
        producer.flush(PATIENCE)
        later = Consumer(settings)
        later.subscribe(["parcels"])
        message = later.poll(PATIENCE)
        later.close()

        assert assigned == [0, 1]
        assert message.value() == b"second"

    def test_the_members_of_a_group_share_the_partitions(self, stack: Stack) -> None:
        """With aiokafka, the other client library."""
        aiokafka = pytest.importorskip("aiokafka")
        admin_module = pytest.importorskip("aiokafka.admin")
        address = stack["kafka"]["bootstrap_servers"]

        async def received() -> list[set[int]]:
            admin = admin_module.AIOKafkaAdminClient(bootstrap_servers=address)
            await admin.start()
            await admin.create_topics([admin_module.NewTopic("jobs", 2, 1)])
            await admin.close()
            members = [
                aiokafka.AIOKafkaConsumer(
                    "jobs", bootstrap_servers=address, group_id="workers", auto_offset_reset="earliest"
                )
                for _ in range(2)
            ]
            for member in members:
                await member.start()
            async with aiokafka.AIOKafkaProducer(bootstrap_servers=address) as producer:
                while any(not member.assignment() for member in members):  # noqa: ASYNC110 - no event exists
                    await asyncio.sleep(0.05)
                for partition in range(2):
                    await producer.send_and_wait("jobs", b"x", partition=partition)
            events = [await asyncio.wait_for(member.getone(), PATIENCE) for member in members]
            assigned = [{part.partition for part in member.assignment()} for member in members]
            assert [{event.partition} for event in events] == assigned
            for member in members:
                await member.stop()
            return assigned

        assert sorted(map(sorted, asyncio.run(received()))) == [[0], [1]]

    def test_a_compacted_topic_keeps_the_last_value_of_each_key(self, stack: Stack) -> None:
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient, NewTopic

        address = {"bootstrap.servers": stack["kafka"]["bootstrap_servers"]}
        policy = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
        admin = AdminClient(address)
        admin.create_topics([NewTopic("prices", 1, 1, config=policy)])["prices"].result(PATIENCE)
        producer = Producer(address)
        deadline = time.monotonic() + PATIENCE
        for number in range(20):
            producer.produce("prices", str(number).encode(), key=b"a")
        values: list[bytes] = []
        while len(values) != 1 and time.monotonic() < deadline:
            # A segment is closed by a later event, and the last segment is not compacted.
            producer.produce("prices", b"", key=b"other")
            producer.flush(PATIENCE)
            values = [value for key, value in _events(address, "prices") if key == b"a"]

        assert values == [b"19"]
        assert asyncio.run(_events_of_aiokafka(address["bootstrap.servers"], "prices", b"a")) == [b"19"]


async def _events_of_aiokafka(address: str, topic: str, key: bytes) -> list[bytes]:
    """Return the values of all events with a key, read with aiokafka from a topic with one partition."""
    aiokafka = pytest.importorskip("aiokafka")
    values = []
    async with aiokafka.AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        partition = aiokafka.TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            event = await asyncio.wait_for(consumer.getone(), PATIENCE)
            if event.key == key:
                values.append(event.value)
    return values


def _events(address: dict[str, str], topic: str) -> list[tuple[bytes, bytes]]:
    """Return key and value of all events of a topic with one partition."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({**address, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    events = []
    while (message := consumer.poll(PATIENCE)) and not message.error():
        events.append((message.key(), message.value()))
    consumer.close()
    return events
