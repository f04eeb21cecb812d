"""A virtual host for each test with the declared queues; a consumer stops after three retries."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from fakes.stacks import until
from fakes.suite import PATIENCE, Suite
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Stack
from pytest_infra.services.rabbitmq.isolation import unkept

pytestmark = pytest.mark.real("rabbitmq")

STACK = """
[services.rabbitmq.topology.exchanges]
notifications = {}
events = { type = "fanout" }

[services.rabbitmq.topology.queues]
email = { bind = { notifications = "email.#" }, retries = [0.05, 0.1, 0.15] }
"audit.logs" = { bind = "events" }
"""
TESTS = """
import asyncio
import logging
import pytest
from aio_pika.exceptions import DeliveryError
from infra_runtime.amqp.envelope import Envelope
from infra_runtime.amqp.messaging import RETRIES, consuming, publish
from infra_runtime.amqp.topology import Topology

ORDERS = {"exchanges": {"orders": {"type": "direct"}}, "queues": {"paid": {"bind": {"orders": "paid"}}}}

async def dead_letter(channel, name):
    queue = await channel.get_queue(f"{name}.dead")
    async with asyncio.timeout(60), queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            return message

@pytest.mark.parametrize("number", range(3))
def test_equal_names_in_several_tests(rabbitmq, rabbitmq_channel, number):
    assert rabbitmq_channel.basic_get("audit.logs") == (None, None, None)
    rabbitmq_channel.basic_publish("events", "", str(number).encode(), mandatory=True)
    assert rabbitmq_channel.basic_get("audit.logs", auto_ack=True)[2] == str(number).encode()
    assert rabbitmq.url_for("pika").endswith(f"/{rabbitmq.vhost}")
    assert rabbitmq.password not in repr(rabbitmq)

def test_an_example_has_the_declared_queues_without_messages(rabbitmq, rabbitmq_channel):
    for _ in range(2):
        with rabbitmq.example():
            assert rabbitmq_channel.basic_get("audit.logs") == (None, None, None)
            assert rabbitmq_channel.queue_declare("other").method.message_count == 0
            rabbitmq_channel.queue_bind("other", "events")
            rabbitmq_channel.basic_publish("events", "", b"1", mandatory=True)
            assert rabbitmq_channel.basic_get("audit.logs")[2] == b"1"  # without an acknowledgement

def test_a_user_has_no_access_to_other_virtual_hosts(rabbitmq):
    import pika
    url = rabbitmq.url.replace(f"/{rabbitmq.vhost}", "/%2F")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(pika.URLParameters(url))

@pytest.mark.infra_parameters("rabbitmq", topology=ORDERS)
def test_a_marker_declares_other_queues(rabbitmq, rabbitmq_channel):
    assert [*Topology.model_validate_json(rabbitmq.topology).queues] == ["paid"]
    rabbitmq_channel.basic_publish("orders", "paid", b"1", mandatory=True)
    with pytest.raises(Exception, match="NOT_FOUND"):
        rabbitmq_channel.basic_get("audit.logs")

async def test_a_message_is_handled_again_until_it_succeeds(rabbitmq, rabbitmq_async_channel):
    settings = Topology.model_validate_json(rabbitmq.topology).queues["email"]
    attempts, done = [], asyncio.Event()

    async def handle(envelope):
        attempts.append(envelope)
        if len(attempts) < 3:
            raise OSError("the server of the mails is not reachable")
        done.set()

    sent = Envelope(type="email.welcome", tenant_id="acme", payload={"to": "ada"})
    async with consuming(rabbitmq_async_channel, "email", handle, settings):
        await publish(rabbitmq_async_channel, sent, "notifications")
        await asyncio.wait_for(done.wait(), 60)
    assert attempts == [sent] * 3

async def test_a_message_is_a_dead_letter_after_three_retries(rabbitmq, rabbitmq_async_channel):
    settings = Topology.model_validate_json(rabbitmq.topology).queues["email"]
    attempts = []

    async def handle(envelope):
        attempts.append(envelope.message_id)
        raise OSError("the server of the mails is not reachable")

    sent = Envelope(type="email.welcome")
    async with consuming(rabbitmq_async_channel, "email", handle, settings):
        await publish(rabbitmq_async_channel, sent, "notifications")
        message = await dead_letter(rabbitmq_async_channel, "email")
    assert attempts == [sent.message_id] * 4
    assert message.headers[RETRIES] == 3
    assert Envelope.decoded(message.body) == sent

async def test_a_message_without_an_envelope_is_a_dead_letter_at_once(rabbitmq_async_channel):
    from aio_pika import Message

    async def handle(envelope):
        raise AssertionError

    async with consuming(rabbitmq_async_channel, "audit.logs", handle):
        exchange = await rabbitmq_async_channel.get_exchange("events")
        await exchange.publish(Message(b"{}"), "")
        assert (await dead_letter(rabbitmq_async_channel, "audit.logs")).body == b"{}"

async def test_a_message_without_a_queue_is_an_error(rabbitmq_async_channel):
    with pytest.raises(DeliveryError):
        await publish(rabbitmq_async_channel, Envelope(type="fax.welcome"), "notifications")
"""
FAILS = """
def test_hangs(rabbitmq):
    import time
    time.sleep(600)

def test_fails(rabbitmq_channel):
    rabbitmq_channel.basic_publish("notifications", "email.welcome", b"hello", mandatory=True)
    raise ValueError
"""


@pytest.fixture
def warm(suite: Suite) -> Iterator[Stack]:
    """The project's stack, which keeps running after the inner pytest: its virtual hosts can be listed."""
    suite.stack('use = ["rabbitmq"]\n', STACK)
    with stacks.start("rabbitmq", directory=suite.root, environment="test") as stack:
        yield stack
    suite.down()  # a kept unit keeps the stack running


def test_tests_have_their_own_virtual_hosts_and_none_is_left(suite: Suite, warm: Stack) -> None:
    """One server for all clauses, because its start takes seconds."""
    for library in ("pika", "aio_pika", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.test(TESTS)
    suite.test(FAILS, name="test_failing")

    killed = suite.begin("-p", "no:asyncio", "-k", "hangs")
    until(lambda: bool(unkept(warm["rabbitmq"])), PATIENCE)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    remaining_vhosts = unkept(warm["rabbitmq"])

    options = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    result = suite.run("-n", "2", *options, "test_it.py")
    failed = suite.run("--infra-keep=failed", *options, "-k", "fails", "test_failing.py")

    result.assert_outcomes(passed=10)
    failed.assert_outcomes(failed=1, deselected=1)
    assert remaining_vhosts
    assert unkept(warm["rabbitmq"]) == []
    (capsule,) = (suite.root / ".data-test" / "capsules").glob("*test_fails*")
    (dump,) = json.loads((capsule / "capsule.json").read_text())["dumps"].values()
    content = json.loads((capsule / dump).read_text())
    (message,) = content["messages"]["email"]
    assert (message["exchange"], message["routing_key"]) == ("notifications", "email.welcome")
    assert message["payload"] == "hello"
    assert "email.dead" in {queue["name"] for queue in content["queues"]}
