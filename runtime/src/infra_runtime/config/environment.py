"""Read the variables `INFRA_…` of this process and of the file `.env` as layers of the configuration."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any

from pydantic import SecretStr
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from infra_runtime.catalogue import Words
from infra_runtime.config.layers import Layer, leaves
from infra_runtime.config.request import DOTENV_ENCODING, dotenv_text
from infra_runtime.config.stack_file import Key
from infra_runtime.errors import ConfigurationError

PREFIX = "INFRA_"
NESTED = "__"


class StackSettings(BaseSettings):
    """The settings of a stack, which are validated after the layers were merged."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTED, extra="ignore", frozen=True, validate_default=False
    )

    #: the services of the stack, if no profile is set and the command line contains no services
    use: Annotated[Words | None, NoDecode] = None
    #: one of `profiles`, or a profile of pytest-infra, such as `minimal` or `full`
    profile: str | None = None
    profiles: Mapping[str, Words] = {}
    #: the kind of the service `proxy`; this service then replaces every kind of proxy in `use` and in
    #: profiles
    proxy: str | None = None
    #: `nats://HOST:PORT/BUCKET` or `tls://…`; the URL may contain a password
    config_service: SecretStr | None = None
    #: whether the data of the services are in RAM in tests, if enough memory is free
    tmpfs: bool = True
    #: whether the stack in development contains a receiver of telemetry, and the user's services have its
    #: variables
    telemetry: bool = True
    #: whether the stack in development contains the dashboard
    dashboard: bool = True
    services: Mapping[str, Mapping[str, Any]] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the constructor's arguments as the only source: they already contain all other sources."""
        return (init_settings,)


def from_environment(services: AbstractSet[str]) -> Layer:
    """Return the settings in the variables `INFRA_…` of this process, as a layer of the configuration.

    `services` are the names of the services in the stack file.
    """
    return _layer(EnvSettingsSource(StackSettings), list(os.environ), "", services)


def from_dotenv(path: Path, services: AbstractSet[str]) -> list[Layer]:
    """Return the settings in a file `.env` as a list with one layer; if it has no `INFRA_`, an empty list."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    if PREFIX.lower().encode() not in content.lower():
        return []  # the variables in this file are for other programs
    lines = dotenv_text(path, content).splitlines()
    source = DotEnvSettingsSource(StackSettings, env_file=path, env_file_encoding=DOTENV_ENCODING)
    return [_layer(source, _names(lines), f"{path}: ", services)]


def _names(lines: Iterable[str]) -> list[str]:
    return [line.partition("=")[0].removeprefix("export ").strip() for line in lines]


def _layer(source: EnvSettingsSource, names: list[str], file: str, services: AbstractSet[str]) -> Layer:
    try:
        settings = source()
    except SettingsError as error:
        name = re.search(r'field "(\w+)"', str(error))
        where = f"{file}{PREFIX}{name[1].upper() if name else ''}"
        raise ConfigurationError(f"the value is not JSON: {error.__cause__ or error}", where=where) from None
    # pydantic returns the names in lower case; messages and the keys of `env` contain the original names.
    original_names = {name.lower(): name for name in names if name.upper().startswith(PREFIX)}

    def variable(key: Key) -> str:
        while key:
            variable_name = (PREFIX + NESTED.join(key)).lower().replace("-", "_")
            names_by_key = {lower.replace("-", "_"): name for lower, name in original_names.items()}
            nested_names = [
                name for lower, name in names_by_key.items() if lower.startswith(f"{variable_name}{NESTED}")
            ]
            for name in (names_by_key.get(variable_name), *nested_names):
                if name is not None:
                    return name
            key = key[:-1]
        return PREFIX

    values: dict[str, Any] = {}
    given_settings = leaves({name: settings[name] for name in StackSettings.model_fields if name in settings})
    # The settings are sorted: the first port of a service has a meaning, but environment variables have no
    # order.
    for key, value in sorted(given_settings, key=lambda leaf: leaf[0]):
        table = values
        original_key = _original_key(key, variable(key), services)
        for part in original_key[:-1]:
            table = table.setdefault(part, {})
        table[original_key[-1]] = _decoded(value, f"{file}{variable(key)}")
    return Layer(values=values, where=lambda key: f"{file}{variable(key)}")


def _original_key(key: Key, variable: str, services: AbstractSet[str]) -> Key:
    """Return the key of a setting that a variable sets, in the spelling of the stack file.

    In a variable, the service `my-api` is `MY_API`. The names in `env` and `exports` keep their case.
    """
    if key[0] != "services" or len(key) < 2:
        return key
    dashed = {name.replace("-", "_").lower(): name for name in services}
    key = ("services", dashed.get(key[1], key[1]), *key[2:])
    return (
        (*key[:3], variable.split(NESTED, 3)[-1]) if len(key) == 4 and key[2] in ("env", "exports") else key
    )


def _decoded(value: object, where: str) -> object:
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the value is not JSON: {error}", where=where) from None
