"""The client fixtures of the object storage; the clients use the keys of the test."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.kit_context import FixtureContext


def client(context: FixtureContext, unit: Endpoint) -> Iterator[Any]:
    """Yield a client of boto3 for S3 (`S3.Client`)."""
    open_client = _session(context.library("boto3")).client("s3", **_options(context, unit))
    try:
        yield open_client
    finally:
        open_client.close()


def bucket(context: FixtureContext, unit: Endpoint) -> Iterator[Any]:
    """Yield the test's bucket as a resource of boto3 (`S3.Bucket`)."""
    resource = _session(context.library("boto3")).resource("s3", **_options(context, unit))
    try:
        yield resource.Bucket(unit["bucket"])
    finally:
        resource.meta.client.close()


@functools.cache
def _session(boto3: Any) -> Any:
    """Return the boto3 session of this process; it reads the description of S3 only for its first client."""
    return boto3.session.Session()


def _options(context: FixtureContext, unit: Endpoint) -> dict[str, Any]:
    return {
        "endpoint_url": unit.url,
        "aws_access_key_id": unit["access_key"],
        "aws_secret_access_key": unit["secret_key"],
        "aws_session_token": unit.get("session_token"),
        "region_name": unit["region"],
        # The name of a bucket is part of the path, because the server's host name is an address.
        "config": context.library("botocore.config").Config(s3={"addressing_style": "path"}),
    }
