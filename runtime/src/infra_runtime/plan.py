"""A plan: the specs of one stack in dependency order, before references are replaced by values."""

from __future__ import annotations

import graphlib
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
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
    references_in,
    texts,
)
from infra_runtime.spec.order import needs_first
from infra_runtime.value import frozen

#: the greatest length of a chain in which each export refers to the next export
EXPORT_DEPTH = 50


@frozen
class Plan:
    """The specs of a stack's services; each service comes after the services that it needs."""

    environment: str
    root: str
    services: tuple[ServiceSpec, ...]
    #: the contributions of the services, also under keys that no service of the plan consumes
    contributions: tuple[Contribution, ...] = ()
    #: role → the names of the services that provide this role
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def providers(self, role: str) -> tuple[ServiceSpec, ...]:
        """Return the specs of the services with a role such as `proxy`, in the plan's order; may be empty."""
        names = self.roles.get(role, ())
        return tuple(spec for spec in self.services if spec.name in names)

    @property
    def ports(self) -> Literal["fixed", "leased"]:
        """`fixed` if services listen on the ports in their specs, `leased` if they listen on free ports."""
        return "leased" if self.environment == "test" else "fixed"

    @property
    def digest(self) -> str:
        """A hash of the plan's content, as sixteen hexadecimal digits."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Return this plan as JSON data, from which `from_json` creates the plan again."""
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
        """Return the plan that `to_json` converted.

        Raises `ValueError`, `KeyError` or `TypeError` for other data.
        """
        return cls(
            environment=data["environment"],
            root=data["root"],
            services=tuple(decode_service(spec) for spec in data["services"]),
            contributions=tuple(Contribution.from_json(offer) for offer in data["contributions"]),
            roles={role: tuple(names) for role, names in data["roles"].items()},
        )

    def without_containers(self) -> Plan:
        """Return the plan without the data for containers; the local engine does not use these data."""
        return replace(self, services=tuple(replace(spec, container=None) for spec in self.services))

    def binaries(self) -> set[str]:
        """Return the names of the executables that the plan needs: NAME of each reference `${bin.NAME}`."""
        return {name for scope, name in self._scoped() if scope == "bin"}

    def environment_names(self) -> set[str]:
        """Return the names of the variables to which the plan refers: NAME of each `${env.NAME}`."""
        return {name.partition(":-")[0] for scope, name in self._scoped() if scope == "env"}

    def _scoped(self) -> Iterator[tuple[str, str]]:
        for spec in self.services:
            for reference in spec.references:
                scope, _, name = reference.partition(".")
                yield scope, name


def make_plan(
    services: Iterable[ServiceSpec],
    *,
    environment: str,
    root: str,
    contributions: Iterable[Contribution] = (),
    roles: Mapping[str, Iterable[str]] | None = None,
    absent: Collection[str] = (),
) -> Plan:
    """Create a plan from the specs of its services, and check every reference in these specs.

    The plan has the order of `services`, except that a service comes after the services that it needs.
    `absent` contains the names of services that the stack file defines but the plan does not contain. The
    value of an optional reference to such a service is empty.

    Raises:
        ConfigurationError: a duplicate name or fixed port; an unknown need, export, port or secret; another
            invalid reference; or a cycle or too long chain of references.
    """
    specs: dict[str, ServiceSpec] = {}
    for spec in services:
        if spec.name in specs:
            problem = f"two services have the name {spec.name!r}"
            raise ConfigurationError(problem, where=f"services.{spec.name}")
        specs[spec.name] = spec
    for spec in specs.values():
        _check(spec, specs, absent)
    _check_export_cycles(specs)
    order = _by_need(specs)
    contributions = tuple(contributions)
    for offer in contributions:
        _check_contribution(offer, specs[offer.service])
    plan = Plan(
        environment=environment,
        root=root,
        services=order,
        contributions=contributions,
        roles={role: tuple(names) for role, names in (roles or {}).items()},
    )
    if plan.ports == "fixed":
        _check_ports(order)
    return plan


