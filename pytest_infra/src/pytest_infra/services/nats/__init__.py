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
    # By default, a stack in the environment `development` has no accounts for tests. Tests must not fail
    # because of this.
    isolation_exports={
        "account_password": "{service} has no accounts for tests, so all tests share the server; a client "
        "cannot add accounts. Set `accounts = 16` in `[services.{service}]` of the stack file, and start or "
        "deploy the stack again"
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
