"""The object storage in the contract suite: a value is an object in the unit's bucket."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Put an object; the whole server gets a bucket for it."""
    client = _client(endpoint)
    if "bucket" not in endpoint and _bucket(endpoint) not in _names(client):
        client.create_bucket(Bucket=_bucket(endpoint))
    client.put_object(Bucket=_bucket(endpoint), Key=name, Body=value.encode())


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the object's content."""
    try:
        answer = _client(endpoint).get_object(Bucket=_bucket(endpoint), Key=name)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchBucket"}:
            return None
        raise
    return answer["Body"].read().decode()


def _bucket(endpoint: Endpoint) -> str:
    return endpoint.get("bucket", "contract")


def _names(client: Any) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


def _client(endpoint: Endpoint) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint["url"],
        aws_access_key_id=endpoint["access_key"],
        aws_secret_access_key=endpoint["secret_key"],
        region_name=endpoint["region"],
        # Without retries, so that a server which is not ready fails the test.
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
