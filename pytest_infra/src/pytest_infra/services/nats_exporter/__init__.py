"""The service kit of the kind `nats-exporter`: tests share the exporter, which stores nothing."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="nats-exporter",
    variants=("shared",),
    units="pytest_infra.shared_units:units",
    dump="pytest_infra.shared_units:dump_metrics",
)
