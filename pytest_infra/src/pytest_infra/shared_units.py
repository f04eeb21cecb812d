"""Units of kinds that cannot be divided: all tests share the server, as the documentation of the kind states.

A unit is the server itself, or the server together with a label that marks the data of one test.
"""

from __future__ import annotations

from pathlib import Path

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.http_request import request
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.private_files import write


def units(context: KitContext) -> SharedUnits:
    """Return the object that provides units of one server in this process."""
    return SharedUnits(context.endpoint, context.owner, labelled=False)


def labels(context: KitContext) -> SharedUnits:
    """Return the object that provides units with a label: a value of `test` that no other test has.

    A test writes data with its label. The server does not separate tenants, so requests without the label
    also return the data of other tests.
    """
    return SharedUnits(context.endpoint, context.owner, labelled=True)


class SharedUnits:
    """An object whose units are the server itself; the units differ only in their names.

    With `labelled`, they also differ in two exports: `test` (the value of the label) and `selector`
    (`{test="…"}`).
    """

    def __init__(self, server: Endpoint, owner: Owner, *, labelled: bool) -> None:
        self._server, self._owner, self._labelled = server, owner, labelled

    def acquire(self, label: str) -> Unit:
        """Return a unit with a new name; other tests use the server at the same time."""
        name = self._owner.name()
        exports = {"test": name, "selector": f'{{test="{name}"}}'} if self._labelled else {}
        return Unit(self._server, name, label, **exports)

    def release(self, unit: Unit) -> None:
        """Do nothing: the server cannot remove the data with the label of a test."""

    def close(self) -> list[str]:
        """Return an empty list: data with the label of a test stay in the server, but count as no unit."""
        return []


def dump_metrics(unit: Unit, folder: Path) -> list[Path]:
    """Write the metrics at `metrics_url` of a unit to a file, as the server has sent them."""
    metrics = request(unit, unit["metrics_url"])
    path = folder / f"{unit.id}.txt"
    write(path, metrics.decode("utf-8", "backslashreplace"))
    return [path]
