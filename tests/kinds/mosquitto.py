"""Mosquitto in the contract suite: a value is the retained message of a topic."""

from __future__ import annotations

from pathlib import Path

from paho.mqtt import publish

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.services.mosquitto.protocol import MqttConnection

_written = [""]


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Publish a retained message; in a unit, with its prefix."""
    login = {"username": endpoint["user"], "password": endpoint["password"]}
    topic = endpoint.get("prefix", "") + name
    publish.single(
        topic, value, qos=1, retain=True, hostname=endpoint.host, port=int(endpoint.port), auth=login
    )
    _written[:] = [value]


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the retained message of the topic."""
    topic = endpoint.get("prefix", "") + name
    with MqttConnection(endpoint) as connection:
        messages = connection.retained(endpoint.get("prefix", ""))
    return next((message.payload.decode() for message in messages if message.topic == topic), None)


def settled(endpoint: Endpoint) -> bool:
    """Return whether the message is on disk: the broker answers first, and then writes the file."""
    file = Path(str(endpoint.data)) / "mosquitto.db"
    return file.exists() and _written[0].encode() in file.read_bytes()
