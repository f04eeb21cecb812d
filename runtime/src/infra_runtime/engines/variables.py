"""Convert the exports of a stack to environment variables for a program."""

from __future__ import annotations

from collections.abc import Mapping

from infra_runtime.manifest import KINDS
from infra_runtime.messages import Binding, ServiceEndpoint


def program_variables(services: Mapping[str, ServiceEndpoint] | Mapping[str, Binding]) -> dict[str, str]:
    """Return the variables with the exports of services, for `infra runtime exec` and `infra config env`."""
    exports = {name: service.exports for name, service in services.items()}
    return variables(exports, {name: service.kind for name, service in services.items()})


def variable_name(service: str, export: str) -> str:
    """Return the name of the variable for an export: `SERVICE_EXPORT` in capitals, such as `POSTGRES_URL`."""
    return f"{service}_{export}".upper().replace("-", "_")


def variables(exports: Mapping[str, Mapping[str, str]], kinds: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables for a program: `SERVICE_EXPORT` for each export, and well-known variables.

    `exports` maps service → export → value; `kinds` maps service → kind. A well-known variable is a variable
    that client libraries read, such as DATABASE_URL. Its value is from the instance with the name of the
    kind; without this instance, from the first instance in alphabetical order. If several kinds have the
    variable, the first kind in `KINDS` is used. The variable of an export has priority: REDIS_URL is the URL
    of the service `redis`, even if the stack also contains Valkey.
    """
    exported = {
        variable_name(service, name): value
        for service, service_exports in exports.items()
        for name, value in service_exports.items()
    }
    well_known: dict[str, str] = {}
    for kind in reversed([*KINDS.values()]):
        instances = sorted(service for service in exports if kinds.get(service) == kind.name)
        if not instances:
            continue
        endpoint_exports = exports[kind.name if kind.name in instances else instances[0]]
        well_known |= {
            variable: endpoint_exports[name]
            for variable, name in kind.variables.items()
            if name in endpoint_exports
        }
    return exported | well_known | exported
