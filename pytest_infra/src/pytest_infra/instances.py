"""The services for which fixtures are created, with the kind of each service.

This module does not import pydantic. If the project has no stack file, the module reads only the files
`pyproject.toml` in the folder and its parents.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from infra_runtime.manifest import KINDS, PROXY
from pytest_infra import kit_registry, options
from pytest_infra.kit import Parameter, ServiceKit

#: The name of pytest's fixture that no plugin defines. A service with this name has no fixture, but
#: `infra_service("request")` returns it.
RESERVED = frozenset({"request"})

#: the fixtures through which a test can use any service
ANY_SERVICE = frozenset(
    {
        *("infra_stack", "infra_service", "infra_unit", "infra_chaos", "infra_logs"),
        *("http_client", "http_async_client"),
    }
)

#: the environment variable that selects the kind of the service `proxy`; it has priority over the stack file
PROXY_VARIABLE = "INFRA_PROXY"

#: Matches the table `[tool.infra]` in every notation, but not a dependency on pytest-infra.
_OUR_TABLE = rb"(?m)(?:\btool\s*\.|^)\s*[\"']?infra\b"


class Instance(NamedTuple):
    """A service of the run, with the service kit of its kind."""

    service: str
    kit: ServiceKit

    @property
    def fixture(self) -> str:
        """Return the name of this service's fixture: the service's name with `_` instead of `-`."""
        return self.service.replace("-", "_")

    def parameter_fixture(self, parameter: Parameter) -> str:
        """Return the name of a parameter's fixture; the ini value of the parameter has the same name."""
        return f"infra_{self.fixture}_{parameter.name}"


class Instances:
    """The services of the run: one for each kind of pytest-infra, and those in options and stack file."""

    KEY: ClassVar[pytest.StashKey[Instances]] = pytest.StashKey()

    def __init__(self, run_options: options.Options) -> None:
        kinds = {**dict.fromkeys(KINDS), **dict.fromkeys(run_options.services)}
        if _stack_file_may_exist(run_options.directory):
            kinds |= _kinds_in_stack_file(run_options)
        if proxy := os.environ.get(PROXY_VARIABLE):
            kinds[PROXY] = proxy
        self._instances = {name: _instance(name, kind) for name, kind in kinds.items()}

    @classmethod
    def of(cls, config: pytest.Config) -> Instances:
        """Return the services for which the run has fixtures, from options and stack file.

        Raises `pytest.UsageError` if a service kit cannot be loaded.
        """
        if cls.KEY not in config.stash:
            config.stash[cls.KEY] = cls(options.read(config))
        return config.stash[cls.KEY]

    def __getitem__(self, service: str) -> Instance:
        """Return the service with this name; the name of an undeclared service is also its kind."""
        if service not in self._instances:
            self._instances[service] = _instance(service, None)
        return self._instances[service]

    def driver_urls(self) -> dict[str, Mapping[str, str]]:
        """Return a mapping from service to the URLs (driver → URL) that the service's kit defines."""
        return {name: instance.kit.urls for name, instance in self._instances.items()}

    def fixtures(self) -> dict[str, Instance]:
        """Return a mapping from fixture name to service instance.

        Services whose fixture name is `request`, a keyword or not a Python identifier are not included.
        """
        by_fixture = {instance.fixture: instance for instance in self._instances.values()}
        return {
            fixture: instance
            for fixture, instance in by_fixture.items()
            if fixture.isidentifier() and not iskeyword(fixture) and fixture not in RESERVED
        }

    @functools.cached_property
    def service_of_fixture(self) -> Mapping[str, str]:
        """A mapping from fixture name to service, for service fixtures and their client fixtures."""
        services: dict[str, str] = {}
        for fixture, instance in self.fixtures().items():
            services[fixture] = instance.service
            for client in instance.kit.fixtures:
                services[client.name.format(service=fixture)] = instance.service
        return services

    def are_used_by(self, item: pytest.Item) -> bool:
        """Return whether a test uses a service, according to its fixtures and its marker `infra`."""
        names = set(getattr(item, "fixturenames", ()))
        return (
            not names.isdisjoint(ANY_SERVICE)
            or not names.isdisjoint(self.service_of_fixture)
            or item.get_closest_marker("infra") is not None
        )


def _instance(name: str, kind: str | None) -> Instance:
    """Return a service with the service kit of its kind.

    `kind` is an empty string for the user's own service. It is None if no table of the stack file contains
    the kind of the service; the name of the service is then also its kind.
    """
    if kind == "":
        return Instance(name, kit_registry.WITHOUT_KIND)
    try:
        return Instance(name, kit_registry.find(name if kind is None else kind) or kit_registry.WITHOUT_KIND)
    except kit_registry.KitError as error:
        raise pytest.UsageError(f"infra: {error}") from error


def _stack_file_may_exist(directory: Path) -> bool:
    for folder in (directory, *directory.parents):
        if (folder / "infra.toml").is_file():
            return True
        try:
            if re.search(_OUR_TABLE, (folder / "pyproject.toml").read_bytes()):
                return True
        except OSError:
            continue
    return False


def _kinds_in_stack_file(run_options: options.Options) -> dict[str, str | None]:
    """Return a mapping from service to kind for the services in the stack file: its tables and its `use`.

    If the file is invalid, the result is empty: the first test that needs a service reports the error.
    """
    from infra_runtime.config import request, stack_file
    from infra_runtime.errors import ConfigurationError

    try:
        file = stack_file.find(run_options.directory)
        if file is None:
            return {}
        main_table, overlay = file.values, stack_file.overlay(file, run_options.stack_environment)
        overlay_table = overlay.values if overlay else {}
        dotenv = request.read_dotenv(file.path.parent / ".env", PROXY_VARIABLE.encode())
    except ConfigurationError:
        return {}
    environments = main_table.get("environment")
    environment_table = (
        environments.get(run_options.stack_environment) if isinstance(environments, Mapping) else None
    )
    # The overlay file has priority over the table of the environment. This table has priority over the rest
    # of the stack file.
    tables = [table for table in (main_table, environment_table, overlay_table) if isinstance(table, Mapping)]
    settings: dict[str, dict[str, Any]] = {}
    for table in tables:
        for name, service in _services(table):
            settings.setdefault(name, {}).update(service)
    kinds = {name: _kind(service) for name, service in settings.items()}
    settings_of_stack = [table.get(PROXY) for table in reversed(tables)]
    for proxy in (dotenv.get(PROXY_VARIABLE), *settings_of_stack):
        if isinstance(proxy, str):
            kinds[PROXY] = proxy
            break
    return kinds


def _services(table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    used_names = table.get("use")
    if isinstance(used_names, list):
        yield from ((name, {}) for name in used_names if isinstance(name, str))
    services = table.get("services")
    if isinstance(services, Mapping):
        for name, service in services.items():
            yield name, service if isinstance(service, Mapping) else {}


def _kind(service: Mapping[str, Any]) -> str | None:
    """Return the kind of a service from its table in the stack file.

    The result is an empty string if the table has a `command`, because this is a service of the user, and
    None if the table has no kind.
    """
    if "command" in service:
        return ""
    kind = service.get("kind")
    return kind if isinstance(kind, str) else None
