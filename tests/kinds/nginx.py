"""nginx in the contract suite: a value is what a route answers."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from fakes.stacks import until
from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Add a route that answers with the value: in a unit by its method, otherwise by a file."""
    if "host_name" in endpoint:
        endpoint.respond(f"/{name}", body=value)
        return
    folder = Path(endpoint.data) / "hosts"
    folder.mkdir(exist_ok=True)
    server = f"listen {endpoint.host}:{endpoint.port}; server_name {_host(name)}; return 200 '{value}';"
    (folder / f"{name}.conf").write_text(f"server {{ {server} }}", encoding="utf-8")
    master = psutil.Process(int((Path(endpoint.data) / "nginx.pid").read_text(encoding="ascii")))
    workers = master.children()
    master.send_signal(signal.SIGHUP)
    # The old workers accept connections until they exit.
    until(lambda: not any(worker.is_running() for worker in workers), 60)


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the body of the route's answer."""
    host = endpoint.get("host_name", _host(name))
    request = urllib.request.Request(f"{endpoint['url']}/{name}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return None


def _host(name: str) -> str:
    return f"{name}.localhost"
