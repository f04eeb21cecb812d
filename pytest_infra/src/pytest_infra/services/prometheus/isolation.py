"""Prometheus: all tests share the server and the metrics of its jobs; each test has its own label.

A test's label belongs to the samples that its programs send by remote write. Prometheus has no tenants, so a
query without the label also returns the samples of other tests.
"""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext


def units(context: KitContext) -> Labels:
    """Return the object that provides the labels of one server in this process."""
    return Labels(context.endpoint, context.owner)


class Labels:
    """The labels of the tests of one process; the server needs no preparation for a label."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner

    def acquire(self, label: str) -> Unit:
        """Return an isolation unit: the server with a value of the label `test` that no other test has."""
        name = self._owner.name()
        return Unit(self._server, name, label, test=name, selector=f'{{test="{name}"}}')

    def release(self, unit: Unit) -> None:
        """Do nothing: the samples with the label of a test are deleted after the retention time."""

    def close(self) -> list[str]:
        """Return an empty list, because the server contains nothing that could be removed."""
        return []
