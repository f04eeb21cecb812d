"""The fixtures that every run has, and the objects behind them; each object is made when a test needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_infra.instances import Instances
from pytest_infra.notes import Notes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from infra_runtime.engines.local.stack import Endpoint, Stack
    from pytest_infra.allotment import Allotment
    from pytest_infra.driver_url import UrlFor
    from pytest_infra.isolation.unit import UnitOf
    from pytest_infra.label import Label
    from pytest_infra.session import ServiceOf, Session


def session_of(config: pytest.Config) -> Session:
    """Return the session of this process; with it, failed tests get their reports."""
    from pytest_infra.session import Session

    if Session.KEY not in config.stash:
        from pytest_infra.report.capsule import Capsules

        session = config.stash[Session.KEY] = Session(config)
        capsules = Capsules(session, config)
        session.on_open.append(capsules.opened)
        Notes.of(config).closing.callback(session.close)
        config.pluginmanager.register(capsules, "infra-capsules")
        config.pluginmanager.register(session.refusals, "infra-refusals")
    return config.stash[Session.KEY]


def allotment_of(config: pytest.Config) -> Allotment:
    """Return the units of this process."""
    from pytest_infra.allotment import Allotment

    if Allotment.KEY not in config.stash:
        allotment = config.stash[Allotment.KEY] = Allotment(session_of(config), config)
        Notes.of(config).closing.callback(allotment.close)
    return config.stash[Allotment.KEY]


@pytest.fixture(scope="session")
def infra_stack(request: pytest.FixtureRequest) -> Stack:
    """The whole stack, running: `infra_stack["api"].url`. One for the run, however many xdist workers."""
    return session_of(request.config).stack()


@pytest.fixture(scope="session")
def infra_service(request: pytest.FixtureRequest) -> ServiceOf:
    """A service by its name, started when it is asked for: `infra_service("api").url`, in any scope."""
    return session_of(request.config).service


@pytest.fixture
def infra_label(request: pytest.FixtureRequest) -> Label:
    """The name and the trace of this test as its services see it, for clients of one's own."""
    from pytest_infra import label

    return label.label_of(request.node)


@pytest.fixture(scope="session")
def infra_unit(request: pytest.FixtureRequest) -> UnitOf:
    """A unit of a service for a fixture of any scope: `with infra_unit("api") as unit:`."""
    from pytest_infra.label import running_test

    allotment = allotment_of(request.config)
    instances = Instances.of(request.config)

    def unit_of(service: str, label: str = "", **parameters: Any) -> AbstractContextManager[Endpoint]:
        instance = instances[service]
        for parameter in instance.kit.parameters:
            if parameters.get(parameter.name) is None:
                parameters[parameter.name] = request.getfixturevalue(instance.parameter_fixture(parameter))
        return allotment.unit(service, label or running_test(), parameters)

    return unit_of


@pytest.fixture(scope="session")
def infra_url(request: pytest.FixtureRequest) -> UrlFor:
    """The URL of a service or a unit as a driver takes it: `infra_url(api, "http")`."""
    from pytest_infra.driver_url import driver_url

    instances = Instances.of(request.config)

    def url_for(endpoint: Endpoint, driver: str) -> str:
        return driver_url(endpoint, driver, instances[endpoint.name].kit)

    return url_for
