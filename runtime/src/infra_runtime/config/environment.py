"""What `INFRA_…` says, in the environment and in `.env`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
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
from infra_runtime.config.stack_file import Key
from infra_runtime.errors import ConfigurationError

PREFIX = "INFRA_"
NESTED = "__"


class StackSettings(BaseSettings):
    """What is said of the stack as a whole. The values were laid over each other before they come here."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTED, extra="ignore", frozen=True, validate_default=False
    )

    #: the services of the stack, where no profile and no command line names others
    use: Annotated[Words | None, NoDecode] = None
    #: `minimal`, `full`, or one of `profiles`
    profile: str | None = None
    profiles: Mapping[str, Words] = {}
    #: `nats://HOST:PORT/BUCKET`; the URL may hold a password
    config_service: SecretStr | None = None
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
        """Only what is given: which source outranks which is decided in one place, and that is not here."""
        return (init_settings,)


def from_environment(services: AbstractSet[str]) -> Layer:
    """The layer of the process's environment. `services` are the names in the stack file."""
    return _layer(EnvSettingsSource(StackSettings), list(os.environ), "", services)


def from_dotenv(path: Path, services: AbstractSet[str]) -> list[Layer]:
    """The layer of a `.env`, where there is one."""
    if not path.is_file():
        return []
    source = DotEnvSettingsSource(StackSettings, env_file=path, env_file_encoding="utf-8")
    return [_layer(source, _names(path), f"{path}: ", services)]


def _names(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[0].removeprefix("export ").strip() for line in lines]


def _layer(source: EnvSettingsSource, names: list[str], file: str, services: AbstractSet[str]) -> Layer:
    try:
        found = source()
    except SettingsError as error:
        name = re.search(r'field "(\w+)"', str(error))
        where = f"{file}{PREFIX}{name[1].upper() if name else ''}"
        raise ConfigurationError(f"this is not JSON: {error.__cause__ or error}", where=where) from None
    # Variables have one case only; what our own names look like is known, what yours look like is in `names`.
    spelled = {name.lower(): name for name in names if name.upper().startswith(PREFIX)}

    def variable(key: Key) -> str:
        while key:
            wanted = (PREFIX + NESTED.join(key)).lower().replace("-", "_")
            plain = {lower.replace("-", "_"): name for lower, name in spelled.items()}
            below = [name for said, name in plain.items() if said.startswith(f"{wanted}{NESTED}")]
            for name in (plain.get(wanted), *below):
                if name is not None:
                    return name
            key = key[:-1]
        return PREFIX

    values: dict[str, Any] = {}
    given = leaves({name: found[name] for name in StackSettings.model_fields if name in found})
    # The order of variables means nothing, but the first port of a service does.
    for key, value in sorted(given, key=lambda leaf: leaf[0]):
        place = values
        right = _spelled(key, variable(key), services)
        for part in right[:-1]:
            place = place.setdefault(part, {})
        place[right[-1]] = _decoded(value, f"{file}{variable(key)}")
    return Layer(values=values, where=lambda key: f"{file}{variable(key)}")


def _spelled(key: Key, variable: str, services: AbstractSet[str]) -> Key:
    """A service called `my-api` is `MY_API` in a variable; the names in `env` keep their case."""
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
    except ValueError as error:
        raise ConfigurationError(f"this is not JSON: {error}", where=where) from None
