"""Caddy in the contract suite: a value is what a route answers."""

from __future__ import annotations

import urllib.error
import urllib.request

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.wire import admin

ROUTES = "/config/apps/http/servers/http/routes"


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Add a route that answers with the value: a unit's own method, or the admin API of the whole proxy."""
    if "host_name" in endpoint:
        endpoint.respond(f"/{name}", body=value)
        return
    handler = {"handler": "static_response", "body": value}
    route = {"match": [{"path": [f"/{name}"]}], "handle": [handler], "terminal": True}
    admin(endpoint["admin_socket"], "PUT", f"{ROUTES}/0", route)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the body of the route's answer."""
    headers = {"Host": endpoint["host_name"]} if "host_name" in endpoint else {}
    request = urllib.request.Request(f"{endpoint['url']}/{name}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return None
