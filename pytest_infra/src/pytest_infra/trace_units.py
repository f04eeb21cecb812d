"""Units of kinds that store traces: the trace of a test, to which the spans and logs of services belong."""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.label import Label, run_id


def units(context: KitContext) -> TraceUnits:
    """Return the object that provides units of one server in this process."""
    return TraceUnits(context.endpoint, context.owner)


class TraceUnits:
    """An object whose units differ in the exports `trace_id` and `traceparent`; they share the server."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner

    def acquire(self, label: str) -> Unit:
        """Return a unit with the trace of the test `label`."""
        test = Label.of(label, run_id())
        exports = {"trace_id": test.trace_id, "traceparent": test.headers["traceparent"]}
        return Unit(self._server, self._owner.name(), label, **exports)

    def release(self, unit: Unit) -> None:
        """Do nothing: the records of earlier tests are deleted when the store has reached its limits."""

    def close(self) -> list[str]:
        """Return an empty list, because the records of earlier tests do not affect later tests."""
        return []
