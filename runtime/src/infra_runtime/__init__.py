"""Functions that start real services for Python tests and local development.

    import infra_runtime as infra

    with infra.start("postgres", "nats") as stack:
        print(stack.postgres.url)

Each public name is imported at its first use. An import of pydantic in this module would slow the start of
the supervisor, which is part of this package.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers recognise this name; importing typing would slow the guardian's boot

if TYPE_CHECKING:
    from infra_runtime.config.resolve import is_test_environment
    from infra_runtime.engines.local.async_stack import AsyncStack, aattach, astart
    from infra_runtime.engines.local.engine import attach, start
    from infra_runtime.engines.local.stack import Endpoint, Stack
    from infra_runtime.errors import InfraError

__all__ = [
    "AsyncStack",
    "Endpoint",
    "InfraError",
    "Stack",
    "aattach",
    "astart",
    "attach",
    "is_test_environment",
    "start",
]
__version__ = "0.1.0"

#: public name → the module that defines it
_MODULES = {
    "AsyncStack": "engines.local.async_stack",
    "Endpoint": "engines.local.stack",
    "InfraError": "errors",
    "Stack": "engines.local.stack",
    "aattach": "engines.local.async_stack",
    "astart": "engines.local.async_stack",
    "attach": "engines.local.engine",
    "is_test_environment": "config.resolve",
    "start": "engines.local.engine",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
