"""The setting `proxy` selects the kind of the service `proxy`, which then replaces all other proxies.

If the setting is set, and `use` or a profile contains a kind of proxy, such as `caddy`, the service `proxy`
is used instead. In a request or in `needs`, the name of a kind of proxy is then an error.
"""

from __future__ import annotations

from collections.abc import Iterable

from infra_runtime import catalogue
from infra_runtime.config.declaration import Declaration
from infra_runtime.errors import ConfigurationError, nearest
from infra_runtime.manifest import PROXY


def with_selected_proxy(names: Iterable[str], declaration: Declaration) -> list[str]:
    """Return `names`, in which `proxy` replaces each name for which `is_replaced` is true."""
    return [PROXY if is_replaced(name, declaration) else name for name in names]


def is_replaced(name: str, declaration: Declaration) -> bool:
    """Return whether the service `proxy` replaces the service `name`, which is a kind of proxy.

    Services are replaced only if the setting `proxy` is set. A service with the key `kind` or `command` in
    its table is not replaced.
    """
    return (
        declaration.stack.proxy is not None
        and name != PROXY
        and declaration.kind(name) == name
        and "kind" not in declaration.table(name)
        and PROXY in catalogue.entry(name).roles
    )


def replaced_error(name: str, subject: str, where: str, declaration: Declaration) -> ConfigurationError:
    """Return the error that a text contains the name of a kind of proxy instead of `proxy`.

    `subject` is the beginning of the message, such as `web needs`.
    """
    return ConfigurationError(
        f"{subject} {name}, but the proxy of this stack is the service `{PROXY}`, of the kind "
        f"{declaration.stack.proxy} ({declaration.location((PROXY,))})",
        where=where,
        hint=f"Write `{PROXY}` instead of `{name}`, such as ${{{PROXY}.url}}.",
    )


def hint(name: str) -> str:
    """Return the hint for an unknown service with this name; empty for other names than `proxy`."""
    return (
        f'Select the proxy at the top of the stack file, such as {PROXY} = "caddy".' if name == PROXY else ""
    )


def check(declaration: Declaration) -> None:
    """Raise `ConfigurationError` if the setting `proxy` is not a kind of proxy, or a table contradicts it."""
    kind = declaration.stack.proxy
    if kind is None:
        return
    where = declaration.location((PROXY,))
    if {"kind", "command"} & declaration.stack.services.get(PROXY, {}).keys():
        raise ConfigurationError(
            f"the setting `{PROXY}` selects the kind of the service `{PROXY}`, but the table of this service "
            "has a `kind` or a `command`",
            where=declaration.location(("services", PROXY)),
            hint=f"Remove the setting `{PROXY}` ({where}), or give the service another name.",
        )
    if not catalogue.exists(kind) or PROXY not in catalogue.entry(kind).roles:
        proxies = [name for name in catalogue.names() if PROXY in catalogue.entry(name).roles]
        raise ConfigurationError(
            f"{kind!r} is not a kind of proxy{nearest(kind, proxies)}",
            where=where,
            hint=f"The kinds of proxies are {', '.join(proxies)}.",
        )
    for name, table in declaration.stack.services.items():
        if name != kind and table.get("routes") and is_replaced(name, declaration):
            key = ("services", name, "routes")
            error = replaced_error(name, "the routes are settings of", declaration.location(key), declaration)
            error.hint = f"Move the routes to [services.{PROXY}], whose settings apply to each kind of proxy."
            raise error
