"""The service kit of the kind `telemetry`: the traces of a test, and the metrics of the services."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="telemetry",
    variants=("trace",),
    units="pytest_infra.trace_units:units",
    dump="pytest_infra.services.telemetry.dump:dump",
    secrets=("key",),
    trace_store="pytest_infra.services.telemetry.store:TelemetryStore",
    fixtures=(
        KitFixture(
            name="infra_traces",
            function="pytest_infra.services.telemetry.traces:traces",
            summary='The spans of this test in all services: `infra_traces.wait_for(name="charge")`.',
        ),
        KitFixture(
            name="infra_metrics",
            function="pytest_infra.services.telemetry.metrics:metrics",
            summary='The metrics of the services: `with infra_metrics.change("orders_total") as change:`.',
        ),
    ),
)
