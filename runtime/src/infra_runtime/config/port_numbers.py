"""Determine default port numbers for the second and all later instances of a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra_runtime.config.declaration import USER, Declaration
from infra_runtime.config.layers import Layer
from infra_runtime.config.selection import declared
from infra_runtime.config.stack_file import Key


def further_instances(declaration: Declaration) -> dict[str, str]:
    """Return a mapping from service to kind, for each instance that is not the first instance of its kind.

    The first instance is the service with the name of the kind; without this service, the first instance in
    alphabetical order. The result does not depend on the services in the request, so the ports of a service
    do not depend on them, either.
    """
    instances: dict[str, list[str]] = {}
    for name in sorted(declared(declaration)):
        kind = declaration.kind(name)
        if kind is not None and kind != USER:
            instances.setdefault(kind, []).append(name)
    return {
        name: kind
        for kind, names in instances.items()
        for name in names
        if name != (kind if kind in names else names[0])
    }


def default_ports(
    declaration: Declaration, further: Mapping[str, str], ports: Callable[[str], Mapping[str, int]]
) -> dict[str, Layer]:
    """Return a mapping from each service in `further` to a layer of default settings with its port numbers.

    The numbers are the next numbers that no other service has. The function `ports` returns the ports that a
    service has without this layer.
    """
    numbers = {name: dict(ports(name)) for name in sorted(declared(declaration) | further.keys())}
    implicit = {name: _implicit(declaration, name, numbers[name]) for name in further}
    taken = {
        number
        for name, ports_of_service in numbers.items()
        for port, number in ports_of_service.items()
        if port not in implicit.get(name, ())
    }
    layers = {}
    for name, kind in sorted(further.items()):
        chosen_numbers = {}
        for port in implicit[name]:
            number = numbers[name][port] + 1
            while number in taken:
                number += 1
            taken.add(number)
            chosen_numbers[port] = number
        layers[name] = Layer(values={"ports": chosen_numbers}, where=_source(kind))
    return layers


def _source(kind: str) -> Callable[[Key], str]:
    return lambda _: f"the next free port for another instance of {kind}"


def _implicit(declaration: Declaration, name: str, numbers: Mapping[str, int]) -> list[str]:
    """Return the names of the ports whose numbers no source sets; the setting `port` sets the first port."""
    table = declaration.table(name)
    explicit_ports = set(table.get("ports", {}))
    if table.get("port") is not None:
        explicit_ports |= set(list(numbers)[:1])
    return [port for port in numbers if port not in explicit_ports]
