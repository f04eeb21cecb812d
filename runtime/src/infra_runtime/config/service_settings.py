"""Merge and validate the settings of one service from its table, defaults and executable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra_runtime import catalogue
from infra_runtime.binaries import locate, lockfile
from infra_runtime.catalogue import Entry
from infra_runtime.config.declaration import USER, Declaration
from infra_runtime.config.executables import binary_setting
from infra_runtime.config.layers import Layer, Merged, merge
from infra_runtime.config.stack_file import Key
from infra_runtime.config.validation_errors import configuration_error
from infra_runtime.contributions import TRACE_SINK, Contribution, TraceSink
from infra_runtime.errors import BinaryMissingError, ConfigurationError, nearest
from infra_runtime.host.containers import qualified
from infra_runtime.services import image_service, user_service
from infra_runtime.spec import OWN_NAMES, OWN_SCOPES
from infra_runtime.value import frozen

#: the names of logs in a data directory that do not belong to a service
OWN_LOGS = frozenset({"supervisor"})
_NAME = re.compile(r"[a-z][a-z0-9_-]*")

Model = TypeVar("Model", bound=BaseModel)


@frozen
class ServiceConfiguration:
    """One service with validated settings, from which its spec can be created."""

    name: str
    #: `USER` for the user's own service
    kind: str
    entry: Entry
    settings: BaseModel
    #: the settings with their sources; the prefix `services.NAME` of the keys is omitted
    origins: Merged

    def contributions(self) -> Iterator[Contribution]:
        """Yield the contributions that the service offers to other services."""
        offers = [*self.entry.contributions(self.settings)]
        if TRACE_SINK in self.entry.roles and all(offer.key != TRACE_SINK for offer in offers):
            offers.append(Contribution(key=TRACE_SINK, value=TraceSink()))
        for offer in offers:
            yield replace(offer, service=self.name)


def configure(name: str, declaration: Declaration, *, ports: Layer | None = None) -> ServiceConfiguration:
    """Merge and validate the settings of a service; return them.

    `ports` is the layer with default ports for the second and later instances of a kind, None for other
    services. Raises `ConfigurationError` for an invalid name, kind or setting.
    """
    table, key = declaration.table(name), ("services", name)
    kind = _checked_kind(name, declaration)
    entry = catalogue.entry(kind) if kind != USER else _own_entry(table)
    environment = declaration.request.environment
    origins = merge(
        [
            Layer(
                values={key: value for key, value in table.items() if key != "kind"},
                where=lambda inner: declaration.location((*key, *inner)),
            ),
            *([ports] if ports else []),
            Layer(values=entry.defaults.get(environment, {}), where=lambda _: f"default in {environment}"),
            *_facts(entry, declaration, name),
            *_locked_digest(entry, table, declaration),
        ]
    )
    settings = validated(
        entry.settings,
        origins.values,
        key,
        lambda full_key: (
            declaration.location(full_key) if full_key == key else origins.location(full_key[2:])
        ),
    )
    return ServiceConfiguration(name=name, kind=kind, entry=entry, settings=settings, origins=origins)


def validated(
    model: type[Model], values: Mapping[str, Any], prefix: Key, location: Callable[[Key], str]
) -> Model:
    """Return an instance of a pydantic model with these values.

    Raises `ConfigurationError` with the location of each mistake.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise configuration_error(error, model, prefix, location) from None


def _own_entry(table: Mapping[str, Any]) -> Entry:
    """Return the entry of a user's own service: for a container if the table has an image, else a program."""
    return image_service.ENTRY if "image" in table else user_service.ENTRY


def _locked_digest(entry: Entry, table: Mapping[str, Any], declaration: Declaration) -> list[Layer]:
    """Return a list with a layer that contains the digest of a service's image in the project's lock.

    If the lock contains no digest of the image, the list is empty.
    """
    if entry is not image_service.ENTRY:
        return []
    path = declaration.request.root / lockfile.NAME
    digest = lockfile.read(path).images.get(qualified(str(table["image"])))
    return [Layer(values={"digest": digest}, where=lambda _: str(path))] if digest else []


def _checked_kind(name: str, declaration: Declaration) -> str:
    table, key = declaration.table(name), ("services", name)
    kind = declaration.kind(name)
    problem = ""
    if name in OWN_LOGS:
        problem = f"the supervisor writes the file logs/{name}.log"
    elif kind == name:
        return name
    elif name in OWN_SCOPES | OWN_NAMES:
        problem = f"references ${{{name}.…}} already have another meaning"
    elif not _NAME.fullmatch(name):
        problem = "a name consists of lower-case letters, digits, - and _, and begins with a letter"
    if problem:
        raise ConfigurationError(
            f"a service cannot have the name {name!r}: {problem}", declaration.location(key)
        )
    if kind is None:
        raise ConfigurationError(
            f"unknown service {name!r}{nearest(name, catalogue.names())}",
            where=declaration.location(key),
            hint='Your own service needs a command, such as command = ["python", "-m", "shop"], or an image.',
        )
    if kind == USER and "kind" in table:
        raise ConfigurationError(
            f"the table of {name} contains `command` and `kind`",
            where=declaration.location((*key, "kind")),
            hint="Remove `kind` for your own service, or `command` for a service of this kind.",
        )
    if kind != USER and not catalogue.exists(kind):
        raise ConfigurationError(
            f"unknown kind {kind!r}{nearest(kind, catalogue.names())}",
            where=declaration.location((*key, "kind")),
        )
    return kind


def _facts(entry: Entry, declaration: Declaration, name: str) -> list[Layer]:
    """Return settings that are read from a service's executable, such as its version, as a list with a layer.

    If the executable is missing, the list is empty: the plan may not need the executable.
    """
    if entry.facts is None or not declaration.executables:
        return []
    try:
        executable = locate(
            entry.executables(declaration.table(name))[0],
            setting=binary_setting(declaration, name),
            project=declaration.request.root,
        )
    except BinaryMissingError:
        return []
    return [Layer(values=entry.facts(executable), where=lambda _: str(executable))]
