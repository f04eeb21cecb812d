"""The fixtures that exist in every run; a fixture imports the modules that it needs when a test uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_infra.instances import Instances

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from infra_runtime.engines.local.stack import Endpoint, Stack
    from pytest_infra.chaos import Chaos
    from pytest_infra.driver_url import UrlFor
    from pytest_infra.isolation.unit import UnitOf
    from pytest_infra.label import Label
    from pytest_infra.logs import Logs
    from pytest_infra.openapi import OpenapiSnapshot
    from pytest_infra.session import ServiceOf


@pytest.fixture(scope="session")
def infra_stack(request: pytest.FixtureRequest) -> Stack:
    """The whole running stack: `infra_stack["api"].url`. All workers of pytest-xdist share the stack."""
    from pytest_infra import process

    return process.session_of(request.config).stack()


@pytest.fixture(scope="session")
def infra_service(request: pytest.FixtureRequest) -> ServiceOf:
    """A function that starts a service and returns its endpoint: `infra_service("api")`.

    Fixtures of every scope can use this fixture.
    """
    from pytest_infra import process

    process.session_of(request.config)  # the session measures the fixtures that use `infra_service`

    def service_of(name: str) -> Endpoint:
        return process.session_of(request.config).service(name)  # a forked child has its own session

    return service_of


@pytest.fixture
def infra_label(request: pytest.FixtureRequest) -> Label:
    """The name and the HTTP headers by which services identify this test, for your own clients."""
    from pytest_infra import label

    return label.label_of(request.node)


@pytest.fixture
def infra_logs(request: pytest.FixtureRequest) -> Logs:
    """The lines that services log during the test: `infra_logs.wait_for("api", "order created")`."""
    from pytest_infra.logs import Logs

    return Logs(request.config)


@pytest.fixture(scope="session")
def infra_unit(request: pytest.FixtureRequest) -> UnitOf:
    """A function that creates an isolation unit of a service: `with infra_unit("api") as unit:`.

    Fixtures of every scope can use this fixture.
    """
    from pytest_infra import process
    from pytest_infra.label import running_test

    # The registry is created before the fixtures that use `infra_unit`, so it is closed after them.
    process.unit_registry_of(request.config)
    instances = Instances.of(request.config)

    def unit_of(service: str, label: str = "", **parameters: Any) -> AbstractContextManager[Endpoint]:
        instance = instances[service]
        for parameter in instance.kit.parameters:
            if parameters.get(parameter.name) is None:
                parameters[parameter.name] = request.getfixturevalue(instance.parameter_fixture(parameter))
        registry = process.unit_registry_of(request.config)  # a forked child has its own registry
        return registry.unit(service, label or running_test(), parameters)

    return unit_of


@pytest.fixture(scope="session")
def infra_url(request: pytest.FixtureRequest) -> UrlFor:
    """A function that returns the URL of a service or unit for a driver, like `api.url_for("http")`."""
    instances = Instances.of(request.config)

    def url_for(endpoint: Endpoint, driver: str) -> str:
        endpoint.driver_urls = endpoint.driver_urls or dict(instances[endpoint.name].kit.urls)
        return endpoint.url_for(driver)

    return url_for


@pytest.fixture
def infra_chaos(request: pytest.FixtureRequest) -> Iterator[Chaos]:
    """Causes faults in services: `with infra_chaos.paused("api"): …`. No fault outlasts the test."""
    from pytest_infra.chaos import Chaos

    chaos = Chaos(request.config)
    try:
        yield chaos
    finally:
        chaos.close()


@pytest.fixture
def openapi_snapshot(request: pytest.FixtureRequest) -> OpenapiSnapshot:
    """Compares an API with its snapshot: `openapi_snapshot.check(app)` fails if a change is breaking."""
    from pytest_infra.openapi import OpenapiSnapshot

    return OpenapiSnapshot(request.config)
