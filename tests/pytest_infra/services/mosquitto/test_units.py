"""The units of Mosquitto: a topic prefix for each test, with its own user."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("mosquitto")

INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
TESTS = """
import json, queue
import pytest
from pytest_infra.services.mosquitto.dump import dump
from pytest_infra.services.mosquitto.protocol import MqttConnection

def subscribed(client, topic):
    messages, answers = queue.Queue(), queue.Queue()
    client.on_message = lambda client, data, message: messages.put(message)
    client.on_subscribe = lambda client, data, number, codes, properties: answers.put(codes)
    client.subscribe(topic, qos=1)
    (code,) = answers.get(timeout=60)
    return None if code.is_failure else messages

@pytest.mark.parametrize("number", range(8))
def test_each_test_has_its_own_topics(mosquitto, mosquitto_client, number):
    topic = mosquitto.prefix + "stock"
    messages = subscribed(mosquitto_client, mosquitto.prefix + "#")
    assert mosquitto_client.publish(topic, number, qos=1, retain=True).wait_for_publish(60) is None
    assert messages.get(timeout=60).payload == str(number).encode()
    for forbidden in ("#", "+/stock", "other/#", "$SYS/#", "$CONTROL/#", "$share/group/#"):
        assert subscribed(mosquitto_client, forbidden) is None
    mosquitto_client.publish("stock", "for others", qos=1).wait_for_publish(60)
    assert subscribed(mosquitto_client, f"$share/group/{topic}") is not None

def test_a_unit_is_removed(infra_stack, infra_unit):
    with MqttConnection(infra_stack.mosquitto) as connection:
        with infra_unit("mosquitto") as unit:
            client = MqttConnection(unit)
            for number in range(1200):
                client.publish(f"{unit.prefix}{number}", b"x", retain=True)
            client.synchronize()
            assert connection.retained(unit.prefix)
        assert connection.retained(unit.prefix) == []
        assert "stock" not in {message.topic for message in connection.retained("")}
    with pytest.raises(Exception, match="refuses the login"):
        MqttConnection(unit)
    with pytest.raises(ConnectionError):
        client.synchronize()
    client.close()

def test_example(mosquitto):
    with MqttConnection(mosquitto) as client:
        client.publish(mosquitto.prefix + "before", b"1", retain=True)
        client.synchronize()
        with mosquitto.example():
            assert client.retained(mosquitto.prefix) == []

def test_dump(mosquitto, tmp_path):
    with MqttConnection(mosquitto) as client:
        for number in range(150):
            client.publish(mosquitto.prefix + "stock", str(number).encode())
        client.publish(mosquitto.prefix + "long", b"x" * 100_000)
        client.publish(mosquitto.prefix + "state", b"\\xff", retain=True)
        client.synchronize()
    (path,) = dump(mosquitto, tmp_path)
    written = json.loads(path.read_text())
    assert len(written["published"]) == 100
    assert written["published"][-3] == {"topic": mosquitto.prefix + "stock", "bytes": 3, "value": "149"}
    assert written["published"][-2]["bytes"] == 100_000
    assert len(written["published"][-2]["value"]) < 2100
    assert written["retained"] == {mosquitto.prefix + "state": {"bytes": 1, "value": "\\\\xff"}}

@pytest.mark.asyncio
async def test_the_asynchronous_client(mosquitto, mosquitto_async_client):
    await mosquitto_async_client.subscribe(mosquitto.prefix + "#", qos=1)
    await mosquitto_async_client.publish(mosquitto.prefix + "stock", 7, qos=1)
    assert (await anext(aiter(mosquitto_async_client.messages))).payload == b"7"

@pytest.mark.infra_exclusive("mosquitto")
def test_a_restart(mosquitto, mosquitto_client, infra_chaos):
    connected = queue.Queue()
    mosquitto_client.on_connect = lambda *_: connected.put(None)
    infra_chaos.crash("mosquitto")
    connected.get(timeout=60)
    messages = subscribed(mosquitto_client, mosquitto.prefix + "#")
    mosquitto_client.publish(mosquitto.prefix + "stock", 1)
    assert messages.get(timeout=60).payload == b"1"

@pytest.mark.infra_shared
def test_isolation_is_off(mosquitto, mosquitto_client):
    assert subscribed(mosquitto_client, "#") is not None
    assert mosquitto.url_for("mqtt") == mosquitto.url
"""


def test_the_units_and_clients_of_two_workers(suite: Suite) -> None:
    for library in ("paho.mqtt", "aiomqtt", "pytest_asyncio", "xdist"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio", "xdist")
    suite.pytester.makeini(INI)
    suite.stack("[services.mosquitto]\n")
    suite.test(TESTS)

    suite.run("-n2").assert_outcomes(passed=14)


WITHOUT_PASSWORD = """
def test_it(mosquitto, mosquitto_client):
    assert "password" not in mosquitto
    mosquitto_client.publish(mosquitto.prefix + "stock", 1, qos=1).wait_for_publish(60)
"""


def test_without_a_password_a_unit_is_only_a_prefix(suite: Suite) -> None:
    pytest.importorskip("paho.mqtt")
    suite.stack("[services.mosquitto]\nauth = false\n")
    suite.test(WITHOUT_PASSWORD)

    suite.run().assert_outcomes(passed=1)
