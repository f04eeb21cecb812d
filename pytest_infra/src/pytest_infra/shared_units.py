"""Units of kinds without data of a test: all tests share the server, and its metrics are dumped.

A kit with these units states in its page that tests share the server.
"""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import PATIENCE, CommandError
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.private_files import write


def units(context: KitContext) -> SharedUnits:
    """Return the object that provides units of one server in this process."""
    return SharedUnits(context.endpoint, context.owner)


class SharedUnits:
    """Units that are the server itself; they differ in their names only."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner

    def acquire(self, label: str) -> Unit:
        """Return a unit with a new name; other tests use the server at the same time."""
        return Unit(self._server, self._owner.name(), label)

    def release(self, unit: Unit) -> None:
        """Do nothing: the server contains nothing of a test."""

    def close(self) -> list[str]:
        """Return an empty list, because the server contains nothing that could be left."""
        return []


def dump_metrics(unit: Unit, folder: Path) -> list[Path]:
    """Write the metrics at `metrics_url` of a unit to a file, as the server has sent them."""
    url = urlsplit(unit["metrics_url"])
    connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
    try:
        connection.request("GET", url.path)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise CommandError(f"{unit.name} answers {response.status} to the request for its metrics")
    path = folder / f"{unit.id}.txt"
    write(path, body.decode("utf-8", "backslashreplace"))
    return [path]
