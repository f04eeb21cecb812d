"""Caddy: a separate host name for each test, with routes that apply only to requests for that host.

Source: Caddy documentation, "API".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from pytest_infra.isolation.connection import CommandError
from pytest_infra.isolation.copies import Copier
from pytest_infra.isolation.host import Host
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.services.caddy.protocol import admin_request

#: The number of attempts to send a request, and the seconds between two attempts.
ATTEMPTS, PAUSE = 50, 0.01
ROUTES = "/config/apps/http/servers/http/routes"


class CaddyHost(Host):
    """An isolation unit of Caddy: a host name, with routes, that belongs to one test."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label, host_name=f"{name}.localhost")
        self._socket = server["admin_socket"]
        self._routes: list[str] = []

    def route(self, path: str = "/*", *, to: Endpoint | str, strip: bool = False) -> None:
        """Add a route that forwards requests to a service or to `HOST:PORT`.

        The route that was added last is matched first.
        """
        upstream = to if isinstance(to, str) else f"{to.host}:{to.port}"
        handle: list[dict[str, Any]] = []
        if strip and (prefix := path.removesuffix("*").removesuffix("/")):
            handle.append({"handler": "rewrite", "strip_path_prefix": prefix})
        handle.append({"handler": "reverse_proxy", "upstreams": [{"dial": upstream}]})
        self._add(path, handle)

    def respond(self, path: str = "/*", *, body: str = "", status: int = 200) -> None:
        """Add a route that answers requests with a fixed text."""
        self._add(path, [{"handler": "static_response", "status_code": status, "body": body}])

    def _add(self, path: str, handle: list[dict[str, Any]]) -> None:
        # `/api/*` alone would leave `/api` without an answer.
        paths = [path.removesuffix("/*"), path] if path.endswith("/*") else [path]
        match: dict[str, Any] = {"host": [self["host_name"]]}
        if path != "/*":
            match["path"] = paths
        name = f"{self.id}-{len(self._routes) + 1}"
        route = {"@id": name, "match": [match], "handle": handle, "terminal": True}
        # The route is inserted before all other routes, because the last route of the stack matches every
        # request.
        self._routes.append(name)
        _insert(self._socket, name, route)

    @contextlib.contextmanager
    def example(self) -> Iterator[CaddyHost]:
        """Yield this host for one example of Hypothesis; the routes that the example adds are removed."""
        before = len(self._routes)
        yield self
        self.clear(before)

    def routes(self) -> list[Any]:
        """Return the routes of this host name, which are requested from Caddy."""
        return [_request(self._socket, "GET", f"/id/{name}") for name in self._routes]

    def clear(self, kept: int = 0) -> None:
        """Remove the routes of this host name, except the first `kept` routes."""
        while len(self._routes) > kept:
            _remove(self._socket, self._routes[-1])
            self._routes.pop()


def units(context: KitContext) -> Hosts:
    """Return the object that creates isolation units (host names) of a Caddy service."""
    return Hosts(context.endpoint, context.owner, context.stack.data, context.resolve())


class Hosts:
    """Host names of a copy of Caddy that only this process uses.

    When a route is added, Caddy replaces the server that listens on the port, and can close connections with
    active requests. With one copy for each process, this does not affect the tests of other workers.
    """

    def __init__(self, server: Endpoint, owner: Owner, stack: Path, resolved: Resolved) -> None:
        self._name, self._owner = server.name, owner
        self._copier = Copier(server, stack, resolved)
        self._copy = self._copier.make()
        self._proxy = self._copier.endpoints[self._copy]
        self._keep = False

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: a new host name without routes."""
        unit = CaddyHost(self._proxy, self._owner.name().replace("_", "-"), label)
        unit.name = self._name
        return unit

    def release(self, unit: Unit) -> None:
        """Remove the routes of a host name after its test, unless the unit is kept."""
        if unit.keep:
            self._keep = True
        elif isinstance(unit, CaddyHost):
            with contextlib.suppress(OSError):  # a copy that is stopped has no routes
                unit.clear()

    def close(self) -> list[str]:
        """Stop the copy of Caddy that this process uses, unless a unit in it is kept."""
        try:
            if self._keep:
                self._copier.keep(self._copy)
            else:
                self._copier.remove(self._copy)
        except InfraError:
            return [self._copy]
        finally:
            self._copier.close()
        return []


# --- the admin API ---------------------------------------------------------------------------------
# Each change of the configuration also replaces the server of the admin API, which can then close
# connections.


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


def _request(socket: str, method: str, target: str, body: object = None) -> Any:
    for _ in range(ATTEMPTS):
        with contextlib.suppress(ConnectionError):
            return admin_request(socket, method, target, body)
        time.sleep(PAUSE)
    return admin_request(socket, method, target, body)
