"""What users choose for a service: the scope of its fixture, and how it is isolated, or not at all."""

from __future__ import annotations

from typing import Final, get_args

import pytest

from pytest_infra.instances import Instances
from pytest_infra.kit import Scope

OFF: Final = "off"
MARKER = (
    "infra_shared(*services): these tests get these services whole and shared, no unit of their own; "
    "without arguments all services (pytest-infra)"
)


def add(parser: pytest.Parser) -> None:
    """Add the ini values."""
    parser.addini("infra_scope", "`SERVICE: SCOPE`, a line each: what shares a unit", type="linelist")
    parser.addini(
        "infra_isolation", "`SERVICE: VARIANT`, a line each; `off` shares the service", type="linelist"
    )


def scopes(config: pytest.Config) -> dict[str, Scope]:
    """Return service → the scope of its fixture, where it is not `function`."""
    chosen: dict[str, Scope] = {}
    for service, text in _table(config, "infra_scope").items():
        for scope in get_args(Scope):
            if text == scope:
                chosen[service] = scope
        if service not in chosen:
            raise pytest.UsageError(
                f"infra_scope: {text!r} is no scope; there are: {', '.join(get_args(Scope))}"
            )
    return chosen


def variants(config: pytest.Config) -> dict[str, str]:
    """Return service → the variant that was chosen."""
    chosen = _table(config, "infra_isolation")
    for service, variant in chosen.items():
        known = (*Instances.of(config)[service].kit.variants, OFF)
        if variant not in known:
            raise pytest.UsageError(
                f"infra_isolation: {service} has no variant {variant!r}; there are: {', '.join(known)}"
            )
    return chosen


def _table(config: pytest.Config, name: str) -> dict[str, str]:
    lines = [line.partition(":") for line in config.getini(name)]
    for service, colon, value in lines:
        if not colon:
            raise pytest.UsageError(f"{name}: {service + value!r} should be `SERVICE: VALUE`")
    return {service.strip(): value.strip() for service, _, value in lines}


def shared(request: pytest.FixtureRequest, service: str) -> bool:
    """Return whether the marker `infra_shared` is there for a service."""
    marks = list(request.node.iter_markers("infra_shared"))
    return any(not mark.args or service in mark.args for mark in marks)
