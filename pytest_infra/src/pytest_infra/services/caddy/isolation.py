"""Caddy: a separate host name for each test, with routes that apply only to requests for that host.

Source: Caddy documentation, "API".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.host.ports import listeners
from pytest_infra.isolation.connection import PATIENCE, CommandError
from pytest_infra.isolation.hosts import HostRoute, Hosts, RoutedHost
from pytest_infra.kit_context import KitContext
from pytest_infra.services.caddy.protocol import admin_request

#: The number of attempts to send a request before the last attempt, and the seconds between two attempts.
ATTEMPTS, PAUSE = 50, 0.01
#: The seconds between two checks whether the previous configuration has closed its sockets.
SOCKET_PAUSE = 0.001
ROUTES = "/config/apps/http/servers/http/routes"


def units(context: KitContext) -> Hosts:
    """Return the object that creates isolation units (host names) of a Caddy service."""
    return Hosts(context.endpoint, context.owner, context.stack.data, context.resolve(), CaddyHost)


class CaddyHost(RoutedHost):
    """An isolation unit of Caddy: a host name, with routes, that belongs to one test."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label)
        self._socket = server["admin_socket"]
        #: the ids of the routes in Caddy, in the order of `added_routes`
        self._names: list[str] = []

    def routes(self) -> list[Any]:
        """Request the routes from Caddy, and return those of this host name."""
        return [_request(self._socket, "GET", f"/id/{name}") for name in self._names]

    def update(self) -> None:
        """Add routes to Caddy or remove routes from it, so that its routes for this host are `added_routes`.

        When the method returns, Caddy answers each new connection according to these routes.
        """
        try:
            while len(self._names) > len(self.added_routes):
                _remove(self._socket, self._names[-1])
                self._names.pop()
            for route in self.added_routes[len(self._names) :]:
                name = f"{self.id}-{len(self._names) + 1}"
                # The route is inserted before all other routes, because the last route of the stack matches
                # every request.
                self._names.append(name)
                _insert(self._socket, name, _json(name, self["host_name"], route))
        finally:  # Caddy also closes sockets after it has refused a route
            _await_single_sockets(self)


def _json(name: str, host: str, route: HostRoute) -> Mapping[str, Any]:
    handle: list[dict[str, Any]] = []
    if route.strip and (prefix := route.path.removesuffix("*").removesuffix("/")):
        handle.append({"handler": "rewrite", "strip_path_prefix": prefix})
    if route.to:
        handle.append({"handler": "reverse_proxy", "upstreams": [{"dial": route.to}]})
    else:
        handle.append({"handler": "static_response", "status_code": route.status, "body": route.body})
    match: dict[str, Any] = {"host": [host]}
    if route.path != "/*":
        # `/api/*` alone would leave `/api` without an answer.
        match["path"] = (
            [route.path.removesuffix("/*"), route.path] if route.path.endswith("/*") else [route.path]
        )
    return {"@id": name, "match": [match], "handle": handle, "terminal": True}


# --- the admin API ---------------------------------------------------------------------------------
# Each change of the configuration also replaces the server of the admin API. The replaced server can close
# connections before it has answered.


def _insert(socket: str, name: str, route: Mapping[str, Any]) -> None:
    try:
        _request(socket, "PUT", f"{ROUTES}/0", route)
    except CommandError:
        # An earlier attempt can have succeeded without an answer. In this case, the name already exists.
        _request(socket, "GET", f"/id/{name}")


def _remove(socket: str, name: str) -> None:
    # The route is unknown if an earlier attempt has removed it, or if Caddy was restarted.
    with contextlib.suppress(CommandError):
        _request(socket, "DELETE", f"/id/{name}")


def _await_single_sockets(server: Endpoint) -> None:
    """Wait until only one configuration of Caddy listens on the ports of the server.

    A new configuration opens its own socket on each port (SO_REUSEPORT). Caddy answers the admin request
    while it still closes the sockets of the previous configuration. Until then, the kernel gives some
    connections to the previous configuration, and closes them with its socket.
    Source: caddyserver/caddy, `listen_unix.go`, and `modules/caddyhttp/app.go` (`Stop`).

    Raises `CommandError` if the previous configuration still listens after `PATIENCE` seconds.
    """
    deadline = time.monotonic() + PATIENCE
    for port in server.ports.values():
        while listeners(server.host, port) > 1:
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{server.name}: after {PATIENCE:g} s, the previous configuration still listens on port "
                    f"{port}"
                )
            time.sleep(SOCKET_PAUSE)


def _request(socket: str, method: str, target: str, body: object = None) -> Any:
    for _ in range(ATTEMPTS):
        with contextlib.suppress(ConnectionError):
            return admin_request(socket, method, target, body)
        time.sleep(PAUSE)
    return admin_request(socket, method, target, body)
