"""Real infrastructure as pytest fixtures. The names here are for annotations, and cost nothing until used."""

from __future__ import annotations

TYPE_CHECKING = False  # the name that type checkers know; an idle plugin imports no typing

if TYPE_CHECKING:
    from infra_runtime.settings import is_test_environment
    from infra_runtime.stack import Endpoint, Stack
    from pytest_infra.fixtures import ServiceOf
    from pytest_infra.label import Label

__all__ = ["Endpoint", "Label", "ServiceOf", "Stack", "is_test_environment"]


def __getattr__(name: str) -> object:
    if name in {"Endpoint", "Stack"}:
        from infra_runtime import stack

        return getattr(stack, name)
    if name == "ServiceOf":
        from pytest_infra import fixtures

        return fixtures.ServiceOf
    if name == "Label":
        from pytest_infra import label

        return label.Label
    if name == "is_test_environment":
        from infra_runtime import settings

        return settings.is_test_environment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
