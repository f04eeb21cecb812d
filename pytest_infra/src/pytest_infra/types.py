"""What fixtures give, for annotations. It imports the runtime, so the plugin itself never imports it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

from infra_runtime.engines.local.stack import Endpoint, Stack
from pytest_infra.chaos import Chaos
from pytest_infra.isolation.unit import Unit
from pytest_infra.label import Label
from pytest_infra.proxy import Proxy
from pytest_infra.services.caddy.isolation import Host
from pytest_infra.services.postgres.migrations import Migrations

if TYPE_CHECKING:
    import httpx

__all__ = [
    "AsyncHttpClient",
    "Chaos",
    "Endpoint",
    "Host",
    "HttpClient",
    "Label",
    "Migrations",
    "Proxy",
    "ServiceOf",
    "Stack",
    "Unit",
    "UnitOf",
]

#: what `infra_service` is
ServiceOf: TypeAlias = Callable[[str], Endpoint]
#: what `infra_unit` is
UnitOf: TypeAlias = Callable[..., AbstractContextManager[Endpoint]]
#: what `http_client` and `http_async_client` are
HttpClient: TypeAlias = Callable[..., "httpx.Client"]
AsyncHttpClient: TypeAlias = Callable[..., "httpx.AsyncClient"]
