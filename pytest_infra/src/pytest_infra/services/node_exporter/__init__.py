"""The service kit of the kind `node-exporter`: tests share the exporter, which stores nothing."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="node-exporter",
    variants=("shared",),
    units="pytest_infra.shared_units:units",
    dump="pytest_infra.shared_units:dump_metrics",
)
