"""The object storage: what the real server does. `test_s3_programs.py` has what its programs get."""

from __future__ import annotations

import contextlib
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the minimal profile has no clients")

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import infra_runtime as infra
from fakes.engine import spec_of
from fakes.stacks import until
from fakes.suite import free_port
from infra_runtime.binaries import Binary, locate
from infra_runtime.engines.local.stack import Endpoint, Stack

pytestmark = pytest.mark.real("s3")

#: bytes of a part that S3 accepts at least
PART = 5 * 2**20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server that the tests share."""
    folder = tmp_path_factory.mktemp("s3")
    with infra.start("s3", environment="test", directory=folder, data=folder / "data") as stack:
        yield stack


def client(server: Endpoint, **keys: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=keys.get("access_key", server["access_key"]),
        aws_secret_access_key=keys.get("secret_key", server["secret_key"]),
        region_name=server["region"],
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@pytest.fixture
def bucket(shared: Stack, request: pytest.FixtureRequest) -> tuple[Any, str]:
    """A client with all rights, and the name of an empty bucket."""
    opened, name = client(shared.s3), f"bucket-{abs(hash(request.node.name))}"
    opened.create_bucket(Bucket=name)
    return opened, name


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_a_real_server_joins_the_parts_of_an_upload(bucket: tuple[Any, str]) -> None:
    s3, name = bucket
    upload = {"Bucket": name, "Key": "big"}
    upload_id = s3.create_multipart_upload(**upload)["UploadId"]

    tags = [
        s3.upload_part(**upload, UploadId=upload_id, PartNumber=number, Body=body)["ETag"]
        for number, body in ((1, b"a" * PART), (2, b"b" * 10))
    ]
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    s3.complete_multipart_upload(**upload, UploadId=upload_id, MultipartUpload={"Parts": parts})

    assert s3.head_object(**upload)["ContentLength"] == PART + 10
    assert s3.get_object(**upload, Range=f"bytes={PART - 1}-{PART}")["Body"].read() == b"ab"


def test_a_real_server_accepts_a_signed_url_and_no_changed_one(bucket: tuple[Any, str]) -> None:
    s3, name = bucket
    s3.put_object(Bucket=name, Key="Grüße/1", Body=b"hello")

    url = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "Grüße/1"})
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url.replace("/1?", "/2?"), timeout=60)

    assert error.value.code == 403
    error.value.close()


def test_a_real_server_lists_objects_by_prefix_in_pages(bucket: tuple[Any, str]) -> None:
    s3, name = bucket
    for key in ("2026/a", "2026/b", "2026/c/d", "2027/a"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")

    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=name, Prefix="2026/", Delimiter="/", PaginationConfig={"PageSize": 1}
    )

    pages_read = [(page.get("Contents", []), page.get("CommonPrefixes", [])) for page in pages]
    assert [entry["Key"] for contents, _ in pages_read for entry in contents] == ["2026/a", "2026/b"]
    assert [entry["Prefix"] for _, prefixes in pages_read for entry in prefixes] == ["2026/c/"]


def test_a_real_server_refuses_wrong_keys_and_the_buckets_of_another_user(
    shared: Stack, bucket: tuple[Any, str]
) -> None:
    _, name = bucket
    test1 = client(shared.s3, access_key="test1", secret_key=shared.s3["accounts_key"])

    with pytest.raises(ClientError) as wrong:
        client(shared.s3, secret_key="wrong").list_buckets()
    with pytest.raises(ClientError) as unknown:
        client(shared.s3, access_key="unknown").list_buckets()
    with pytest.raises(ClientError) as foreign:
        test1.list_objects_v2(Bucket=name)
    with pytest.raises(ClientError) as created:
        test1.create_bucket(Bucket="test10-bucket")

    codes = [code(error) for error in (wrong, unknown, foreign, created)]
    assert codes == ["SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied", "AccessDenied"]
    assert test1.list_buckets()["Buckets"] == []


def test_a_real_server_has_the_errors_of_aws_for_missing_and_full_buckets(bucket: tuple[Any, str]) -> None:
    s3, name = bucket
    s3.put_object(Bucket=name, Key="k", Body=b"x")

    with pytest.raises(ClientError) as missing:
        s3.put_object(Bucket="missing-bucket", Key="k", Body=b"x")
    with pytest.raises(ClientError) as full:
        s3.delete_bucket(Bucket=name)

    assert [code(missing), code(full)] == ["NoSuchBucket", "BucketNotEmpty"]


@pytest.mark.parametrize("port", ["filer", "volume"])
def test_a_real_server_requires_a_token_on_the_ports_with_objects(shared: Stack, port: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://127.0.0.1:{shared.s3.ports[port]}/", timeout=60)

    assert error.value.code == 401
    error.value.close()


def test_a_real_server_with_the_command_of_a_container_accepts_only_its_keys(tmp_path: Path) -> None:
    container = spec_of("s3").container
    options = {
        **{f"-{name}.port": free_port() for name in ("master", "volume", "filer", "s3")},
        **{f"-{name}.port.grpc": free_port() for name in ("master", "volume", "filer", "s3")},
        **{f"-{name}.localSocket": tmp_path / name for name in ("filer", "s3")},
        "-dir": tmp_path, "-ip": "127.0.0.1", "-ip.bind": "127.0.0.1",
    }  # fmt: skip
    words = [word for word in container.command if not word.startswith("-dir=")]
    environ = {name: text.replace("${secret.key}", "s3cret") for name, text in container.env.items()}
    url = f"http://127.0.0.1:{options['-s3.port']}"

    def keys(secret: str) -> Any:
        names = {"aws_access_key_id": container.exports["access_key"], "aws_secret_access_key": secret}
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config, **names)

    def is_ready() -> bool:
        """Return whether the server answers as the health check of the container expects."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/healthz", timeout=60) as answer:
            return answer.status == 200
        return False

    with subprocess.Popen(
        [locate(Binary(name="weed")), *words, *(f"{name}={value}" for name, value in options.items())],
        env={**environ, "HOME": str(tmp_path)}, cwd=tmp_path, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            until(is_ready)
            until(lambda: created(keys("s3cret"), "orders"))
            for secret in ("wrong", "infra"):
                with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                    keys(secret).list_buckets()
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{url}/orders")
        finally:
            server.kill()


def created(client: Any, bucket: str) -> bool:
    """Create a bucket, and return whether this was possible; the filer may not be ready yet."""
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou")
    return True
