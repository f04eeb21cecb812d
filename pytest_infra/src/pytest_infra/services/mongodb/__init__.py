"""The service kit of the kind `mongodb`: each test gets a database."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="mongodb",
    variants=("database",),
    units="pytest_infra.services.mongodb.isolation:units",
    dump="pytest_infra.services.mongodb.dump:dump",
    install={"pymongo": "pytest-infra[mongodb]"},
    urls={"mongodb": "{url}"},
    leftover="pytest_infra.services.mongodb.isolation:leftover",
    unit_name=r"test-(?P<owner>[a-z0-9]+)-\d+",
    fixtures=(
        KitFixture(
            name="{service}_database",
            function="pytest_infra.services.mongodb.clients:database",
            summary="The test's database as a PyMongo object: `{service}_database.orders.find_one()`.",
        ),
        KitFixture(
            name="{service}_async_database",
            function="pytest_infra.services.mongodb.clients:async_database",
            summary="The test's database, asynchronous: `await {service}_async_database.orders.find_one()`.",
            asynchronous=True,
        ),
    ),
)
