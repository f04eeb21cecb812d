"""The kit of the kind: how tests get units of it."""

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="acme-memcached",
    variants=("prefix", "process"),
    units="acme_memcached.isolation:units",
    dump="acme_memcached.isolation:dump",
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="acme_memcached.client:client",
            summary='A client: `{service}_client.get("stock")`.',
        ),
        KitFixture(
            name="{service}_async_client",
            function="acme_memcached.client:async_client",
            summary="The same for `await`.",
            asynchronous=True,
        ),
    ),
    urls={"pymemcache": "{host}:{port}"},
)
