"""Real infrastructure as pytest fixtures. These names are for annotations, and are imported when used."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers recognise this name; an idle plugin does not import typing

if TYPE_CHECKING:
    from infra_runtime.config.resolve import is_test_environment
    from pytest_infra.kit import KitFixture, Parameter, ServiceKit
    from pytest_infra.kit_context import FixtureContext, KitContext
    from pytest_infra.types import (
        AsyncHttpClient,
        Chaos,
        Endpoint,
        Host,
        HttpClient,
        Label,
        Migrations,
        Proxy,
        ServiceOf,
        Stack,
        Unit,
        UnitOf,
        Units,
        UrlFor,
    )

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
    "is_test_environment",
]

#: the names that the module of a kit imports; they do not import the runtime
_KIT = frozenset({"KitFixture", "Parameter", "ServiceKit"})


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _KIT:
        from pytest_infra import kit

        return getattr(kit, name)
    if name == "is_test_environment":
        from infra_runtime.config import resolve

        return resolve.is_test_environment
    from pytest_infra import types

    return getattr(types, name)
