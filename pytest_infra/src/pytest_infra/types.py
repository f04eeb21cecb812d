"""The types of the fixtures' values, for annotations. An idle plugin does not import this module."""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint, Stack
from pytest_infra.chaos import Chaos
from pytest_infra.driver_url import UrlFor
from pytest_infra.http_clients import AsyncHttpClient, HttpClient
from pytest_infra.isolation.host import Host
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.isolation.unit import Unit, UnitOf, Units
from pytest_infra.kit import KitFixture, Parameter, ServiceKit
from pytest_infra.kit_context import FixtureContext, KitContext
from pytest_infra.label import Label
from pytest_infra.proxy import Proxy
from pytest_infra.session import ServiceOf

__all__ = [
    "AsyncHttpClient",
    "Chaos",
    "Endpoint",
    "FixtureContext",
    "Host",
    "HttpClient",
    "KitContext",
    "KitFixture",
    "Label",
    "Migrations",
    "Parameter",
    "Proxy",
    "ServiceKit",
    "ServiceOf",
    "Stack",
    "Unit",
    "UnitOf",
    "Units",
    "UrlFor",
]
