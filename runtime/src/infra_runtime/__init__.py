"""Real infrastructure as one import.

    import infra_runtime as infra

    with infra.start("postgres", "nats") as stack:
        print(stack.postgres.url)

Names are imported when they are first asked for: the supervisor is part of this package, and it boots
in a few milliseconds because nothing here pulls in pydantic.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the name that type checkers know; importing typing would cost the guardian its boot

if TYPE_CHECKING:
    from infra_runtime.async_stack import AsyncStack, aattach, astart
    from infra_runtime.errors import InfraError
    from infra_runtime.stack import Endpoint, Stack, attach, start

__all__ = ["AsyncStack", "Endpoint", "InfraError", "Stack", "aattach", "astart", "attach", "start"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "InfraError":
        from infra_runtime import errors

        return errors.InfraError
    if name in {"AsyncStack", "aattach", "astart"}:
        from infra_runtime import async_stack  # asyncio is 20 ms, which the others don't need

        return getattr(async_stack, name)
    from infra_runtime import stack

    return getattr(stack, name)
