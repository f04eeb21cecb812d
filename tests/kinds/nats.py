"""NATS in the contract suite: a value is the last message of a subject in a stream."""

from __future__ import annotations

import asyncio

import nats as library
from nats.js.errors import NotFoundError

from infra_runtime.engines.local.stack import Endpoint

STREAM = "contract"


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Publish a message to the stream, which is created with the first."""

    async def publish() -> None:
        async with await library.connect(endpoint["url"]) as client:
            stream = client.jetstream()
            await stream.add_stream(name=STREAM, subjects=[f"{STREAM}.*"])
            await stream.publish(f"{STREAM}.{name}", value.encode())

    asyncio.run(publish())


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the last message of the subject."""

    async def last() -> str | None:
        async with await library.connect(endpoint["url"]) as client:
            try:
                message = await client.jetstream().get_last_msg(STREAM, f"{STREAM}.{name}")
            except NotFoundError:
                return None
        return (message.data or b"").decode()

    return asyncio.run(last())
