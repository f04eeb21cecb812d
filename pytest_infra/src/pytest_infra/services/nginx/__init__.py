"""The service kit of the kind `nginx`: each test gets a host name with its own routes."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="nginx",
    variants=("host",),
    units="pytest_infra.services.nginx.isolation:units",
    local_needs={"host": "a file in its folder for each test"},
    dump="pytest_infra.isolation.hosts:dump",
    urls={"http": "{url}"},
    secrets=(),
)
