"""The settings of the user for a service: the scope of its fixture, and the variant of its isolation."""

from __future__ import annotations

from typing import Any, Final, get_args

import pytest

from pytest_infra.instances import Instances
from pytest_infra.kit import Scope

OFF: Final = "off"
MARKER = (
    "infra_shared(*services): these tests share the servers of these services, without isolation; "
    "without arguments, this applies to all services (pytest-infra)"
)
ISOLATION_MARKER = (
    "infra_isolation(SERVICE=VARIANT): the variant that isolates these tests; the marker has priority over "
    "the ini value infra_isolation (pytest-infra)"
)
PARAMETERS_MARKER = (
    "infra_parameters(service, **parameters): parameters, such as migrations, for the units of a service in "
    "these tests; the marker has priority over the fixtures of the parameters (pytest-infra)"
)


def add(parser: pytest.Parser) -> None:
    """Add the ini values `infra_scope` and `infra_isolation`."""
    parser.addini(
        "infra_scope",
        (
            "lines `SERVICE: SCOPE`; the tests of a scope (function, class, module, session) share an "
            "isolation unit"
        ),
        type="linelist",
    )
    parser.addini(
        "infra_isolation",
        (
            "lines `SERVICE: VARIANT`; the variant defines how tests are isolated, and with `off` all tests "
            "share the server"
        ),
        type="linelist",
    )


def scopes(config: pytest.Config) -> dict[str, Scope]:
    """Return a mapping from service to the scope of its fixture, from the ini value `infra_scope`."""
    scopes_of_services: dict[str, Scope] = {}
    for service, text in _table(config, "infra_scope").items():
        for scope in get_args(Scope):
            if text == scope:
                scopes_of_services[service] = scope
        if service not in scopes_of_services:
            raise pytest.UsageError(
                f"infra_scope: {text!r} is not a scope; choose one of {', '.join(get_args(Scope))}"
            )
    return scopes_of_services


def variants(config: pytest.Config) -> dict[str, str]:
    """Return a mapping from service to the variant of its isolation, from `infra_isolation`."""
    variants_of_services = _table(config, "infra_isolation")
    for service, variant in variants_of_services.items():
        if problem := _problem(config, service, variant):
            raise pytest.UsageError(f"infra_isolation: {problem}")
    return variants_of_services


def marked_variant(request: pytest.FixtureRequest, service: str) -> str:
    """Return the variant for a service in a test's markers `infra_isolation`; empty if they have none."""
    for mark in request.node.iter_markers("infra_isolation"):
        for name, variant in mark.kwargs.items():
            if name in {service, service.replace("-", "_")}:
                if problem := _problem(request.config, service, variant):
                    pytest.fail(f"the marker `infra_isolation`: {problem}", pytrace=False)
                return str(variant)
    return ""


def parameters(request: pytest.FixtureRequest, service: str) -> dict[str, Any]:
    """Return the parameters for a service in a test's markers; the nearest marker has priority."""
    values: dict[str, Any] = {}
    for mark in request.node.iter_markers("infra_parameters"):
        if service in mark.args:
            values = {**mark.kwargs, **values}
    return values


def _problem(config: pytest.Config, service: str, variant: object) -> str:
    """Return the reason why a service cannot use a variant; empty if the service can use it."""
    allowed = (*Instances.of(config)[service].kit.variants, OFF)
    if variant in allowed:
        return ""
    kinds = sorted(
        {
            instance.kit.kind
            for instance in Instances.of(config).fixtures().values()
            if variant in instance.kit.variants
        }
    )
    kinds_with_variant = f"; these kinds have this variant: {', '.join(kinds)}" if kinds else ""
    return f"{service} has no variant {variant!r}; choose one of {', '.join(allowed)}{kinds_with_variant}"


def _table(config: pytest.Config, name: str) -> dict[str, str]:
    lines = [line.partition(":") for line in config.getini(name)]
    for service, colon, value in lines:
        if not colon:
            raise pytest.UsageError(f"{name}: {service + value!r} must have the form `SERVICE: VALUE`")
    return {service.strip(): value.strip() for service, _, value in lines}


def shared(request: pytest.FixtureRequest, service: str) -> bool:
    """Return whether a test has the marker `infra_shared` for a service."""
    marks = list(request.node.iter_markers("infra_shared"))
    return any(not mark.args or service in mark.args for mark in marks)
