"""The hooks and fixtures of the pytest plugin; large modules are imported when a test needs them."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from pytest_infra import hooks, options, service_fixtures, variants
from pytest_infra.fixtures import (
    infra_chaos,
    infra_label,
    infra_logs,
    infra_service,
    infra_stack,
    infra_unit,
    infra_url,
    openapi_snapshot,
)
from pytest_infra.notes import Notes
from pytest_infra.record import Record
from pytest_infra.run import Run

__all__ = [
    "infra_chaos",
    "infra_label",
    "infra_logs",
    "infra_service",
    "infra_stack",
    "infra_unit",
    "infra_url",
    "openapi_snapshot",
]

ENVIRONMENT = "INFRA_ENV"
#: The name of the pytest plugin that contains the fixtures of the services.
SERVICES = "infra-services"
MARKER = (
    "infra(*services, profile=None): start these services, and the services of the profile, before the test; "
    "without arguments, start the whole stack (pytest-infra)"
)
CHAOS_MARKER = (
    "infra_chaos(kill=SERVICE, stop=SERVICE, pause=SERVICE): kill, stop or pause the service while the test "
    "function runs, and start or continue it afterwards (pytest-infra)"
)
EXCLUSIVE_MARKER = (
    "infra_exclusive(*services): tests of other xdist workers that use these services wait while this test "
    "runs; without arguments, all tests that use a service wait (pytest-infra)"
)


class _Parser:
    """A plugin that stores pytest's parser, to which the ini values of services are added later."""

    def __init__(self, parser: pytest.Parser) -> None:
        self.parser = parser


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options and ini values of pytest-infra to pytest's parser."""
    options.add(parser)
    variants.add(parser)
    parser.addini(
        "infra_variables",
        "lines `VARIABLE: SERVICE [DRIVER]`; the environment variable has the same URL for all tests, and is "
        "set before the application is imported",
        type="linelist",
    )
    pluginmanager.register(_Parser(parser), "infra-parser")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hook `pytest_infra_isolate`, which users implement to isolate their own services."""
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set up the plugin for the run, before pytest loads any `conftest.py`.

    A conftest can read the variable `INFRA_ENV`, and its fixtures can use the fixtures of this plugin.
    """
    _begin(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Add the markers and, except in a worker of pytest-xdist, the report about the run and its record."""
    if not config.pluginmanager.has_plugin(SERVICES):
        _begin(config)  # a conftest has loaded the plugin after the hook for initial conftests was called
    config.addinivalue_line("markers", MARKER)
    config.addinivalue_line("markers", variants.MARKER)
    config.addinivalue_line("markers", variants.ISOLATION_MARKER)
    config.addinivalue_line("markers", variants.PARAMETERS_MARKER)
    config.addinivalue_line("markers", CHAOS_MARKER)
    config.addinivalue_line("markers", EXCLUSIVE_MARKER)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Run(), "infra-run")
        if options.read(config).record:
            config.pluginmanager.register(Record(config), "infra-record")


def _begin(config: pytest.Config) -> None:
    """Set the variable `INFRA_ENV`, and create the fixtures of each service.

    A plugin that is loaded later, for example by `pytest_plugins` in a conftest, can replace a fixture of
    this plugin by a fixture of the same name, which can use the replaced fixture. If a plugin that was loaded
    earlier has a fixture of the same name, the fixture of this plugin is not created, unless the kit of the
    service replaces that plugin.
    """
    previous_value = os.environ.get(ENVIRONMENT)

    def restore() -> None:
        if previous_value is None:
            os.environ.pop(ENVIRONMENT, None)
        else:
            os.environ[ENVIRONMENT] = previous_value

    run_options = options.read(config)
    config.add_cleanup(restore)
    os.environ[ENVIRONMENT] = run_options.environment
    parser_plugin = config.pluginmanager.get_plugin("infra-parser")
    if isinstance(parser_plugin, _Parser):
        service_fixtures.add_parameter_options(parser_plugin.parser, config)
    variants.variants(config)  # an invalid value is reported before the first test
    config.pluginmanager.register(service_fixtures.plugin_of(config), SERVICES)
    config.pluginmanager.register(Notes.of(config), "infra-notes")
    if lines := config.getini("infra_variables"):
        from pytest_infra import import_variables

        import_variables.set_all(config, lines)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Register the plugin for the marker `infra_exclusive` if a test of the run has the marker."""
    if any(item.get_closest_marker("infra_exclusive") is not None for item in session.items):
        from pytest_infra.exclusive import Exclusive

        session.config.pluginmanager.register(Exclusive(session.config, session.items), "infra-exclusive")


# With `trylast`, this is the innermost wrapper: if it fails, the other wrappers have already started and can
# finish.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Start the services of a test's marker `infra` before its fixtures are set up.

    If a fixture of the test fails with a scope mismatch, advice is added to the error.
    """
    for marker in item.iter_markers("infra"):
        if unknown := ", ".join(marker.kwargs.keys() - {"profile"}):
            pytest.fail(
                f"the marker `infra` takes names of services and `profile`, not {unknown}", pytrace=False
            )
        from pytest_infra import process

        process.session_of(item.config).require(*marker.args, **marker.kwargs)
    try:
        yield
    except pytest.fail.Exception as error:
        from pytest_infra import scopes

        # pytest raises the same exception again for the next test.
        if (advice := scopes.advice(item.config, error.msg or "")) and advice not in str(error.msg):
            error.msg = f"{error.msg}\n{advice}"
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Cause the faults of the marker `infra_chaos` while the test function runs."""
    if item.get_closest_marker("infra_chaos") is None:
        return (yield)
    from pytest_infra import chaos

    with chaos.faults_of(item):
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove the units and release the lease, after the last fixture was torn down."""
    Notes.of(session.config).closing.close()
    _omit_reminder(session.config)


def _omit_reminder(config: pytest.Config) -> None:
    """Remove the remaining hooks of pytest-xprocess, unless a test used its fixture `xprocess`.

    With `-v`, the last hook of pytest-xprocess reminds the user to stop processes with `--xkill`, but the
    processes of this plugin have already been stopped.
    """
    if not hasattr(config, "_xprocess") and (xprocess := config.pluginmanager.get_plugin("xprocess")):
        config.pluginmanager.unregister(xprocess)
