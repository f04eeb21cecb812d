"""The service kit of the kind `jaeger`: tests share the server, and each test has its own trace."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="jaeger",
    variants=("trace",),
    units="pytest_infra.trace_units:units",
    dump="pytest_infra.services.jaeger.dump:dump",
)
