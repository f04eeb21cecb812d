"""The service kit of the kind `caddy`: each test gets a host name with its own routes."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="caddy",
    variants=("host",),
    units="pytest_infra.services.caddy.isolation:units",
    local_needs={"host": "the socket of its administration"},
    dump="pytest_infra.isolation.hosts:dump",
    urls={"http": "{url}"},
    secrets=(),
)
