"""The fixtures `http_client` and `http_async_client`, which create HTTP clients for services of any kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext

if TYPE_CHECKING:
    import httpx

#: The types of the fixtures `http_client` and `http_async_client`.
HttpClient: TypeAlias = Callable[..., "httpx.Client"]
AsyncHttpClient: TypeAlias = Callable[..., "httpx.AsyncClient"]


def http_client(context: FixtureContext) -> Iterator[HttpClient]:
    """Yield a function that returns an httpx client for a service.

    The argument of the function is the name or the endpoint of the service whose URL the client uses.
    """
    library = context.library("httpx")
    clients: list[httpx.Client] = []

    def client(service: str | Endpoint, **options: Any) -> httpx.Client:
        clients.append(library.Client(**_client_options(context, service, options)))
        return clients[-1]

    try:
        yield client
    finally:
        for open_client in clients:
            open_client.close()


async def http_async_client(context: FixtureContext) -> AsyncIterator[AsyncHttpClient]:
    """Yield a function that returns an asynchronous httpx client for a service.

    The argument of the function is the name or the endpoint of the service whose URL the client uses.
    """
    library = context.library("httpx")
    clients: list[httpx.AsyncClient] = []

    def client(service: str | Endpoint, **options: Any) -> httpx.AsyncClient:
        clients.append(library.AsyncClient(**_client_options(context, service, options)))
        return clients[-1]

    try:
        yield client
    finally:
        for open_client in clients:
            await open_client.aclose()


def _client_options(
    context: FixtureContext, service: str | Endpoint, options: dict[str, Any]
) -> dict[str, Any]:
    request = context.request
    endpoint: Endpoint = (
        request.getfixturevalue(service.replace("-", "_")) if isinstance(service, str) else service
    )
    host, limits = {}, {}
    if "host_name" in endpoint:
        host = {"Host": endpoint["host_name"]}
        # A proxy closes idle connections some time after its routes have changed, possibly at the moment when
        # the client sends the next request.
        limits = {"limits": context.library("httpx").Limits(max_keepalive_connections=0)}
    # With `trust_env=False`, httpx ignores the proxies in environment variables, which cannot reach services
    # on this machine.
    return {
        "base_url": endpoint.url,
        "trust_env": False,
        **limits,
        **options,
        "headers": {**context.label.headers, **host, **options.get("headers", {})},
    }
