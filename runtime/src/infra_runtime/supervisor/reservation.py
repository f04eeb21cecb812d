"""Reserve ports of services that are not prepared yet: optional references of other services need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infra_runtime.data_directory.paths import Paths
from infra_runtime.host.ports import PortError, Ports
from infra_runtime.spec import optional_exports, references_in
from infra_runtime.supervisor.binding import Bound
from infra_runtime.supervisor.machine import Machine


def reserve(
    names: Iterable[str],
    present: Mapping[str, Bound],
    machine: Machine,
    ports: Ports,
    paths: Paths,
) -> dict[str, Bound]:
    """Reserve the ports of the services in `names`, and of the services that they need or refer to.

    `present` contains the services that already have ports. The result contains the other services, with
    their ports.
    """
    reserved: dict[str, Bound] = {}
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in present or name in reserved or name not in machine.services:
            continue
        spec = machine.services[name].spec
        numbers = {}
        for port, default_number in spec.ports.items():
            try:
                numbers[port] = ports.take(name, port, default_number, spec.ports_may_vary)
            except (PortError, OSError):
                numbers[port] = default_number  # the error is reported when the service itself starts
        reserved[name] = Bound(spec, paths.service_data(name), paths.service_run(name), numbers)
        queue += [service for service, _ in optional_exports(references_in(spec.exports))]
        queue += spec.all_needs()
    return reserved
