"""Real infrastructure as pytest fixtures.

The names in this package are types for annotations in tests, the classes of service kits, and the function
`is_test_environment`. Each name is imported when it is used for the first time, so that the import of the
package is fast.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers recognise this name; an idle plugin does not import typing

if TYPE_CHECKING:
    from infra_runtime.config.resolve import is_test_environment
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
    from pytest_infra.logs import LogLine, Logs
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
    "LogLine",
    "Logs",
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
    "is_test_environment",
]

#: name → the module that defines it
_MODULES = {
    "AsyncHttpClient": "pytest_infra.http_clients",
    "Chaos": "pytest_infra.chaos",
    "Endpoint": "infra_runtime.engines.local.stack",
    "FixtureContext": "pytest_infra.kit_context",
    "Host": "pytest_infra.isolation.host",
    "HttpClient": "pytest_infra.http_clients",
    "KitContext": "pytest_infra.kit_context",
    "KitFixture": "pytest_infra.kit",
    "Label": "pytest_infra.label",
    "LogLine": "pytest_infra.logs",
    "Logs": "pytest_infra.logs",
    "Migrations": "pytest_infra.isolation.migrations",
    "Parameter": "pytest_infra.kit",
    "Proxy": "pytest_infra.proxy",
    "ServiceKit": "pytest_infra.kit",
    "ServiceOf": "pytest_infra.session",
    "Stack": "infra_runtime.engines.local.stack",
    "Unit": "pytest_infra.isolation.unit",
    "UnitOf": "pytest_infra.isolation.unit",
    "Units": "pytest_infra.isolation.unit",
    "UrlFor": "pytest_infra.driver_url",
    "is_test_environment": "infra_runtime.config.resolve",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
