"""The service kit of the kind `dashboard`: all tests share the dashboard, which stores no data of a test."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="dashboard",
    variants=("shared",),
    units="pytest_infra.shared_units:units",
    dump="pytest_infra.services.dashboard.dump:dump",
    secrets=("key",),
)
