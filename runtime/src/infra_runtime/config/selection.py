"""Select the services that a request names; if it names no services, select the services of the stack."""

from __future__ import annotations

from collections.abc import Sequence

from infra_runtime import catalogue
from infra_runtime.config.declaration import Declaration
from infra_runtime.config.default_stack import default_stack, is_on
from infra_runtime.config.proxy_choice import check, hint, is_replaced, replaced_error, with_selected_proxy
from infra_runtime.config.stack_file import Key
from infra_runtime.errors import ConfigurationError, UnknownServiceError, nearest
from infra_runtime.manifest import EVERYTHING, FULL, KINDS, PROFILES, PROXY

#: the roles for which the profile `everything` contains only one service
_ONCE = frozenset({PROXY})


def selected(declaration: Declaration) -> list[str]:
    """Return the names of the services that a request selects; the services that they need are not added.

    Raises:
        UnknownServiceError: a name in the request is not a service.
        ConfigurationError: a name in `use` or in a profile is not a service, the profile is unknown, the
            setting `proxy` is invalid, or the request contains a proxy that this setting replaces.
    """
    request = declaration.request
    for name in (*request.names, *request.skip):
        if declaration.kind(name) is None:
            raise UnknownServiceError(name, declaration.names())
    check(declaration)
    for name in (*request.names, *request.skip):
        if is_replaced(name, declaration):
            raise replaced_error(name, "the request contains", "", declaration)
    _check_lists(declaration)
    names = request.names or with_selected_proxy(stack_names(declaration), declaration)
    return [name for name in dict.fromkeys(names) if name not in request.skip]


def declared(declaration: Declaration) -> set[str]:
    """Return the names of the services in all settings of this stack: lists, tables, needs and references."""
    stack = declaration.stack
    names = {*_in_use(declaration), *stack.services, *stack_names(declaration), *declaration.mentioned()}
    names = names.union(*stack.profiles.values())
    existing = [name for name in names if declaration.kind(name) is not None]
    return set(with_selected_proxy(existing, declaration))


def stack_names(declaration: Declaration) -> Sequence[str]:
    """Return the services of the stack: those of the setting `profile`; if it is not set, those of `use`.

    If neither is set, return the services of the profile `full`.
    """
    profile = declaration.stack.profile
    return _in_use(declaration) if profile is None else _profile(declaration, profile)


def _in_use(declaration: Declaration) -> Sequence[str]:
    return _full(declaration) if declaration.stack.use is None else declaration.stack.use


def _full(declaration: Declaration) -> Sequence[str]:
    """Return the services of the profile `full`: the default stack, and all other services with a table."""
    return _with_tables(declaration, default_stack(declaration))


def _with_tables(declaration: Declaration, names: Sequence[str]) -> Sequence[str]:
    tables = sorted(declaration.stack.services.keys() - set(names))
    return [name for name in (*names, *tables) if is_on(name, declaration)]


def _profile(declaration: Declaration, profile: str) -> Sequence[str]:
    """Return the services of a profile; a profile of the stack file replaces a profile of pytest-infra."""
    if (declared_services := declaration.stack.profiles.get(profile)) is not None:
        return declared_services
    if profile == FULL:
        return _full(declaration)
    if profile == EVERYTHING:
        return _with_tables(declaration, _every_kind())
    stack_services = {*_in_use(declaration), *declaration.stack.services}
    is_export = not declaration.request.variables_required
    return [
        name
        for name in PROFILES[profile]
        if name in declaration.stack.services
        or (KINDS[name].target in {"", *stack_services} and not (KINDS[name].local and is_export))
    ]


def _every_kind() -> list[str]:
    """Return the kinds whose servers can be installed; for each role in `_ONCE`, only the first kind."""
    names, provided_roles = [], set[str]()
    for name in (kind.name for kind in KINDS.values() if not kind.external):
        roles = _ONCE.intersection(catalogue.entry(name).roles)
        if not roles & provided_roles:
            names.append(name)
        provided_roles |= roles
    return names


def _check_lists(declaration: Declaration) -> None:
    """Raise `ConfigurationError` for an unknown name in the settings `profile` and `use`, or in a profile."""
    stack = declaration.stack
    profiles = {*PROFILES, FULL, EVERYTHING, *stack.profiles}
    if stack.profile is not None and stack.profile not in profiles:
        raise ConfigurationError(
            f"unknown profile {stack.profile!r}{nearest(stack.profile, profiles)}",
            where=declaration.location(("profile",)),
        )
    lists: list[tuple[Key, Sequence[str]]] = [(("use",), stack.use or ())]
    lists += [(("profiles", profile), names) for profile, names in sorted(stack.profiles.items())]
    for key, names in lists:
        for name in names:
            if declaration.kind(name) is None:
                raise ConfigurationError(
                    f"unknown service {name!r}{nearest(name, declaration.names())}",
                    where=declaration.location(key),
                    hint=hint(name),
                )
