"""The service kit of the kind `kubernetes`: each test gets a namespace, and a kubeconfig file for it."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="kubernetes",
    variants=("namespace",),
    units="pytest_infra.services.kubernetes.isolation:units",
    dump="pytest_infra.services.kubernetes.dump:dump",
    leftover="pytest_infra.services.kubernetes.isolation:unkept",
    unit_name=r"test-(?P<owner>[a-z0-9]+)-\d+",
    install={"httpx": "pytest-infra[clients]"},
    secrets=("token",),
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.kubernetes.clients:client",
            summary="An httpx client for the API server, as its administrator: "
            '`{service}_client.get(f"/api/v1/namespaces/{{{service}.namespace}}/pods")`.',
        ),
        KitFixture(
            name="{service}_async_client",
            function="pytest_infra.services.kubernetes.clients:async_client",
            summary="An asynchronous httpx client for the API server, as its administrator.",
            asynchronous=True,
        ),
        KitFixture(
            name="{service}_kubectl",
            function="pytest_infra.services.kubernetes.clients:kubectl",
            summary="A function that runs kubectl in the namespace of the test and returns its output: "
            '`{service}_kubectl("get", "pods")`.',
        ),
    ),
)