def _check_contribution(offer: Contribution, spec: ServiceSpec) -> None:
    if offer.port and offer.port not in spec.ports:
        raise ConfigurationError(
            f"the contribution {offer.key!r} of {spec.name} uses port {offer.port!r}, "
            f"but {spec.name} has no such port{nearest(offer.port, spec.ports)}",
            where=f"services.{spec.name}",
        )


def secret_name(step: Secret) -> str:
    """Return NAME in references `${secret.NAME}` to a secret: the name of its file up to the first dot."""
    return step.path.rpartition("/")[2].partition(".")[0]


def _check(spec: ServiceSpec, specs: Mapping[str, ServiceSpec], absent: Collection[str]) -> None:
    """Raise `ConfigurationError` for an invalid reference or need, or for a probe of an unknown port."""
    where = f"services.{spec.name}"
    for need in spec.needs:
        if need == spec.name:
            raise ConfigurationError(f"{need} cannot need itself", where)
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
            problem = f"{spec.name} contains a ${{ without a }} in {text!r}"
            raise ConfigurationError(problem, where, hint="Write $${ for text that is not a reference.")
    _check_references(spec, specs, absent)


def _check_references(spec: ServiceSpec, specs: Mapping[str, ServiceSpec], absent: Collection[str]) -> None:
    scopes: dict[str, Collection[str] | None] = {
        "bin": None,
        "env": None,
        **{name: other.exports for name, other in specs.items()},
        "port": spec.ports,
        "secret": {*(secret_name(step) for step in _secrets(spec.prepare)), *_secrets_of_operator(spec)},
        "stack": {"data", "environment", "logs", "project", "run", "service", "token"},
        "": OWN_NAMES - {"out"},
    }
    seeds = [step for step in spec.prepare if isinstance(step, Seed)]
    if any(isinstance(step, Secret) for seed in seeds for step in seed.steps):
        problem = f"{spec.name} creates a secret in a seed, which all stacks of a user share"
        hint = (
            "Create the secret in a step of `prepare` after the seed; "
            "the service must use this secret when it is ready."
        )
        raise ConfigurationError(problem, f"services.{spec.name}", hint)
    if seeds:
        spec_without_seed_steps = replace(
            spec, prepare=tuple(step for step in spec.prepare if not isinstance(step, Seed))
        )
        spec_references = references_in((spec_without_seed_steps, [seed.into for seed in seeds]))
    else:
        spec_references = spec.references
    services = {*specs, *absent}
    for reference_names, allowed in (
        (spec_references, scopes),
        (references_in([seed.steps for seed in seeds]), {"bin": None, "": {"out"}}),
    ):
        for reference in reference_names:
            if allowed is scopes and (export := optional_export(reference)) and export[0] in absent:
                continue
            if problem := _problem(reference, allowed, services) or _own_export_problem(reference, spec.name):
                if allowed is not scopes and not _problem(reference, scopes, services):
                    problem = "all stacks of a user share a seed, which can only refer to ${bin.…} and ${out}"
                message = f"{spec.name} refers to ${{{reference}}}, but {problem}"
                raise ConfigurationError(message, f"services.{spec.name}")


def _problem(reference: str, scopes: Mapping[str, Collection[str] | None], services: Iterable[str]) -> str:
    """Return a text that describes the mistake in a reference; empty if the reference is correct.

    `scopes` is a mapping from the text before the dot to the allowed names after the dot; None allows every
    name.
    """
    scope, dot, name = reference.partition(".")
    if optional_export(reference):
        name = name.removesuffix("?")
    if not dot:
        scope, name = "", reference
    if scope not in scopes:
        return f"this stack has no service {scope!r}{nearest(scope, services)}"
    allowed_names = scopes[scope]
    if allowed_names is None:
        return "" if name else "the name after the dot is missing"
    if name in allowed_names:
        return ""
    problems = {
        "": "a reference with this name does not exist",
        "port": "the service has no such port",
        "secret": "the service has no such secret",
    }
    return problems.get(scope, f"{scope} does not export {name!r}") + nearest(name, allowed_names)


def _own_export_problem(reference: str, service: str) -> str:
    if reference.startswith(f"{service}."):
        return "a service cannot refer to its own exports: use ${host} and ${port.…}"
    return ""


