"""What users choose: how wide a unit's scope is, and how a service is isolated, or not at all."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import pytest

# `package` is none: pytest makes a plugin's fixture of that scope once for the session.
Scope: TypeAlias = Literal["function", "class", "module", "session"]
OFF: Final = "off"
#: service → its variants, the default first
VARIANTS: dict[str, tuple[str, ...]] = {
    "postgres": ("database",),
    "nats": ("account",),
    "valkey": ("database", "prefix"),
    "pocketbase": ("copy",),
    "caddy": ("host",),
}
MARKER = (
    "infra_shared(*services): these tests get these services whole and shared, no unit of their own; "
    "without arguments all services (pytest-infra)"
)


def add(parser: pytest.Parser) -> None:
    """The ini values."""
    parser.addini("infra_scope", "`SERVICE: SCOPE`, a line each: what shares a unit", type="linelist")
    parser.addini(
        "infra_isolation", "`SERVICE: VARIANT`, a line each; `off` shares the service", type="linelist"
    )
    parser.addini(
        "infra_postgres_migrations",
        "a folder of SQL files, an alembic.ini, or MODULE:FUNCTION",
        default="",
    )


def scopes(config: pytest.Config) -> dict[str, Scope]:
    """Service → the scope of its fixture, where it is not `function`."""
    found: dict[str, Scope] = {}
    for service, text in _table(config, "infra_scope").items():
        for scope in get_args(Scope):
            if text == scope:
                found[service] = scope
        if service not in found:
            raise pytest.UsageError(
                f"infra_scope: {text!r} is no scope; there are: {', '.join(get_args(Scope))}"
            )
    return found


def variants(config: pytest.Config) -> dict[str, str]:
    """Service → the variant that was chosen."""
    found = _table(config, "infra_isolation")
    for service, variant in found.items():
        known = (*VARIANTS.get(service, ()), OFF)
        if variant not in known:
            raise pytest.UsageError(
                f"infra_isolation: {service} has no variant {variant!r}; there are: {', '.join(known)}"
            )
    return found


def _table(config: pytest.Config, name: str) -> dict[str, str]:
    lines = [line.partition(":") for line in config.getini(name)]
    for service, colon, value in lines:
        if not colon:
            raise pytest.UsageError(f"{name}: {service + value!r} should be `SERVICE: VALUE`")
    return {service.strip(): value.strip() for service, _, value in lines}


def shared(request: pytest.FixtureRequest, service: str) -> bool:
    """Whether the marker says so."""
    marks = list(request.node.iter_markers("infra_shared"))
    return any(not mark.args or service in mark.args for mark in marks)
