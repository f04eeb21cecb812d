"""The service kit of the kind `victoriametrics`: tests share the server, and each test has its own label."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="victoriametrics",
    variants=("label",),
    units="pytest_infra.shared_units:labels",
    dump="pytest_infra.services.victoriametrics.dump:dump",
)
