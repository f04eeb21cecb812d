"""The service kit of the kind `victorialogs`: tests share the server, and each test has its own label."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="victorialogs",
    variants=("label",),
    units="pytest_infra.shared_units:labels",
    dump="pytest_infra.services.victorialogs.dump:dump",
)
