"""The kinds of services: those of the manifest, and those of other distributions, by entry point."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from infra_runtime.binaries import Binary
from infra_runtime.contributions import Contribution, Contributions
from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.manifest import KINDS, Kind, joined
from infra_runtime.spec import PortProbe, ServiceSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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


def _nothing(_settings: Any) -> Iterable[Contribution]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The catalogue's value for one kind: its settings, and how these become a spec.

    The entry of a kind of the manifest leaves out `name`, `summary` and `extra`: the manifest has them.
    """

    name: str = ""
    summary: str = ""
    settings: type[BaseModel]
    #: settings and the contributions under the keys of `consumes` → the spec, whose `name` and `summary` the
    #: planner sets. Pure: no process, no I/O, no clock.
    make: Callable[[Any, Contributions], ServiceSpec]
    #: the first is the one that the setting `binary` names
    binaries: tuple[Binary, ...] = ()
    extra: str = ""
    #: settings that an environment changes, by environment
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: settings that are read from the executable itself, such as its version
    facts: Callable[[Path], Mapping[str, Any]] | None = None
    #: settings → what the service offers to others; pure. The planner sets each contribution's `service`.
    contributions: Callable[[Any], Iterable[Contribution]] = _nothing
    #: the keys of the contributions that `make` is given
    consumes: tuple[str, ...] = ()
    #: capabilities by which others find a service of this kind, such as `proxy` or `metrics-store`
    roles: tuple[str, ...] = ()
    #: name → probe for `ready = { NAME = true }` of the user's own services; its port is not used
    protocols: Mapping[str, PortProbe] = field(default_factory=dict)


def entry(name: str) -> Entry:
    """The entry of a kind. Raises `UnknownServiceError`."""
    if kind := KINDS.get(name):
        target = f"{kind.module}:ENTRY"
        return _described(_checked(importlib.import_module(kind.module).ENTRY, target), kind)
    if point := joined().get(name):
        return replace(_loaded(point), name=name)
    raise UnknownServiceError(name, names())


def exists(name: str) -> bool:
    """Whether there is a kind of this name. Entry points are read only for names outside the manifest."""
    return name in KINDS or name in joined()


def names() -> list[str]:
    """All kinds: those of the manifest in its order, then those of other distributions."""
    return [*KINDS, *sorted(joined().keys() - KINDS.keys())]


def code_files(name: str) -> list[Path] | None:
    """The files whose change may change what a kind of another distribution makes of a stack file.

    They are the loaded modules of its top-level package, and the folder that the distribution is installed
    in: installing, upgrading and removing it changes this folder. None where they cannot be found.
    """
    point = joined()[name]
    package = point.module.partition(".")[0]
    modules = [
        module for key, module in sys.modules.items() if key == package or key.startswith(f"{package}.")
    ]
    files = {Path(file) for module in modules if (file := getattr(module, "__file__", None))}
    if not files or point.dist is None:
        return None
    return [*sorted(files), Path(str(point.dist.locate_file("")))]


def _described(entry: Entry, kind: Kind) -> Entry:
    binaries = tuple(_from_extra(binary, kind.extra) for binary in entry.binaries)
    return replace(entry, name=kind.name, summary=kind.summary, extra=kind.extra, binaries=binaries)


def _from_extra(binary: Binary, extra: str) -> Binary:
    beside = _from_extra(binary.beside, extra) if binary.beside else None
    return replace(binary, extra=extra, beside=beside)


def _loaded(point: EntryPoint) -> Entry:
    target = f"{point.value} of {point.dist.name if point.dist else 'an unknown distribution'}"
    try:
        found = point.load()
    except Exception as error:
        raise ConfigurationError(
            f"the service {point.name!r} comes from {target}, which cannot be loaded: {error!r}",
            hint="Repair or uninstall that distribution.",
        ) from error
    return _checked(found, target)


def _checked(found: object, target: str) -> Entry:
    if not isinstance(found, Entry):
        raise ConfigurationError(
            f"{target} is a {type(found).__name__}, and should be an infra_runtime.catalogue.Entry"
        )
    return found
