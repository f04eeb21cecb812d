"""The service kit of the kind `grafana`: tests share the server, whose dashboards come from the stack."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="grafana",
    variants=("shared",),
    units="pytest_infra.shared_units:units",
    dump="pytest_infra.services.grafana.dump:dump",
)
