"""Select the services of a request: the services that it names, or else the services of the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra_runtime.config.declaration import Declaration
from infra_runtime.config.proxy_choice import check, hint, is_replaced, replaced_error, with_selected_proxy
from infra_runtime.config.stack_file import Key
from infra_runtime.errors import ConfigurationError, UnknownServiceError, nearest
from infra_runtime.manifest import DEFAULT_STACK, PROFILES


def selected(declaration: Declaration) -> list[str]:
    """Return the names of the services that a request selects, without the services that these need.

    Raises:
        UnknownServiceError: a name in the request is not a service.
        ConfigurationError: a name in `use` or in a profile is not a service, or the profile is unknown.
    """
    request = declaration.request
    for name in (*request.names, *request.skip):
        if declaration.kind(name) is None:
            raise UnknownServiceError(name, declaration.names())
    check(declaration)
    for name in (*request.names, *request.skip):
        if is_replaced(name, declaration):
            raise replaced_error(name, "the request names", "", declaration)
    _check_lists(declaration)
    names = request.names or with_selected_proxy(_stack(declaration), declaration)
    return [name for name in dict.fromkeys(names) if name not in request.skip]


def declared(declaration: Declaration) -> set[str]:
    """Return the names of all services that a request for this stack can start."""
    stack = declaration.stack
    in_use = _everything(declaration) if stack.use is None else stack.use
    names = {*in_use, *stack.services, *_stack(declaration), *declaration.mentioned()}
    names = names.union(*stack.profiles.values())
    existing = [name for name in names if declaration.kind(name) is not None]
    return set(with_selected_proxy(existing, declaration))


def _stack(declaration: Declaration) -> Sequence[str]:
    stack = declaration.stack
    if stack.profile is not None:
        return _profiles(declaration)[stack.profile]
    return _everything(declaration) if stack.use is None else stack.use


def _everything(declaration: Declaration) -> Sequence[str]:
    """Return the services of the profile `full`: the default stack, and each other service with a table."""
    return (*DEFAULT_STACK, *sorted(declaration.stack.services.keys() - set(DEFAULT_STACK)))


def _profiles(declaration: Declaration) -> Mapping[str, Sequence[str]]:
    return {"full": _everything(declaration), **PROFILES, **declaration.stack.profiles}


def _check_lists(declaration: Declaration) -> None:
    """Raise an error for an unknown name in the settings `profile` and `use` or in a profile."""
    stack, profiles = declaration.stack, _profiles(declaration)
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
