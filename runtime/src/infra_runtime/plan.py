"""The specs of one stack, sorted by need, with every reference still symbolic."""

from __future__ import annotations

import graphlib
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from infra_runtime.contributions import Contribution
from infra_runtime.errors import ConfigurationError, nearest
from infra_runtime.spec import (
    OWN_NAMES,
    Secret,
    Seed,
    ServiceSpec,
    decode_service,
    encode,
    is_open,
    optional_export,
    optional_exports,
    other_service,
    references,
    texts,
)

Ports = Literal["fixed", "leased"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an engine binds and runs. Each service stands behind those that it needs."""

    environment: str
    root: str
    ports: Ports
    services: tuple[ServiceSpec, ...]
    #: what the services offer to each other, also under keys that no service of the plan consumes
    contributions: tuple[Contribution, ...] = ()
    #: role → the services that provide it
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def providers(self, role: str) -> tuple[ServiceSpec, ...]:
        """Return the services that provide a role, in the plan's order; none is an empty tuple."""
        names = self.roles.get(role, ())
        return tuple(spec for spec in self.services if spec.name in names)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change when anything of the plan changes."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON data."""
        return {
            "environment": self.environment,
            "root": self.root,
            "ports": self.ports,
            "services": [encode(spec) for spec in self.services],
            "contributions": [contribution.to_json() for contribution in self.contributions],
            "roles": {role: list(names) for role, names in self.roles.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote. Raises `ValueError` or `KeyError` for anything else."""
        return cls(
            environment=data["environment"],
            root=data["root"],
            ports=data["ports"],
            services=tuple(decode_service(spec) for spec in data["services"]),
            contributions=tuple(Contribution.from_json(offer) for offer in data["contributions"]),
            roles={role: tuple(names) for role, names in data["roles"].items()},
        )

    def without_containers(self) -> Plan:
        """Return the plan for the local engine, which runs no images: its messages stay small."""
        return replace(self, services=tuple(replace(spec, container=None) for spec in self.services))

    def binaries(self) -> set[str]:
        """The names that stand in `${bin.NAME}`, anywhere."""
        return {name for scope, name in self._scoped() if scope == "bin"}

    def environment_names(self) -> set[str]:
        """The names that stand in `${env.NAME}`, anywhere, without their defaults."""
        return {name.partition(":-")[0] for scope, name in self._scoped() if scope == "env"}

    def _scoped(self) -> Iterator[tuple[str, str]]:
        for text in texts(self.services):
            for reference in references(text):
                scope, _, name = reference.partition(".")
                yield scope, name


def make_plan(
    services: Iterable[ServiceSpec],
    *,
    environment: str,
    root: str,
    ports: Ports,
    contributions: Iterable[Contribution] = (),
    roles: Mapping[str, Iterable[str]] | None = None,
    absent: Collection[str] = (),
) -> Plan:
    """Return a plan in which every reference is valid.

    The order is that of `services`, except that a need comes before what needs it. `absent` are names of
    services that the stack could have and the plan has not: optional references to them are empty.

    Raises:
        ConfigurationError: a name twice, an unknown need, export, port or secret, a circle, a port twice.
    """
    specs: dict[str, ServiceSpec] = {}
    for spec in services:
        if spec.name in specs:
            raise ConfigurationError(f"two services are called {spec.name!r}", where=f"services.{spec.name}")
        specs[spec.name] = spec
    for spec in specs.values():
        _check(spec, specs, absent)
    _check_export_circles(specs)
    order = _by_need(specs)
    if ports == "fixed":
        _check_ports(order)
    contributions = tuple(contributions)
    for offer in contributions:
        _check_contribution(offer, specs[offer.service])
    return Plan(
        environment=environment,
        root=root,
        ports=ports,
        services=order,
        contributions=contributions,
        roles={role: tuple(names) for role, names in (roles or {}).items()},
    )


def _check_contribution(offer: Contribution, spec: ServiceSpec) -> None:
    if offer.port and offer.port not in spec.ports:
        raise ConfigurationError(
            f"{spec.name} contributes {offer.key} of port {offer.port!r}, which it has not"
            f"{nearest(offer.port, spec.ports)}",
            where=f"services.{spec.name}",
        )


def secret_name(step: Secret) -> str:
    """What `${secret.NAME}` calls it: the file's name up to its first dot."""
    return step.path.rpartition("/")[2].partition(".")[0]


def _check(spec: ServiceSpec, specs: Mapping[str, ServiceSpec], absent: Collection[str]) -> None:
    """Raise `ConfigurationError` for a need, a port or a reference that leads nowhere."""
    where = f"services.{spec.name}"
    for need in spec.needs:
        if need == spec.name:
            raise ConfigurationError(f"{need} needs itself", where)
        if need not in specs:
            problem = f"{spec.name} needs {need!r}, which is not a service of this stack"
            raise ConfigurationError(f"{problem}{nearest(need, specs)}", where)
    for name, probe in (("ready", spec.ready), ("quiesce", spec.quiesce)):
        port = getattr(probe, "port", None)
        if port is not None and port not in spec.ports:
            problem = f"`{name}` of {spec.name} uses port {port!r}, which does not exist"
            raise ConfigurationError(f"{problem}{nearest(port, spec.ports)}", where)
    for text in texts(spec):
        if is_open(text):
            problem = f"{spec.name} has a ${{ without its }} in {text!r}"
            raise ConfigurationError(problem, where, hint="Write $${ for a text that is not a reference.")
    _check_references(spec, specs, absent)


def _check_references(spec: ServiceSpec, specs: Mapping[str, ServiceSpec], absent: Collection[str]) -> None:
    scopes: dict[str, Collection[str] | None] = {
        "bin": None,
        "env": None,
        **{name: other.exports for name, other in specs.items()},
        "port": spec.ports,
        "secret": {secret_name(step) for step in _secrets(spec.prepare)},
        "stack": {"environment"},
        "": OWN_NAMES - {"out"},
    }
    seeds = [step for step in spec.prepare if isinstance(step, Seed)]
    rest = replace(spec, prepare=tuple(step for step in spec.prepare if not isinstance(step, Seed)))
    services = {*specs, *absent}
    for part, known in (
        ((rest, [seed.into for seed in seeds]), scopes),
        ([seed.steps for seed in seeds], {"bin": None, "secret": scopes["secret"], "": {"out"}}),
    ):
        for reference in (reference for text in texts(part) for reference in references(text)):
            if known is scopes and (other := optional_export(reference)) and other[0] in absent:
                continue
            if problem := _problem(reference, known, services) or _own(reference, spec.name):
                if known is not scopes and not _problem(reference, scopes, services):
                    problem = (
                        "all stacks of a user share a seed: nothing but ${bin.…}, ${secret.…} and ${out}"
                    )
                message = f"{spec.name} refers to ${{{reference}}}, but {problem}"
                raise ConfigurationError(message, f"services.{spec.name}")


def _problem(reference: str, scopes: Mapping[str, Collection[str] | None], services: Iterable[str]) -> str:
    """What is wrong with a reference; empty when it is valid. None in `scopes`: every name is valid."""
    scope, dot, name = reference.partition(".")
    if optional_export(reference):
        name = name.removesuffix("?")
    if not dot:
        scope, name = "", reference
    if scope not in scopes:
        return f"this stack has no service {scope!r}{nearest(scope, services)}"
    known = scopes[scope]
    if known is None:
        return "" if name else "it names nothing"
    if name in known:
        return ""
    owner = {"": "there is no such name", "port": "it has no such port", "secret": "it makes no such secret"}
    return owner.get(scope, f"{scope} exports no {name!r}") + nearest(name, known)


def _own(reference: str, name: str) -> str:
    own = reference.startswith(f"{name}.")
    return "what it exports is for others: use ${host} and ${port.…}" if own else ""


def _secrets(steps: Iterable[object]) -> Iterator[Secret]:
    for step in steps:
        if isinstance(step, Secret):
            yield step
        elif isinstance(step, Seed):
            yield from _secrets(step.steps)


def _exported(export: tuple[str, str], specs: Mapping[str, ServiceSpec]) -> Iterator[tuple[str, str]]:
    """The exports of other services that an export refers to."""
    service, name = export
    for reference in references(specs[service].exports[name]) if service in specs else ():
        if other := optional_export(reference):
            if other[0] in specs:
                yield other
        elif scope := other_service(reference):
            yield scope, reference.partition(".")[2]


def _check_export_circles(specs: Mapping[str, ServiceSpec]) -> None:
    exports = [(name, export) for name, spec in specs.items() for export in spec.exports]
    try:
        graphlib.TopologicalSorter({export: [*_exported(export, specs)] for export in exports}).prepare()
    except graphlib.CycleError as error:
        circle = " → ".join(".".join(export) for export in reversed(error.args[1]))
        raise ConfigurationError(
            f"the exports refer to each other in a circle: {circle}",
            where=f"services.{error.args[1][-1][0]}",
            hint="Take one reference out of the circle.",
        ) from None


def _holds_secret(export: tuple[str, str], specs: Mapping[str, ServiceSpec]) -> bool:
    """Whether a secret is in an export's text, or in an export that it refers to."""
    own = references(specs[export[0]].exports[export[1]])
    return any(reference.startswith("secret.") for reference in own) or any(
        _holds_secret(other, specs) for other in _exported(export, specs)
    )


def _by_need(specs: Mapping[str, ServiceSpec]) -> tuple[ServiceSpec, ...]:
    needs = {name: spec.all_needs() for name, spec in specs.items()}
    # A secret exists once its service is prepared: an optional reference to one waits, without being a need.
    waits = {
        name: {
            *needs[name],
            *(
                export[0]
                for export in optional_exports(spec)
                if export[0] in specs and _holds_secret(export, specs)
            ),
        }
        for name, spec in specs.items()
    }
    try:
        graphlib.TopologicalSorter(waits).prepare()
    except graphlib.CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise ConfigurationError(
            f"the needs go in a circle: {circle}",
            where=f"services.{error.args[1][-1]}",
            hint="Take one reference or one of the `needs` out of the circle.",
        ) from None
    order: dict[str, ServiceSpec] = {}

    def place(name: str) -> None:
        if name not in order:
            for need in sorted(needs[name], key=list(specs).index):
                place(need)
            order[name] = specs[name]

    for name in specs:
        place(name)
    return tuple(order.values())


def _check_ports(services: Iterable[ServiceSpec]) -> None:
    holders: dict[int, str] = {}
    for spec in services:
        for name, port in spec.ports.items():
            holder = f"{spec.name} ({name})"
            if port in holders:
                raise ConfigurationError(
                    f"port {port} is wanted twice: by {holders[port]} and by {holder}",
                    where=f"services.{spec.name}",
                    hint=f"Give one of them another number: `ports` in [services.{spec.name}].",
                )
            holders[port] = holder
