"""The packets for the end of a topic prefix. `test_units.py` has the prefixes of a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.mosquitto.isolation import Topics
from pytest_infra.services.mosquitto.protocol import Message


class Broker:
    """A broker and the connection to it; it has retained messages and sends at most one at once."""

    def __init__(self, *topics: str) -> None:
        self._topics = list(topics)
        self.subscriptions = set[str]()

    def run(self, command: Callable[[Any], Any]) -> Any:
        return command(self)

    def subscribe(self, prefix: str) -> None:
        self.subscriptions.add(prefix)

    def unsubscribe(self, prefix: str) -> None:
        self.subscriptions.remove(prefix)

    def retained(self, prefix: str) -> list[Message]:
        self.subscribe(prefix)
        return [Message(topic, b"text", True) for topic in self._topics[:1]]

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        assert (payload, retain) == (b"", True)
        self._topics.remove(topic)


def test_the_connection_gets_no_messages_of_a_removed_prefix() -> None:
    """The messages of later clients with the same topics would stay in the memory of the test process."""
    broker: Any = Broker("t1/stock", "t1/price")
    unit = Topics(Endpoint("broker", {}, {"main": 1883}, "data"), broker, "t1", "test_it")
    unit.renew()

    unit.remove()

    assert broker.subscriptions == set()
    assert broker.retained("t1/") == []
