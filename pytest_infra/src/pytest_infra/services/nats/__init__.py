"""The kit of the kind `nats`: an account for each test."""

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
    # A stack that was started in development has no accounts for tests; this must not fail a test.
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
