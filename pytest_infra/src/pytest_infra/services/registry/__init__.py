"""The service kit of the kind `registry`: each test gets a prefix of repositories."""

from __future__ import annotations

from pytest_infra.kit import ServiceKit

KIT = ServiceKit(
    kind="registry",
    variants=("prefix",),
    units="pytest_infra.services.registry.isolation:units",
    dump="pytest_infra.services.registry.dump:dump",
    urls={"http": "{url}"},
)
