"""The plugin's face to pytest: options in, fixtures out. Nothing heavy is imported until a test wants it."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from pytest_infra import chaos, fixtures, openapi, options, scopes, service_fixtures
from pytest_infra.chaos import infra_chaos
from pytest_infra.fixtures import (
    infra_label,
    infra_postgres_migrations,
    infra_service,
    infra_stack,
    infra_unit,
)
from pytest_infra.isolation import clients, hooks, variants
from pytest_infra.openapi import openapi_snapshot
from pytest_infra.run import Run

__all__ = [
    "infra_chaos",
    "infra_label",
    "infra_postgres_migrations",
    "infra_service",
    "infra_stack",
    "infra_unit",
    "openapi_snapshot",
]

ENVIRONMENT = "INFRA_ENV"
#: the plugin that has the fixtures of the services
SERVICES = "infra-services"
MARKER = (
    "infra(*services, profile=None): start these services before the test, or those of a profile; "
    "without arguments the whole stack (pytest-infra)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini values."""
    options.add(parser)
    openapi.add(parser)
    variants.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """The hook for services of one's own."""
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any conftest: they may ask which environment this is, and bring fixtures that use ours."""
    _begin(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """The marker; and who looks after the stacks of the whole run, where xdist's workers are not."""
    if not config.pluginmanager.has_plugin(SERVICES):
        _begin(config)  # a conftest has brought the plugin
    config.addinivalue_line("markers", MARKER)
    config.addinivalue_line("markers", variants.MARKER)
    config.addinivalue_line("markers", chaos.MARKER)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Run(), "infra-run")


def _begin(config: pytest.Config) -> None:
    """The environment of the run, and a fixture for each service and client.

    Fixtures of plugins that are loaded later, as by a conftest's `pytest_plugins`, come before ours and may
    ask for ours by the same name. Plugins that were there earlier keep theirs.
    """
    before = os.environ.get(ENVIRONMENT)

    def restore() -> None:
        if before is None:
            os.environ.pop(ENVIRONMENT, None)
        else:
            os.environ[ENVIRONMENT] = before

    chosen = options.read(config)
    config.add_cleanup(restore)
    os.environ[ENVIRONMENT] = chosen.environment
    variants.variants(config)  # a mistake is told now, and not by the first test
    services = fixtures.of_services(service_fixtures.services(chosen), variants.scopes(config))
    for name, plugin in ((SERVICES, services), ("infra-clients", clients.of(config))):
        for fixture in service_fixtures.elsewhere(config, vars(plugin)):
            delattr(plugin, fixture)
        config.pluginmanager.register(plugin, name)


# The innermost of the wrappers: when it fails, those around it have begun, and may end in peace.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """What the marker asks for is there before the first fixture; one that asks for too much is advised."""
    for marker in item.iter_markers("infra"):
        if unknown := ", ".join(marker.kwargs.keys() - {"profile"}):
            pytest.fail(
                f"the marker infra takes names of services and `profile`, not {unknown}", pytrace=False
            )
        fixtures.session_of(item.config).require(*marker.args, **marker.kwargs)
    try:
        yield
    except pytest.fail.Exception as error:
        # Pytest raises the same one for the next test.
        if (advice := scopes.advice(item.config, error.msg or "")) and advice not in str(error.msg):
            error.msg = f"{error.msg}\n{advice}"
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """The trouble that a marker asks for, while the test runs."""
    with chaos.marked(item):
        yield


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """After the last fixture was torn down: take the units away, and give the stack back."""
    if fixtures.ALLOTMENT in session.config.stash:
        session.config.stash[fixtures.ALLOTMENT].close()
    if fixtures.SESSION in session.config.stash:
        session.config.stash[fixtures.SESSION].close()
