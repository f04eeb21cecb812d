"""The client fixtures of Valkey and Redis; the clients log in as the user of the test.

valkey-py is a fork of redis-py: each library can connect to Valkey and to Redis. The order in `install` of
the kit determines which library is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import valkey
    import valkey.asyncio

LIBRARIES = frozenset({"valkey", "redis"})


def client(context: FixtureContext, unit: Endpoint) -> Iterator[valkey.Valkey]:
    """Yield a synchronous client for the test's unit; the client returns strings (`str`)."""
    library = context.library(*_libraries(context))
    opened = library.from_url(unit.url, decode_responses=True, client_name=context.label.name)
    try:
        yield opened
    finally:
        opened.close()


async def async_client(context: FixtureContext, unit: Endpoint) -> AsyncIterator[valkey.asyncio.Valkey]:
    """Yield an asynchronous client for the test's unit; the client returns strings (`str`)."""
    library = context.library(*(f"{name}.asyncio" for name in _libraries(context)))
    opened = library.from_url(unit.url, decode_responses=True, client_name=context.label.name)
    try:
        yield opened
    finally:
        await opened.aclose()


def _libraries(context: FixtureContext) -> list[str]:
    """Return the libraries, in the order in which they are tried: the order of `install` in the kit."""
    return [name for name in context.install if name in LIBRARIES]
