"""The client fixture of NATS; the client is connected to the account of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    from nats.aio.client import Client


async def client(context: FixtureContext, unit: Endpoint) -> AsyncIterator[Client]:
    """Yield a nats-py client that is connected to the account of the test."""
    library = context.library("nats")
    open_client = await library.connect(unit.url, name=context.label.name)
    try:
        yield open_client
    finally:
        await open_client.close()
