"""Caddy in the contract suite: a value is what a route answers."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

from infra_runtime.engines.local.stack import Endpoint

ROUTES = "/config/apps/http/servers/http/routes"


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Add a route that answers with the value: in a unit by its method, otherwise by the admin API."""
    if "host_name" in endpoint:
        endpoint.respond(f"/{name}", body=value)
        return
    handler = {"handler": "static_response", "body": value}
    route = {"match": [{"path": [f"/{name}"]}], "handle": [handler], "terminal": True}
    _put(endpoint["admin_socket"], f"{ROUTES}/0", json.dumps(route))


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the body of the route's answer."""
    headers = {"Host": endpoint["host_name"]} if "host_name" in endpoint else {}
    request = urllib.request.Request(f"{endpoint['url']}/{name}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return None


def _put(path: str, target: str, body: str) -> None:
    """Send a request to the admin API on its socket. Source: Caddy documentation, "API"."""
    head = f"PUT {target} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(path)
        admin.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = admin.recv(4096)
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        raise AssertionError(answer)
