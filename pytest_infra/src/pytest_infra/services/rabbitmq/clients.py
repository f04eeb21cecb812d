"""The client fixtures of RabbitMQ, of the libraries pika and aio-pika."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel
    from pika.adapters.blocking_connection import BlockingChannel


def channel(context: FixtureContext, unit: Endpoint) -> Iterator[BlockingChannel]:
    """Yield a channel of pika that waits until the server has confirmed each published message."""
    library = context.library("pika")
    parameters = library.URLParameters(unit.url)
    parameters.client_properties = {"connection_name": context.label.name}
    connection = library.BlockingConnection(parameters)
    try:
        open_channel = connection.channel()
        open_channel.confirm_delivery()
        yield open_channel
    finally:
        if connection.is_open:
            connection.close()


async def async_channel(context: FixtureContext, unit: Endpoint) -> AsyncIterator[AbstractChannel]:
    """Yield a channel of aio-pika with publisher confirms; a message that no queue receives is an error."""
    library = context.library("aio_pika")
    connection = await library.connect(unit.url, client_properties={"connection_name": context.label.name})
    async with connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)
