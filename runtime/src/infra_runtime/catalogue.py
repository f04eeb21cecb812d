"""The services on offer: those of the kit, and those that join by entry point."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from infra_runtime.binaries import Binary
from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.manifest import KINDS
from infra_runtime.spec import PortProbe, ServiceSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "infra.services"

Port = Annotated[int, Field(ge=1, le=65535)]


def _words(value: Any) -> Any:
    return (
        tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value
    )


#: a list, or a text with commas, as an environment variable has it
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Ports(BaseModel):
    """The ports of a service by name; the first is the one that `port` sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(BaseModel):
    """What can be set for every service of the catalogue.

    One that listens also has `ports`, of a `Ports` of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: short for the first of `ports`
    port: Port | None = None
    #: the executable's path or folder, where it should not be looked for
    binary: str | None = None
    #: for engines that run containers: an image with the same entry point as the kit's, such as a mirror's
    image: str | None = None
    needs: Words = ()
    env: Mapping[str, str] = {}
    start_timeout: float = Field(30.0, gt=0)
    restart: Literal["on-failure", "always", "never"] = "on-failure"

    def port_map(self) -> dict[str, int]:
        """Each port's name and number."""
        ports = getattr(self, "ports", None)
        numbers: dict[str, int] = ports.model_dump() if isinstance(ports, Ports) else {}
        if self.port is not None and numbers:
            numbers[next(iter(numbers))] = self.port
        return numbers


def overlaid(base: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `options` laid over it, table by table."""
    merged = dict(base)
    for name, value in options.items():
        below = merged.get(name)
        merged[name] = (
            overlaid(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One service on offer."""

    name: str
    summary: str
    settings: type[ServiceSettings]
    #: pure: no process, no I/O, no clock
    make: Callable[[Any], ServiceSpec]
    #: the first is the one that the setting `binary` names
    binaries: tuple[Binary, ...]
    extra: str = ""
    #: settings that an environment changes, by environment
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: settings that the executable itself tells, such as its version
    facts: Callable[[Path], Mapping[str, Any]] | None = None
    #: name → probe for `ready = { NAME = true }` of the user's own services; its port is not used
    protocols: Mapping[str, PortProbe] = field(default_factory=dict)


def entry(name: str) -> Entry:
    """The service of that name. Raises `UnknownServiceError`."""
    if found := find(name):
        return found
    raise UnknownServiceError(name, names())


def find(name: str) -> Entry | None:
    """The service of that name, if there is one. Those that join are asked for only after our own."""
    if kind := KINDS.get(name):
        return _checked(importlib.import_module(kind.module).ENTRY, f"{kind.module}:ENTRY")
    point = joined().get(name)
    return _loaded(point) if point else None


def names() -> list[str]:
    """All services on offer: ours in their order, then those that join."""
    return [*KINDS, *sorted(joined().keys() - KINDS.keys())]


@functools.cache
def joined() -> Mapping[str, EntryPoint]:
    """The entry points of other distributions by name."""
    # A dear import, and a dearer search: most stacks never need it.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> Entry:
    target = f"{point.value} of {point.dist.name if point.dist else 'an unknown distribution'}"
    try:
        found = point.load()
    except Exception as error:
        raise ConfigurationError(
            f"the service {point.name!r} comes from {target}, which cannot be loaded: {error!r}",
            hint="Mend or uninstall that distribution.",
        ) from error
    return _checked(found, target)


def _checked(found: object, target: str) -> Entry:
    if not isinstance(found, Entry):
        raise ConfigurationError(
            f"{target} is a {type(found).__name__}, and should be an infra_runtime.catalogue.Entry"
        )
    return found
