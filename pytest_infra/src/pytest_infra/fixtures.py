"""The fixtures. Each is a few lines: what they ask for is done by the session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pytest_infra.isolation import variants

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from infra_runtime.engines.local.stack import Endpoint, Stack
    from pytest_infra.isolation.registry import Allotment
    from pytest_infra.isolation.variants import Scope
    from pytest_infra.label import Label
    from pytest_infra.services.postgres.migrations import Source
    from pytest_infra.session import Session
    from pytest_infra.types import ServiceOf, UnitOf

SESSION: pytest.StashKey[Session] = pytest.StashKey()
ALLOTMENT: pytest.StashKey[Allotment] = pytest.StashKey()


def session_of(config: pytest.Config) -> Session:
    """The session of this process, made when it is first asked for."""
    if SESSION not in config.stash:
        from pytest_infra.session import Session

        config.stash[SESSION] = Session(config)
    return config.stash[SESSION]


def allotment_of(config: pytest.Config) -> Allotment:
    """Who has which unit in this process; made when a unit is first asked for."""
    if ALLOTMENT not in config.stash:
        from pytest_infra.isolation.registry import Allotment

        config.stash[ALLOTMENT] = Allotment(session_of(config), config)
    return config.stash[ALLOTMENT]


@pytest.fixture(scope="session")
def infra_stack(request: pytest.FixtureRequest) -> Stack:
    """The whole stack, running: `infra_stack.postgres.url`. One for the run, however many xdist workers."""
    return session_of(request.config).stack()


@pytest.fixture(scope="session")
def infra_service(request: pytest.FixtureRequest) -> ServiceOf:
    """A service by its name, started when it is asked for: `infra_service("postgres").url`, in any scope."""
    return session_of(request.config).service


@pytest.fixture
def infra_label(request: pytest.FixtureRequest) -> Label:
    """This test as its services see it, for clients of one's own: `.headers`, `.name`."""
    return label_of(request.node)


def label_of(item: pytest.Item) -> Label:
    """A test's label."""
    from pytest_infra import label

    return label.Label.of(item.nodeid, label.run_id())


def running_test() -> str:
    """The id of the test that runs."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]


@pytest.fixture(scope="session")
def infra_unit(request: pytest.FixtureRequest) -> UnitOf:
    """A unit of a service for a fixture of any scope: `with infra_unit("postgres") as unit:`."""
    allotment = allotment_of(request.config)

    def unit_of(
        service: str, label: str = "", *, migrations: Source = None
    ) -> AbstractContextManager[Endpoint]:
        if service == "postgres" and migrations is None:
            migrations = request.getfixturevalue("infra_postgres_migrations")
        return allotment.unit(service, label or running_test(), migrations=migrations)

    return unit_of


@pytest.fixture(scope="session")
def infra_postgres_migrations(request: pytest.FixtureRequest) -> Source:
    """What makes the template of every test's database. Override it with a path, or with a callable."""
    return str(request.config.getini("infra_postgres_migrations"))


def of_services(services: Mapping[str, str], scopes: Mapping[str, Scope]) -> ModuleType:
    """A plugin that has a fixture for each service."""
    plugin = ModuleType("pytest_infra.services")
    for fixture, service in services.items():
        setattr(plugin, fixture, _fixture(fixture, service, scopes.get(service, "function")))
    return plugin


def _fixture(name: str, service: str, scope: Scope) -> object:
    # It names the other fixture, so that pytest knows of it: `--setup-plan`, overriding, scopes.
    def of_postgres(request: pytest.FixtureRequest, infra_postgres_migrations: Source) -> Iterator[Endpoint]:
        yield from _unit(request, service, infra_postgres_migrations)

    def of_another(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
        yield from _unit(request, service)

    function: Callable[..., Iterator[Endpoint]] = of_postgres if service == "postgres" else of_another
    function.__doc__ = f"The test's own piece of {service}, made when a test first asks: `{name}.url`."
    return pytest.fixture(name=name, scope=scope)(function)


def _unit(request: pytest.FixtureRequest, service: str, migrations: Source = None) -> Iterator[Endpoint]:
    shared = variants.shared(request, service)
    with allotment_of(request.config).unit(
        service, request.node.nodeid, migrations=migrations, shared=shared
    ) as unit:
        yield unit
