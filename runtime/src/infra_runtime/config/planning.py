"""Resolve a request to a plan, without the plan cache, in two passes.

The first pass validates the settings of the services and collects their contributions. The second pass
creates the specs, for which some kinds use the contributions of other services; it is repeated until the plan
contains every needed service.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from infra_runtime import catalogue
from infra_runtime.binaries import lockfile, search
from infra_runtime.config import plan_cache
from infra_runtime.config.declaration import USER, Declaration
from infra_runtime.config.default_stack import is_offered, remarks
from infra_runtime.config.environment import StackSettings
from infra_runtime.config.executables import sought, with_own_executables
from infra_runtime.config.layers import merge
from infra_runtime.config.port_numbers import default_ports, further_instances
from infra_runtime.config.provenance import provenance
from infra_runtime.config.proxy_choice import hint, is_replaced, replaced_error
from infra_runtime.config.request import Request, Resolved, make_resolved
from infra_runtime.config.selection import selected, stack_names
from infra_runtime.config.service_settings import ServiceConfiguration, configure, validated
from infra_runtime.config.sources import layers
from infra_runtime.contributions import BRING_IN, Contribution, Contributions, Metrics
from infra_runtime.errors import ConfigurationError, nearest
from infra_runtime.manifest import KINDS, UNSTORED_LOGS
from infra_runtime.plan import Plan, make_plan
from infra_runtime.spec import ServiceSpec, optional_exports


def resolved(request: Request, *, executables: bool) -> Resolved:
    """Resolve a request without the plan cache.

    The docstring of `resolve.resolve` describes result and errors.
    """
    merged = merge(layers(request))
    stack = validated(StackSettings, merged.values, (), merged.location)
    declaration = Declaration(request=request, stack=stack, merged=merged, executables=executables)
    services = _configured_tables(declaration)
    names = selected(declaration)
    _number_ports(declaration, services)
    try:
        plan = _plan(declaration, names, services)
    except ConfigurationError as error:
        raise _with_location(error, declaration) from None
    entries = {service.kind: service.entry for service in services.values()}
    programs = sought(declaration, plan, entries) if executables else ()
    origins = provenance(declaration, services.values())
    resolution = make_resolved(
        request, plan, programs, origins, tmpfs=stack.tmpfs, remarks=remarks(declaration)
    )
    file_groups = [catalogue.code_files(kind) for kind in sorted(entries.keys() - {USER, *KINDS})]
    if None not in file_groups:
        files = [file for group in file_groups if group for file in group]
        if any(spec.image for spec in plan.services):
            files.append(request.root / lockfile.NAME)
        plan_cache.store(request, resolution, programs, executables=executables, files=files)
    return resolution


# --- first pass: settings and contributions ----------------------------------------------------------


def _configured_tables(declaration: Declaration) -> dict[str, ServiceConfiguration]:
    """Validate the settings of every service with a table, even if the request does not contain the service.

    Return a mapping from service to settings. Raises one `ConfigurationError` for all invalid settings.
    """
    services, errors = {}, []
    for name in declaration.stack.services:
        try:
            services[name] = configure(name, declaration)
        except ConfigurationError as error:
            errors.append(error)
    if errors:
        first, *others = errors
        message = "\n".join([first.message, *map(str, others)])
        raise ConfigurationError(message, where=first.where, hint=first.hint)
    return services


def _number_ports(declaration: Declaration, services: dict[str, ServiceConfiguration]) -> None:
    """Configure second and later instances of a kind again, with ports that no other service has."""
    further = further_instances(declaration)
    if not further:
        return

    def ports(name: str) -> Mapping[str, int]:
        if name not in services:
            services[name] = configure(name, declaration)
        return _spec(services[name], (), declaration).ports

    for name, layer in default_ports(declaration, further, ports).items():
        services[name] = configure(name, declaration, ports=layer)


def _offering(
    declaration: Declaration, services: Mapping[str, ServiceConfiguration]
) -> dict[str, ServiceConfiguration]:
    """Return the services whose contributions under the keys `BRING_IN` can be consumed.

    `services` are the services that are configured so far: those with a table in the stack file, and others
    of the plan. The result contains them. If one of them consumes contributions under such a key, the result
    also contains all other services of the stack, so the contributions do not depend on the request.
    """
    offering = dict(services)
    if any(not BRING_IN.isdisjoint(service.entry.consumes) for service in services.values()):
        names = (name for name in stack_names(declaration) if declaration.kind(name) is not None)
        offering |= {name: configure(name, declaration) for name in names if name not in services}
    return offering


def _offers(
    services: Mapping[str, ServiceConfiguration], members: Iterable[str], declaration: Declaration
) -> list[Contribution]:
    """Return the contributions that services of the plan can consume, sorted.

    Under the keys `BRING_IN`, all services offer contributions: a consumer adds them to the plan. Under other
    keys, only `members` (the services that are already in the plan) offer contributions.
    """
    members = set(members)
    return sorted(
        (
            offer
            for name in services.keys() - set(declaration.request.skip)
            for offer in services[name].contributions()
            if (name in members or offer.key in BRING_IN) and is_offered(offer, declaration)
        ),
        key=lambda offer: (offer.key, offer.service, repr(offer.value)),
    )


# --- second pass: specs ------------------------------------------------------------------------------


def _plan(
    declaration: Declaration,
    names: Iterable[str],
    services: dict[str, ServiceConfiguration],
) -> Plan:
    request = declaration.request
    needed_by = dict.fromkeys(names, "")
    specs: dict[str, ServiceSpec] = {}
    consumed: dict[str, Contributions] = {}
    while True:
        members = len(needed_by)
        offering = _offering(declaration, services)
        offers = _offers(offering, needed_by, declaration)
        queue = deque(needed_by)
        while queue:
            name = queue.popleft()
            if name not in services:
                _check_need(name, needed_by[name], declaration)
                services[name] = offering.get(name) or configure(name, declaration)
            own_offers = _consumed(services[name], offers)
            if name in specs and own_offers == consumed[name]:
                continue
            consumed[name], specs[name] = own_offers, _spec(services[name], own_offers, declaration)
            brought_in = (offer.service for offer in own_offers if offer.key in BRING_IN)
            for need in dict.fromkeys((*specs[name].all_needs(), *brought_in)):
                if need not in needed_by:
                    _check_need(need, name, declaration)
                    needed_by[need] = name
                    queue.append(need)
        joining = _joining(declaration, specs, services)
        needed_by |= joining
        offering = _offering(declaration, services)
        if len(needed_by) == members and offers == _offers(offering, needed_by, declaration):
            break
    optional = {service for spec in specs.values() for service, _ in optional_exports(spec.references)}
    # The names of all kinds are read only if necessary, because this searches for entry points.
    absent = set(declaration.names()) - specs.keys() if optional - specs.keys() else ()
    roles: dict[str, list[str]] = {}
    for name in sorted(specs):
        for role in services[name].entry.roles:
            roles.setdefault(role, []).append(name)
    return make_plan(
        specs.values(),
        environment=request.environment,
        root=str(request.root),
        contributions=[offer for offer in offers if offer.service in specs],
        roles=roles,
        absent=absent,
    )


def _joining(
    declaration: Declaration,
    specs: Mapping[str, ServiceSpec],
    services: Mapping[str, ServiceConfiguration],
) -> dict[str, str]:
    """Return the services that settings of other services (targets) add to the plan: service → target.

    For example, the setting `forward_logs` of NATS adds the log forwarder. A service is added only if the
    plan contains services whose logs are stored, the plan is for this machine, and the programs of the
    service are installed.
    """
    request, joining = declaration.request, {}
    if not request.variables_required or all(spec.kind in UNSTORED_LOGS for spec in specs.values()):
        return {}
    for kind in KINDS.values():
        name, target = kind.name, kind.target
        if not kind.joins or name in (*specs, *request.skip) or target not in specs:
            continue
        if not getattr(services[target].settings, kind.joins, False) or declaration.kind(name) != name:
            continue
        programs = catalogue.entry(name).binaries if declaration.executables else ()
        if all(search(program, None, project=request.root).path for program in programs):
            joining[name] = target
    return joining


def _consumed(service: ServiceConfiguration, offers: Contributions) -> Contributions:
    """Return the contributions of other services that a service consumes."""
    return [
        offer for offer in offers if offer.key in service.entry.consumes and offer.service != service.name
    ]


def _spec(service: ServiceConfiguration, consumed: Contributions, declaration: Declaration) -> ServiceSpec:
    """Return the spec of a service, with an export for each port to which a contribution refers.

    A service of the catalogue with metrics also has the export `metrics_url`.
    """
    spec, offers = service.entry.make(service.settings, consumed), [*service.contributions()]
    ports = sorted({offer.port for offer in offers if offer.port})
    metrics_urls = [
        f"http://${{host}}:${{port.{offer.port}}}{offer.value.path}"
        for offer in offers
        if isinstance(offer.value, Metrics)
    ]
    spec = replace(
        spec,
        name=service.name,
        kind=service.kind,
        summary=spec.summary or service.entry.summary,
        sensitive=(*spec.sensitive, *getattr(service.settings, "sensitive", ())),
        exports={
            **{f"{port}_port": f"${{port.{port}}}" for port in ports},
            **({"metrics_url": metrics_urls[0]} if metrics_urls and service.kind != USER else {}),
            **spec.exports,
        },
    )
    return with_own_executables(spec, service.entry, declaration) if service.kind != USER else spec


def _check_need(need: str, by: str, declaration: Declaration) -> None:
    if need in declaration.request.skip:
        raise ConfigurationError(
            f"{by} needs {need}, but the request skips {need}", hint=f"Also skip {by}, or do not skip {need}."
        )
    if is_replaced(need, declaration):
        raise replaced_error(need, f"{by} needs", declaration.location_of_text(by, need), declaration)
    if declaration.kind(need) is None:
        raise ConfigurationError(
            f"{by} needs {need!r}, which is not a service{nearest(need, declaration.names())}",
            where=declaration.location_of_text(by, need),
            hint=hint(need),
        )


def _with_location(error: ConfigurationError, declaration: Declaration) -> ConfigurationError:
    """Return an error whose location is the line of the stack file with the invalid setting."""
    scope, _, name = error.where.partition(".")
    if scope != "services":
        return error
    reference = re.search(r"\$\{[^}]*\}", error.message)
    where = declaration.location_of_text(name, reference[0] if reference else "") or error.where
    return ConfigurationError(error.message, where=where, hint=error.hint)
