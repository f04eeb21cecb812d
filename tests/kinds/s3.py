"""The object storage in the contract suite: a value is an object in the unit's bucket.

The signed requests are those of the plugin, because the import of boto3 takes most of a second.
"""

from __future__ import annotations

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.connection import CommandError
from pytest_infra.services.s3.protocol import Storage


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Put an object into the bucket of a unit, or into a new bucket if the endpoint is the whole server."""
    storage, bucket = _storage(endpoint), _bucket(endpoint)
    if bucket not in storage.buckets():
        storage.create(bucket)
    storage.request("PUT", f"/{bucket}/{name}", body=value.encode())


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the object's content."""
    try:
        return _storage(endpoint).request("GET", f"/{_bucket(endpoint)}/{name}").decode()
    except CommandError as error:
        if "NoSuchKey" in str(error) or "NoSuchBucket" in str(error):
            return None
        raise


def _bucket(endpoint: Endpoint) -> str:
    return endpoint.get("bucket", "contract")


def _storage(endpoint: Endpoint) -> Storage:
    return Storage(endpoint, endpoint["access_key"], endpoint["secret_key"])
