"""The service kit of the kind `redis`, with the same units and clients as the kind `valkey`."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="redis",
    variants=("database", "prefix"),
    units="pytest_infra.services.valkey.isolation:units",
    dump="pytest_infra.services.valkey.dump:dump",
    install={"redis": "pytest-infra[redis]", "valkey": "pytest-infra[valkey]"},
    # Source: IANA, "Uniform Resource Identifier Schemes": redis.
    urls={"redis": "redis://{user}:{password}@{host}:{port}/{database}"},
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.valkey.clients:client",
            summary='A client of redis-py or valkey-py that returns `str`: `{service}_client.get("stock")`.',
        ),
        KitFixture(
            name="{service}_async_client",
            function="pytest_infra.services.valkey.clients:async_client",
            summary='An asynchronous client that returns `str`: `await {service}_async_client.get("stock")`.',
            asynchronous=True,
        ),
    ),
)
