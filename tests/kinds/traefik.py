"""Traefik in the contract suite: a value is what a route answers, or the header of its answer."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint

HEADER = "X-Value"


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Add a route: a unit's own method, or a file that Traefik reads, which can only set headers."""
    if "host_name" in endpoint:
        endpoint.respond(f"/{name}", body=value)
        return
    routers = {
        name: {
            "rule": f"Path(`/{name}`)",
            "priority": 10**6,
            "service": "ping@internal",
            "middlewares": [name],
        }
    }
    middlewares = {name: {"headers": {"customResponseHeaders": {HEADER: value}}}}
    text = json.dumps({"http": {"routers": routers, "middlewares": middlewares}})
    new = Path(endpoint.data) / "routes" / f"{name}.new"
    new.write_text(text, encoding="utf-8")
    new.replace(new.with_suffix(".yaml"))
    until(lambda: read(endpoint, name) == value, 60)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the header of the route's answer, or its body."""
    headers = {"Host": endpoint["host_name"]} if "host_name" in endpoint else {}
    request = urllib.request.Request(f"{endpoint['url']}/{name}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers.get(HEADER) or answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return None
