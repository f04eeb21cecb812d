"""Environment variables with fixed addresses, for applications that read a URL when they are imported.

The ini value `infra_variables` is read before the first conftest is imported. At that time, no service runs.
Therefore the address belongs to a proxy in this process, which connects to the isolation unit of the running
test.
"""

from __future__ import annotations

import os

import pytest

from pytest_infra import options
from pytest_infra.instances import Instances
from pytest_infra.kit import load
from pytest_infra.unit_registry import UnitRegistry

INI = "infra_variables"


def set_all(config: pytest.Config, lines: list[str]) -> None:
    """Set the environment variables that the lines of `infra_variables` define, until the end of the run.

    Raises `pytest.UsageError` for an invalid line, and if the stack runs in a cluster.
    """
    if options.read(config).cluster:
        raise pytest.UsageError(
            f"{INI}: a variable has a fixed address only with servers on this machine; remove the variables, "
            "or run the tests with --infra-engine=local"
        )
    instances = Instances.of(config)
    addresses: dict[str, dict[str, str]] = {}
    for line in lines:
        variable, colon, words = line.partition(":")
        service, _, url_name = words.strip().partition(" ")
        if not (variable.strip() and colon and service):
            raise pytest.UsageError(f"{INI}: {line!r} must have the form `VARIABLE: SERVICE [DRIVER]`")
        kit = instances[service].kit
        if not kit.fixed_address:
            kinds = sorted(
                {
                    instance.kit.kind
                    for instance in instances.fixtures().values()
                    if instance.kit.fixed_address
                }
            )
            raise pytest.UsageError(
                f"{INI}: {service} has no fixed address; kinds with a fixed address: {', '.join(kinds)}"
            )
        if service not in addresses:
            addresses[service] = dict(
                load(kit.fixed_address)(service, lambda name=service: _current(config, name))
            )
        exports = addresses[service]
        values = exports | {driver: url.format_map(exports) for driver, url in kit.urls.items()}
        url_name = url_name.strip() or next(iter(kit.urls))
        if url_name not in values:
            raise pytest.UsageError(
                f"{INI}: {service} has no URL for the driver {url_name!r}; "
                f"its drivers are: {', '.join(kit.urls)}; its other values are: {', '.join(exports)}"
            )
        _set(config, variable.strip(), values[url_name])


def _current(config: pytest.Config, service: str) -> object:
    registry = config.stash.get(UnitRegistry.KEY, None)
    return registry.current.get(service) if registry is not None else None


def _set(config: pytest.Config, name: str, value: str) -> None:
    previous_value = os.environ.get(name)

    def restore() -> None:
        if previous_value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = previous_value

    config.add_cleanup(restore)
    os.environ[name] = value
