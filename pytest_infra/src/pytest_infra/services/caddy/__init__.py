"""The kit of the kind `caddy`: a host name with routes for each test."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="caddy",
    variants=("host",),
    units="pytest_infra.services.caddy.isolation:units",
    dump="pytest_infra.services.caddy.dump:dump",
    urls={"http": "{url}"},
    secrets=(),
)
