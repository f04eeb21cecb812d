"""The catalogue: the kinds of the manifest, and the kinds that other distributions add by entry point."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from infra_runtime.binaries import Binary
from infra_runtime.contributions import Contribution, Contributions
from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.manifest import KINDS, Kind, joined
from infra_runtime.spec import PortProbe, ServiceSpec
from infra_runtime.value import frozen

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Port = Annotated[int, Field(ge=1, le=65535)]
#: a duration in seconds: more than 0, at most a day
Seconds = Annotated[float, Field(gt=0, le=86400)]


def _words(value: Any) -> Any:
    return (
        tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value
    )


#: a list, or a string with commas between the items, as in an environment variable
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


def _variable_name(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError(f"an environment variable cannot have the name {name!r}")
    return name


#: the name of an environment variable. Source: POSIX, "Base Definitions", 8.1
VariableName = Annotated[str, AfterValidator(_variable_name)]


class Ports(BaseModel):
    """The setting `ports` of a service: the name and the number of each port."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(BaseModel):
    """The settings that services of every kind have in the stack file.

    A kind that listens on ports also has the setting `ports`, with its own subclass of `Ports`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the number of the first port in `ports`
    port: Port | None = None
    #: the path of the executable or its folder; without this setting, the executable is searched for
    binary: str | None = None
    #: for engines that run containers: an image with the same entry point as the default image
    image: str | None = None
    needs: Words = ()
    env: Mapping[VariableName, str] = {}
    #: names of variables and options whose values are secrets, in addition to names such as `API_KEY`
    sensitive: Words = ()
    start_timeout: Seconds = 30.0
    restart: Literal["on-failure", "always", "never"] = "on-failure"

    def port_map(self) -> dict[str, int]:
        """Return a mapping from port name to number for all ports of the service; it can be empty."""
        ports = getattr(self, "ports", None)
        numbers: dict[str, int] = ports.model_dump() if isinstance(ports, Ports) else {}
        if self.port is not None and numbers:
            numbers[next(iter(numbers))] = self.port
        return numbers


def overlaid(base: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with the keys and values of `options`, which replace the values of `base`.

    If a key has a dictionary in `base` and in `options`, the two dictionaries are merged in the same way.
    """
    merged = dict(base)
    for name, value in options.items():
        base_value = merged.get(name)
        merged[name] = (
            overlaid(base_value, value)
            if isinstance(base_value, Mapping) and isinstance(value, Mapping)
            else value
        )
    return merged


def _no_contributions(_settings: Any) -> Iterable[Contribution]:
    return ()


@frozen
class Entry:
    """The description of a kind in the catalogue: its settings, and the function that creates a spec.

    An entry in the module of a manifest kind omits `name`, `summary` and `extra`: they are in the manifest.
    """

    name: str = ""
    summary: str = ""
    settings: type[BaseModel]
    #: function that creates the spec from the settings and the contributions under the keys of `consumes`;
    #: the planner sets `name` and `kind` of the spec and an empty `summary`, and adds exports. The function
    #: is pure: no process, no I/O, no clock.
    make: Callable[[Any, Contributions], ServiceSpec]
    #: the executables of the kind; the setting `binary` is the path of the first executable
    binaries: tuple[Binary, ...] = ()
    extra: str = ""
    #: environment → settings whose default differs in this environment
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: pure function that returns, for the table of a service in the stack file, those fields of its
    #: executables that depend on the table, such as `major`
    requires: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    #: function that reads settings from the executable, such as its version
    facts: Callable[[Path], Mapping[str, Any]] | None = None
    #: pure function that returns the contributions of a service with these settings; the planner sets their
    #: field `service`
    contributions: Callable[[Any], Iterable[Contribution]] = _no_contributions
    #: the keys of the contributions that `make` receives
    consumes: tuple[str, ...] = ()
    #: the roles that a service of this kind provides, such as `proxy` or `metrics-store`
    roles: tuple[str, ...] = ()
    #: function that compares the objects which a spec declares, such as queues, with the objects of the
    #: running service. The arguments are the spec and the exports; the function returns one line of text for
    #: each difference, which `infra runtime plan` prints
    compare: Callable[[ServiceSpec, Mapping[str, str]], Iterable[str]] | None = None
    #: name → probe for `ready = { NAME = true }` of the user's own services; the probe's port is not used
    protocols: Mapping[str, PortProbe] = field(default_factory=dict)

    def executables(self, table: Mapping[str, Any]) -> tuple[Binary, ...]:
        """Return the executables of a service with the settings in `table`."""
        fields = self.requires(table) if self.requires else {}
        return tuple(_requiring(binary, fields) for binary in self.binaries) if fields else self.binaries


def entry(name: str) -> Entry:
    """Return the catalogue's entry of a kind.

    Raises `UnknownServiceError` if no kind has this name, `ConfigurationError` if the kind of another
    distribution cannot be loaded.
    """
    if kind := KINDS.get(name):
        target = f"{kind.module}:ENTRY"
        return _described(_checked(importlib.import_module(kind.module).ENTRY, target), kind)
    if point := joined().get(name):
        return replace(_loaded(point), name=name)
    raise UnknownServiceError(name, names())


def exists(name: str) -> bool:
    """Return whether a kind has this name. Entry points are read only if the manifest has no such kind."""
    return name in KINDS or name in joined()


def names() -> list[str]:
    """Return the names of all kinds: first those of the manifest, then those of other distributions."""
    return [*KINDS, *sorted(joined().keys() - KINDS.keys())]


def code_files(name: str) -> list[Path] | None:
    """Return the files that define a kind of another distribution; a changed file can mean a changed plan.

    The files are the loaded modules of the kind's top-level package, and the folder in which the distribution
    is installed: installing, upgrading and removing the distribution changes this folder. The result is None
    if no such module is loaded, or if the distribution cannot be found.
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


def _requiring(binary: Binary, fields: Mapping[str, Any]) -> Binary:
    beside = _requiring(binary.beside, fields) if binary.beside else None
    return replace(binary, beside=beside, **fields)


def _from_extra(binary: Binary, extra: str) -> Binary:
    beside = _from_extra(binary.beside, extra) if binary.beside else None
    return replace(binary, extra=binary.extra or extra, beside=beside)


def _loaded(point: EntryPoint) -> Entry:
    target = f"{point.value} of {point.dist.name if point.dist else 'an unknown distribution'}"
    try:
        entry = point.load()
    except Exception as error:
        raise ConfigurationError(
            f"the kind {point.name!r} cannot be loaded from {target}: {error!r}",
            hint="Update or uninstall the distribution that contains this kind.",
        ) from error
    return _checked(entry, target)


def _checked(entry: object, target: str) -> Entry:
    if not isinstance(entry, Entry):
        raise ConfigurationError(
            f"{target} should be an infra_runtime.catalogue.Entry, but is a {type(entry).__name__}",
            hint="Update or uninstall the distribution that contains this kind.",
        )
    return entry
