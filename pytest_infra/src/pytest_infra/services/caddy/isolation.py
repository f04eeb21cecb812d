"""Caddy: a host name of the test's own, and routes that only requests for that host take.

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

#: seconds between two tries
TRIES, PAUSE = 50, 0.01
ROUTES = "/config/apps/http/servers/http/routes"


class CaddyHost(Host):
    """A host name at a Caddy process."""

    def __init__(self, server: Endpoint, name: str, label: str) -> None:
        super().__init__(server, name, label, host_name=f"{name}.localhost")
        self._socket = server["admin_socket"]
        self._routes: list[str] = []

    def route(self, path: str = "/*", *, to: Endpoint | str, strip: bool = False) -> None:
        """Forward requests to a service, or to `HOST:PORT`. The latest route is matched first."""
        upstream = to if isinstance(to, str) else f"{to.host}:{to.port}"
        handle: list[dict[str, Any]] = []
        if strip and (prefix := path.removesuffix("*").removesuffix("/")):
            handle.append({"handler": "rewrite", "strip_path_prefix": prefix})
        handle.append({"handler": "reverse_proxy", "upstreams": [{"dial": upstream}]})
        self._add(path, handle)

    def respond(self, path: str = "/*", *, body: str = "", status: int = 200) -> None:
        """Answer requests with a text."""
        self._add(path, [{"handler": "static_response", "status_code": status, "body": body}])

    def _add(self, path: str, handle: list[dict[str, Any]]) -> None:
        # `/api/*` alone would leave `/api` without an answer.
        paths = [path.removesuffix("/*"), path] if path.endswith("/*") else [path]
        match: dict[str, Any] = {"host": [self["host_name"]]}
        if path != "/*":
            match["path"] = paths
        name = f"{self.id}-{len(self._routes) + 1}"
        route = {"@id": name, "match": [match], "handle": handle, "terminal": True}
        # Before all others, for the last of the stack's own matches everything.
        self._routes.append(name)
        _insert(self._socket, name, route)

    @contextlib.contextmanager
    def example(self) -> Iterator[CaddyHost]:
        """The routes that are added in the block go with it."""
        before = len(self._routes)
        yield self
        self.clear(before)

    def routes(self) -> list[Any]:
        """Return its routes as the server has them."""
        return [_request(self._socket, "GET", f"/id/{name}") for name in self._routes]

    def clear(self, kept: int = 0) -> None:
        """Remove the routes that were added, but for so many."""
        while len(self._routes) > kept:
            _remove(self._socket, self._routes[-1])
            self._routes.pop()


def units(context: KitContext) -> Hosts:
    """Return the hosts of an instance."""
    return Hosts(context.endpoint, context.owner, context.stack.data, context.resolve())


class Hosts:
    """Names at a proxy of this process's own.

    A new route replaces the whole server behind the port, which may hang up on requests that come just then:
    those of one test after another, but never those of other workers.
    """

    def __init__(self, server: Endpoint, owner: Owner, stack: Path, resolved: Resolved) -> None:
        self._name, self._owner = server.name, owner
        self._copier = Copier(server, stack, resolved)
        self._copy = self._copier.make()
        self._proxy = self._copier.endpoints[self._copy]
        self._keep = False

    def acquire(self, label: str) -> Unit:
        """A host that no route knows."""
        unit = CaddyHost(self._proxy, self._owner.name().replace("_", "-"), label)
        unit.name = self._name
        return unit

    def release(self, unit: Unit) -> None:
        """Remove its routes."""
        if unit.keep:
            self._keep = True
        elif isinstance(unit, CaddyHost):
            with contextlib.suppress(OSError):  # it is stopped, and so its routes are gone
                unit.clear()

    def close(self) -> list[str]:
        """End the proxy, unless it has a route that stays."""
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
# Each change of the configuration replaces the API's own server, too: it may hang up on who comes just then.


def _insert(socket: str, name: str, route: Mapping[str, Any]) -> None:
    try:
        _request(socket, "PUT", f"{ROUTES}/0", route)
    except CommandError:
        # The try before may have succeeded without an answer: then the name is taken.
        _request(socket, "GET", f"/id/{name}")


def _remove(socket: str, name: str) -> None:
    with contextlib.suppress(
        CommandError
    ):  # unknown: the try before has removed it, or the proxy is a new one
        _request(socket, "DELETE", f"/id/{name}")


def _request(socket: str, method: str, target: str, body: object = None) -> Any:
    for _ in range(TRIES):
        with contextlib.suppress(ConnectionError):
            return admin_request(socket, method, target, body)
        time.sleep(PAUSE)
    return admin_request(socket, method, target, body)
