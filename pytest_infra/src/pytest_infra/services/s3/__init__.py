"""The service kit of the kind `s3`: each test gets a bucket, and in most servers its own access keys."""

from __future__ import annotations

from pytest_infra.kit import KitFixture, ServiceKit

KIT = ServiceKit(
    kind="s3",
    variants=("bucket",),
    units="pytest_infra.services.s3.isolation:units",
    dump="pytest_infra.services.s3.dump:dump",
    install={"boto3": "pytest-infra[s3]"},
    secrets=("secret_key", "accounts_key", "session_token"),
    fixtures=(
        KitFixture(
            name="{service}_client",
            function="pytest_infra.services.s3.clients:client",
            summary="A client of boto3 with the keys of the test: `{service}_client.list_buckets()`.",
        ),
        KitFixture(
            name="{service}_bucket",
            function="pytest_infra.services.s3.clients:bucket",
            summary="The bucket of the test as a resource of boto3: `{service}_bucket.put_object(Key=…)`.",
        ),
    ),
)
