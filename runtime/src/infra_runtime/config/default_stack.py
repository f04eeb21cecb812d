"""The services of a stack whose stack file lists none: a fixed list, and in development the telemetry."""

from __future__ import annotations

from infra_runtime import catalogue
from infra_runtime.binaries import search
from infra_runtime.config.declaration import Declaration
from infra_runtime.contributions import Contribution
from infra_runtime.manifest import DEFAULT_STACK, DEVELOPMENT_KIND


def default_stack(declaration: Declaration) -> tuple[str, ...]:
    """Return the names of the services of the default stack."""
    is_added = _is_wanted(declaration) and not _is_missing()
    return (*DEFAULT_STACK, *([DEVELOPMENT_KIND.name] if is_added else []))


def remarks(declaration: Declaration) -> tuple[str, ...]:
    """Return a line about the telemetry if the default stack lacks it because its extra is missing."""
    request, stack = declaration.request, declaration.stack
    lists_services = request.names or stack.use is not None or stack.profile is not None
    name, extra = DEVELOPMENT_KIND.name, DEVELOPMENT_KIND.extra
    if lists_services or name in request.skip or not _is_wanted(declaration) or not _is_missing():
        return ()
    return (
        (
            f"the stack has no {name}, because the extra `{extra}` is not installed: "
            f"`python -m pip install 'pytest-infra[{extra}]'`, or `telemetry = false` in the stack file"
        ),
    )


def is_offered(offer: Contribution, declaration: Declaration) -> bool:
    """Return whether services can consume a contribution; the setting `telemetry` excludes its variables."""
    return offer.key != "variables" or is_on(offer.service, declaration)


def is_on(service: str, declaration: Declaration) -> bool:
    """Return whether the profiles of all services include a service; the setting `telemetry` excludes one."""
    return declaration.stack.telemetry or declaration.kind(service) != DEVELOPMENT_KIND.name


def _is_wanted(declaration: Declaration) -> bool:
    """Return whether the setting and the environment add the telemetry, which no table describes."""
    stack = declaration.stack
    in_tables = any(declaration.kind(name) == DEVELOPMENT_KIND.name for name in stack.services)
    request = declaration.request
    # A file for engines on other machines does not depend on the extras of this machine.
    is_local = request.environment == "development" and request.variables_required
    return stack.telemetry and is_local and not in_tables


def _is_missing() -> bool:
    return not all(search(binary, None).path for binary in catalogue.entry(DEVELOPMENT_KIND.name).binaries)
