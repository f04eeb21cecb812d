"""The client fixtures of Valkey, which log in as the user of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import valkey
    import valkey.asyncio


def client(context: FixtureContext, unit: Endpoint) -> Iterator[valkey.Valkey]:
    """Yield a synchronous client of Valkey for the test's unit; the client returns texts (`str`)."""
    library = context.library("valkey", "redis")
    opened = library.from_url(unit.url, decode_responses=True, client_name=context.label.name)
    try:
        yield opened
    finally:
        opened.close()


async def async_client(context: FixtureContext, unit: Endpoint) -> AsyncIterator[valkey.asyncio.Valkey]:
    """Yield an asynchronous client of Valkey for the test's unit; the client returns texts (`str`)."""
    library = context.library("valkey.asyncio", "redis.asyncio")
    opened = library.from_url(unit.url, decode_responses=True, client_name=context.label.name)
    try:
        yield opened
    finally:
        await opened.aclose()
