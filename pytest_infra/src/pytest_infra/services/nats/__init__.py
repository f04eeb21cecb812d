"""The service kit of the kind `nats`: each test gets an account of the NATS server."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="nats",
    variants=("account",),
    units="pytest_infra.services.nats.isolation:units",
    dump="pytest_infra.services.nats.dump:dump",
    install={"nats": "pytest-infra[nats]"},
    urls={"nats": "nats://{user}:{password}@{host}:{port}"},
    secrets=("password", "account_password"),
    # A stack in the environment `development` has no accounts for tests. Tests must not fail because of this.
    isolation_exports={
        "account_password": "{service} has no accounts for tests (`services.{service}.accounts`), "
        "so all tests share it"
    },
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.nats.clients:client",
            summary="A nats-py client in the test's account: `await {service}_client.publish(…)`.",
            asynchronous=True,
        ),
    ),
)
