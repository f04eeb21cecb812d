"""The client fixtures of Mosquitto; the clients log in as the user of the test."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import aiomqtt
    from paho.mqtt.client import Client

#: seconds to wait for the answer to the login
PATIENCE = 10.0


def client(context: FixtureContext, unit: Endpoint) -> Iterator[Client]:
    """Yield a paho-mqtt client whose login at the test's unit was answered; a thread receives messages."""
    library = context.library("paho.mqtt.client")
    open_client = library.Client(library.CallbackAPIVersion.VERSION2)
    if unit.get("user"):
        open_client.username_pw_set(unit["user"], unit["password"])
    answered = threading.Event()
    open_client.on_connect = lambda *_: answered.set()
    open_client.connect(unit.host, unit.port)
    open_client.loop_start()
    try:
        if not answered.wait(PATIENCE):
            pytest.fail(
                f"the service {unit.name} has not answered the login of the client within {PATIENCE:g} s",
                pytrace=False,
            )
        open_client.on_connect = None
        yield open_client
    finally:
        open_client.disconnect()
        open_client.loop_stop()


async def async_client(context: FixtureContext, unit: Endpoint) -> AsyncIterator[aiomqtt.Client]:
    """Yield a connected aiomqtt client for the test's unit."""
    library = context.library("aiomqtt")
    login = {"username": unit["user"], "password": unit["password"]} if unit.get("user") else {}
    async with library.Client(unit.host, unit.port, **login) as open_client:
        yield open_client
