"""Read a stack's settings from all sources: arguments, variables, files and the configuration service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from infra_runtime.config import stack_file
from infra_runtime.config.configuration_service import read_bucket
from infra_runtime.config.environment import StackSettings, from_dotenv, from_environment
from infra_runtime.config.layers import Layer, merge
from infra_runtime.config.request import Request
from infra_runtime.config.stack_file import Key, StackFile
from infra_runtime.config.validation_errors import unknown_key
from infra_runtime.errors import ConfigurationError, nearest
from infra_runtime.manifest import ENVIRONMENTS

_TOP = frozenset(StackSettings.model_fields)
#: tables of the stack file that are not settings of the stack: overlays, the APIs (`declared_apis`), the
#: recipes of executables (`declared_recipes`), and the settings of images (`declared_image`)
_BESIDE = frozenset({"environment", "api", "binaries", "image"})


def layers(request: Request) -> list[Layer]:
    """Return the settings of each source as a layer; an earlier layer takes precedence over later layers.

    The order is: command line, environment variables, `.env`, overlay file (`infra.test.toml`), overlay table
    (`[environment.test]`), stack file, configuration service.
    """
    files = list(_files(request))
    services = {name for layer in files for name in _services(layer.values)}
    arguments = dict(request.overrides)
    if request.profile:
        arguments["profile"] = request.profile
    sources = [
        Layer(values=arguments, where=lambda key: "--" + ".".join(key)),
        from_environment(services),
        *from_dotenv(request.root / ".env", services),
        *files,
    ]
    # Each source above may contain the URL of the configuration service, whose settings have the lowest
    # precedence.
    address = merge(sources).values.get("config_service")
    if isinstance(address, str) and address:
        bucket = {name: value for name, value in read_bucket(address).items() if name in _TOP}
        sources.append(Layer(values=bucket, where=lambda key: f"configuration service: {'.'.join(key)}"))
    return sources


def _services(values: Mapping[str, Any]) -> AbstractSet[str]:
    services = values.get("services")
    return services.keys() if isinstance(services, dict) else set()


def _files(request: Request) -> Iterator[Layer]:
    file = request.file
    if file is None:
        return
    _check(file, file.values, (), _TOP | _BESIDE)
    overlays = file.values.get("environment", {})
    if not isinstance(overlays, dict):
        raise ConfigurationError(
            "`environment` should contain a table for each environment, such as [environment.test]",
            where=file.where(("environment",)),
        )
    for name, table in overlays.items():
        key = ("environment", name)
        if name not in ENVIRONMENTS:
            problem = f"unknown environment {name!r}{nearest(name, ENVIRONMENTS)}"
            raise ConfigurationError(problem, where=file.where(key))
        _check(file, table, key, _TOP)
    if overlay := stack_file.overlay(file, request.environment):
        _check(overlay, overlay.values, (), _TOP)
        yield Layer(values=overlay.values, where=overlay.where)
    if table := overlays.get(request.environment):
        yield Layer(values=table, where=lambda key: file.where(("environment", request.environment, *key)))
    base = {name: value for name, value in file.values.items() if name not in _BESIDE}
    yield Layer(values=base, where=file.where)


def _check(file: StackFile, values: object, prefix: Key, known: AbstractSet[str]) -> None:
    if not isinstance(values, dict):
        raise ConfigurationError(f"`{'.'.join(prefix)}` should be a table", where=file.where(prefix))
    for name in values:
        if name not in known:
            raise ConfigurationError(unknown_key(name, known), where=file.where((*prefix, name)))
    services = values.get("services", {})
    if not isinstance(services, dict):
        raise ConfigurationError(
            "`services` should contain a table for each service; the key for the list of services is `use`",
            where=file.where((*prefix, "services")),
        )
    for name, table in services.items():
        if not isinstance(table, dict):
            key = (*prefix, "services", name)
            raise ConfigurationError(f"`{'.'.join(key)}` should be a table", where=file.where(key))
