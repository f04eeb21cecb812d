"""Traefik: a separate host name for each test, in a file that Traefik reads again after each change.

Source: Traefik documentation, "File provider", watch.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.services.routes import Route
from infra_runtime.services.traefik import ROUTES, forwarding, joined
from pytest_infra.isolation.connection import PATIENCE, CommandError
from pytest_infra.isolation.hosts import (
    HostRoute,
    Hosts,
    RoutedHost,
    write_file,
)
from pytest_infra.isolation.http_request import send
from pytest_infra.kit_context import KitContext
from pytest_infra.services.traefik.responder import Responder

#: the path of a page that each host name has, and the response header of this page that contains the number
#: of the last change of the routes
CHANGE, CHANGE_HEADER = "/__infra/change", "X-Infra-Change"
#: the seconds between two requests that check whether a proxy uses new routes
PAUSE = 0.002
#: the routes of a test have priority over all routes of the stack
_FIRST = 100_000


def units(context: KitContext) -> TraefikHosts:
    """Return the object that creates isolation units (host names) of a Traefik service."""
    return TraefikHosts(context)


class TraefikHosts(Hosts):
    """Host names in a copy of Traefik, and the server that sends the fixed responses of their routes."""

    def __init__(self, context: KitContext) -> None:
        self._responder = Responder()
        super().__init__(context.endpoint, context.owner, context.stack.data, context.resolve(), self._new)

    def _new(self, server: Endpoint, name: str, label: str) -> RoutedHost:
        return TraefikHost(server, name, label, self._responder)

    def close(self) -> list[str]:
        """Stop the copy of Traefik and the server of the fixed responses."""
        try:
            return super().close()
        finally:
            self._responder.close()


class TraefikHost(RoutedHost):
    """An isolation unit of Traefik: a host name, with routes, that belongs to one test."""

    def __init__(self, server: Endpoint, name: str, label: str, responder: Responder) -> None:
        super().__init__(server, name, label)
        self._file = Path(server.data) / ROUTES / f"{name}.yaml"
        self._responder = responder
        self._change = 0

    def respond(self, path: str = "/*", *, body: str = "", status: int = 200) -> None:
        """Add a route that answers requests with a fixed text; the process of the tests sends this text."""
        self.unkeepable = "the process of the tests sends the responses of `respond()`"
        super().respond(path, body=body, status=status)

    def update(self) -> None:
        """Write the file of the host name, and wait until Traefik uses it."""
        self._change += 1
        write_file(self._file, json.dumps(self._configuration(), indent=2))
        _await_change(self, self._change)

    def remove(self) -> None:
        """Remove the file of the host name."""
        self._file.unlink(missing_ok=True)

    def _configuration(self) -> dict[str, Any]:
        return joined(
            self._change_page(),
            *(self._route_configuration(number, route) for number, route in enumerate(self.added_routes)),
        )

    def _route_configuration(self, number: int, route: HostRoute) -> dict[str, Any]:
        name, priority = f"{self.id}-{number}", _FIRST + number
        to = route.to or self._responder.address
        target = Route(path=route.path, host=self["host_name"], to=to, strip=route.strip)
        configuration = forwarding(name, target, priority=priority, patience=0.0)
        if not route.to:
            key = self._responder.add(route.status, route.body)
            configuration["middlewares"] = {f"{name}-response": {"replacePath": {"path": key}}}
            configuration["routers"][name]["middlewares"] = [f"{name}-response"]
        return configuration

    def _change_page(self) -> dict[str, Any]:
        name = f"{self.id}-change"
        router = {
            "rule": f"Host(`{self['host_name']}`) && Path(`{CHANGE}`)",
            "priority": 2 * _FIRST,
            "service": "ping@internal",
            "middlewares": [name],
            "observability": {"accessLogs": False},
        }
        headers = {"customResponseHeaders": {CHANGE_HEADER: str(self._change)}}
        return {"routers": {name: router}, "middlewares": {name: {"headers": headers}}}


def _await_change(unit: RoutedHost, number: int) -> None:
    """Wait until the page `CHANGE` returns `number`, which shows that the proxy uses the new routes.

    Raises `CommandError` if this takes more than `PATIENCE` seconds, for example because a route is invalid.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            response = send(f"http://{unit.host}:{unit.port}{CHANGE}", headers=unit.headers)
            if response.headers.get(CHANGE_HEADER) == str(number):
                return
        time.sleep(PAUSE)
    raise CommandError(
        f"{unit.process} does not use the new routes of {unit['host_name']} after {PATIENCE:g} s; "
        "its log contains the reason"
    )
