"""nginx: a separate host name for each test, in a file that nginx reads when it starts.

nginx is restarted when a test changes its routes, but not when the routes are removed after the test. After
SIGHUP, the old worker processes would accept connections for some time, so a test could not be certain that
nginx uses its routes; a restart is also faster.

Source: nginx documentation, "Controlling nginx".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.services.nginx import DOLLAR, HOSTS, ROUTES, definition, location, quoted, server
from infra_runtime.services.routes import Route, path_expression
from pytest_infra.isolation.hosts import HostRoute, Hosts, RoutedHost, write_file
from pytest_infra.kit_context import KitContext


def units(context: KitContext) -> NginxHosts:
    """Return the object that creates isolation units (host names) of an nginx service."""
    return NginxHosts(context)


class NginxHosts(Hosts):
    """Host names in a copy of nginx; the copy is restarted when the routes of a host name change."""

    def __init__(self, context: KitContext) -> None:
        super().__init__(context.endpoint, context.owner, context.stack.data, context.resolve(), self._new)

    def _new(self, server: Endpoint, name: str, label: str) -> RoutedHost:
        return NginxHost(server, name, label, self.restart)


class NginxHost(RoutedHost):
    """An isolation unit of nginx: a host name, with routes, that belongs to one test."""

    def __init__(self, server: Endpoint, name: str, label: str, restart: Callable[[], None]) -> None:
        super().__init__(server, name, label)
        self._file = Path(server.data) / HOSTS / f"{name}.conf"
        self._restart = restart

    def update(self) -> None:
        """Write the file of the host name, and restart nginx."""
        write_file(self._file, self._text())
        self._restart()

    def remove(self) -> None:
        """Remove the nginx configuration of the host name of the unit.

        nginx uses the configuration until its next restart, which is harmless, because no later unit has the
        same host name.
        """
        self._file.unlink(missing_ok=True)

    def _text(self) -> str:
        # The name of a variable begins with a letter.
        prefix = f"u_{self.id.replace('-', '_')}"
        named_routes = [(f"{prefix}_{number}", route) for number, route in enumerate(self.added_routes)]
        definitions = [definition(name, _route(route)) for name, route in named_routes if route.to]
        locations = [
            location(name, _route(route)) if route.to else _response(route)
            for name, route in reversed(named_routes)
        ]
        locations.append(f"    include {quoted(str(Path(self.data) / ROUTES))};\n")
        listen = f"{self.host}:{self.port}"
        return "".join((*definitions, server(self["host_name"], "".join(locations), listen)))


def _route(route: HostRoute) -> Route:
    return Route(path=route.path, to=route.to, strip=route.strip)


def _response(route: HostRoute) -> str:
    body = quoted(route.body).replace("$", f"${{{DOLLAR[1:]}}}")
    return (
        f"    location ~* {quoted(path_expression(route.path))} {{\n"
        f"      default_type 'text/plain; charset=utf-8';\n      return {route.status} {body};\n    }}\n"
    )
