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
    """Yield a connected paho-mqtt client for the test's unit; a thread receives its messages."""
    library = context.library("paho.mqtt.client")
    opened = library.Client(library.CallbackAPIVersion.VERSION2)
    if unit.get("user"):
        opened.username_pw_set(unit["user"], unit["password"])
    answered = threading.Event()
    opened.on_connect = lambda *_: answered.set()
    opened.connect(unit.host, unit.port)
    opened.loop_start()
    try:
        if not answered.wait(PATIENCE):
            pytest.fail(
                f"the service {unit.name} has not answered the login of the client within {PATIENCE:g} s",
                pytrace=False,
            )
        opened.on_connect = None
        yield opened
    finally:
        opened.disconnect()
        opened.loop_stop()


async def async_client(context: FixtureContext, unit: Endpoint) -> AsyncIterator[aiomqtt.Client]:
    """Yield a connected aiomqtt client for the test's unit."""
    library = context.library("aiomqtt")
    login = {"username": unit["user"], "password": unit["password"]} if unit.get("user") else {}
    async with library.Client(unit.host, unit.port, **login) as opened:
        yield opened
