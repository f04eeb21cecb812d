"""The default stack: a fixed list of services, to which the development environment adds further services."""

from __future__ import annotations

from collections.abc import Iterator

from infra_runtime import catalogue
from infra_runtime.binaries import search
from infra_runtime.config.declaration import Declaration
from infra_runtime.contributions import Contribution
from infra_runtime.manifest import DEFAULT_STACK, DEVELOPMENT_KINDS, Kind


def default_stack(declaration: Declaration) -> tuple[str, ...]:
    """Return the names of the services of the default stack."""
    return (*DEFAULT_STACK, *(kind.name for kind in _wanted(declaration) if not _is_missing(kind)))


def remarks(declaration: Declaration) -> tuple[str, ...]:
    """Return a line for each kind that is not in the default stack because its extra is not installed.

    The result is empty if the request contains names, or if the setting `use` or `profile` is set.
    """
    request, stack = declaration.request, declaration.stack
    if request.names or stack.use is not None or stack.profile is not None:
        return ()
    return tuple(
        f"the stack has no {kind.name}, because the extra `{kind.extra}` is not installed: "
        f"`python -m pip install 'pytest-infra[{kind.extra}]'`, or `{kind.name} = false` in the stack file"
        for kind in _wanted(declaration)
        if kind.name not in request.skip and _is_missing(kind)
    )


def is_offered(offer: Contribution, declaration: Declaration) -> bool:
    """Return whether other services may consume a contribution.

    The result is false only for variables that a service offers to other services, and only if the stack file
    excludes the kind of the offering service.
    """
    return offer.key != "variables" or is_on(offer.service, declaration)


def is_on(service: str, declaration: Declaration) -> bool:
    """Return whether profiles such as `full` contain a service: the stack file does not exclude its kind."""
    kind = declaration.kind(service)
    return all(_setting(default, declaration) for default in DEVELOPMENT_KINDS if default.name == kind)


def _wanted(declaration: Declaration) -> Iterator[Kind]:
    """Yield the kinds that are added in development: the stack file neither excludes nor configures them."""
    stack, request = declaration.stack, declaration.request
    # An export for another machine must not depend on the extras of this machine.
    if request.environment != "development" or not request.variables_required:
        return
    configured_kinds = {declaration.kind(name) for name in stack.services}
    yield from (
        kind
        for kind in DEVELOPMENT_KINDS
        if kind.name not in configured_kinds and _setting(kind, declaration)
    )


def _setting(kind: Kind, declaration: Declaration) -> bool:
    """Return the setting with the name of the kind, such as `telemetry`.

    If it is false, the kind is excluded.
    """
    return bool(getattr(declaration.stack, kind.identifier))


def _is_missing(kind: Kind) -> bool:
    return not all(search(binary, None).path for binary in catalogue.entry(kind.name).binaries)