def _secrets_of_operator(spec: ServiceSpec) -> tuple[str, ...]:
    """Return the names of the secrets that the operator of a service creates in a cluster."""
    operator = spec.container.operator if spec.container else None
    return operator.secrets if operator else ()


def _secrets(steps: Iterable[object]) -> Iterator[Secret]:
    return (step for step in steps if isinstance(step, Secret))


def _exported(export: tuple[str, str], specs: Mapping[str, ServiceSpec]) -> Iterator[tuple[str, str]]:
    """Yield the exports of other services to which the text of this export refers."""
    service, name = export
    for reference in references(specs[service].exports[name]) if service in specs else ():
        if optional := optional_export(reference):
            if optional[0] in specs:
                yield optional
        elif scope := other_service(reference):
            yield scope, reference.partition(".")[2]


def _check_export_cycles(specs: Mapping[str, ServiceSpec]) -> None:
    exports = [(name, export) for name, spec in specs.items() for export in spec.exports]
    graph = {export: [*_exported(export, specs)] for export in exports}
    try:
        order = [*graphlib.TopologicalSorter(graph).static_order()]
    except graphlib.CycleError as error:
        cycle = " → ".join(".".join(export) for export in reversed(error.args[1]))
        raise ConfigurationError(
            f"the exports refer to each other in a cycle: {cycle}",
            where=f"services.{error.args[1][-1][0]}",
            hint="Remove one of these references.",
        ) from None
    depths: dict[tuple[str, str], int] = {}
    for export in order:
        depths[export] = 1 + max((depths[target] for target in graph.get(export, ())), default=0)
        if depths[export] > EXPORT_DEPTH:
            raise ConfigurationError(
                f"the export {'.'.join(export)} begins a chain of {depths[export]} exports, "
                "in which each export refers to the next export",
                where=f"services.{export[0]}",
                hint=f"A chain can have at most {EXPORT_DEPTH} exports. "
                "Refer to the last export of the chain directly.",
            )


def _holds_secret(export: tuple[str, str], specs: Mapping[str, ServiceSpec]) -> bool:
    """Return whether the text of an export contains a secret, directly or through another export."""
    visited, pending = {export}, [export]
    while pending:
        service, name = pending.pop()
        if any(reference.startswith("secret.") for reference in references(specs[service].exports[name])):
            return True
        next_exports = set(_exported((service, name), specs)) - visited
        visited |= next_exports
        pending += next_exports
    return False


def _by_need(specs: Mapping[str, ServiceSpec]) -> tuple[ServiceSpec, ...]:
    needs = {name: spec.all_needs() for name, spec in specs.items()}
    # A secret exists when the service that creates it is prepared. A service with an optional reference to
    # this secret waits until then, although it does not need the service that creates the secret.
    waits = {
        name: {
            *needs[name],
            *(
                export[0]
                for export in optional_exports(spec.references)
                if export[0] in specs and _holds_secret(export, specs)
            ),
        }
        for name, spec in specs.items()
    }
    try:
        graphlib.TopologicalSorter(waits).prepare()
    except graphlib.CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        raise ConfigurationError(
            f"the services depend on each other in a cycle: {cycle}",
            where=f"services.{error.args[1][-1]}",
            hint="Remove one of these references or `needs`.",
        ) from None
    positions = {name: position for position, name in enumerate(specs)}
    ordered_needs = {name: sorted(needs[name], key=positions.__getitem__) for name in specs}
    return tuple(specs[name] for name in needs_first(specs, ordered_needs))


def _check_ports(services: Iterable[ServiceSpec]) -> None:
    holders: dict[int, str] = {}
    for spec in services:
        for name, port in spec.ports.items():
            holder = f"{spec.name} ({name})"
            if port in holders:
                raise ConfigurationError(
                    f"port {port} is used twice: by {holders[port]} and by {holder}",
                    where=f"services.{spec.name}",
                    hint=f"Change one of the numbers, such as `ports` in [services.{spec.name}].",
                )
            holders[port] = holder
