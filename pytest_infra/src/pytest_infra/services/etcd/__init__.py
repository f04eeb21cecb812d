"""The service kit of the kind `etcd`: each test gets a key prefix."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="etcd",
    variants=("prefix",),
    units="pytest_infra.services.etcd.isolation:units",
    dump="pytest_infra.services.etcd.dump:dump",
    urls={"http": "{url}"},
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.etcd.client:client",
            summary='The keys with the prefix of the test: `{service}_client.put("stock", "7")`.',
        ),
    ),
)
