"""A bucket for each test: tests do not see each other's objects, and everything in a bucket is deleted."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from fakes.suite import Suite
from pytest_infra.services.s3.isolation import NewBuckets, units

pytestmark = pytest.mark.real("s3")

IN_ONE_RUN = """
import json
import time
import pytest
from botocore.exceptions import ClientError
from pytest_infra.services.s3.dump import dump
from pytest_infra.services.s3.protocol import Storage

USED = []

def test_a_dump_contains_every_kind_of_object_of_a_bucket(s3, s3_client, s3_bucket, tmp_path):
    assert s3_bucket.name == s3.bucket
    s3_client.put_bucket_versioning(Bucket=s3.bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"\\xff2", b""):
        s3_bucket.put_object(Key="a b/ä+%&<", Body=body)
    s3_client.delete_object(Bucket=s3.bucket, Key="a b/ä+%&<")
    s3_client.create_multipart_upload(Bucket=s3.bucket, Key="unfinished/<")
    s3_client.create_bucket(Bucket=f"{s3.access_key}-second")
    USED.append(s3.bucket)

    (file,) = dump(s3, tmp_path)

    buckets = json.loads(file.read_text())["buckets"]
    assert set(buckets) == {s3.bucket, f"{s3.access_key}-second"}
    assert [(each["key"], each["size"], each.get("content")) for each in buckets[s3.bucket]] == [
        ("a b/ä+%&<", None, None), ("a b/ä+%&<", 0, None),
        ("a b/ä+%&<", 2, "\\\\xff2"), ("a b/ä+%&<", 1, "1"),
    ]

def test_a_bucket_is_empty_and_has_its_own_name(s3, s3_bucket):
    assert s3.bucket not in USED
    assert list(s3_bucket.object_versions.all()) == []

def test_the_keys_are_valid_for_the_own_buckets_only(s3, s3_client, infra_unit):
    assert [bucket["Name"] for bucket in s3_client.list_buckets()["Buckets"]] == [s3.bucket]
    with infra_unit("s3") as other, pytest.raises(ClientError, match="AccessDenied"):
        s3_client.put_object(Bucket=other.bucket, Key="k", Body=b"")

def test_pages_of_versions(s3, s3_client):
    for number in range(3):
        s3_client.put_object(Bucket=s3.bucket, Key=f"{number}", Body=b"x")
    storage = Storage(s3, s3.access_key, s3.secret_key)
    pages = storage.versions(s3.bucket, size=2)
    assert [[each.key for each in page] for page in pages] == [["0", "1"], ["2"]]

def test_example(s3, s3_bucket):
    s3_bucket.put_object(Key="before", Body=b"")
    with s3.example():
        assert list(s3_bucket.objects.all()) == []

def test_the_buckets_of_earlier_tests_are_deleted(infra_service):
    server = infra_service("s3")
    storage = Storage(server, server["access_key"], server["secret_key"])
    deadline = time.monotonic() + 60
    while {*USED} & {*storage.buckets()}:
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""


def test_a_bucket_is_removed_with_versions_uploads_and_further_buckets(suite: Suite) -> None:
    suite.stack("[services.s3]\n")
    suite.test(IN_ONE_RUN)

    result = suite.run("-q", "-Werror")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["infra: 1 service, ready in *; 0 processes, 0 ports, 0 sockets left"])


WITHOUT_USERS = """
import pytest
from pytest_infra.services.s3.dump import dump

USED = []

@pytest.mark.parametrize("number", range(2))
def test_a_bucket_of_the_test(s3, s3_client, s3_bucket, tmp_path, infra_service, number):
    server = infra_service("s3")
    assert (s3.access_key, s3.secret_key) == (server.access_key, server.secret_key)
    assert list(s3_bucket.objects.all()) == []
    s3_client.put_object(Bucket=s3.bucket, Key="k", Body=b"own")
    with s3.example():
        assert list(s3_bucket.objects.all()) == []
    (file,) = dump(s3, tmp_path)
    assert s3.bucket in file.read_text()
    # The test before has deleted its bucket.
    assert [bucket["Name"] for bucket in s3_client.list_buckets()["Buckets"]] == [s3.bucket]
    USED.append(s3.bucket)
    assert len({*USED}) == len(USED)
"""


def test_a_server_without_users_for_tests_has_a_bucket_for_each_test(suite: Suite) -> None:
    """A server in a cluster is such a server."""
    suite.stack("[services.s3]\naccounts = 0\n")
    suite.test(WITHOUT_USERS)

    suite.run("-q").assert_outcomes(passed=2)


def test_a_deployed_server_has_only_its_own_keys_with_any_stack_file() -> None:
    """The users for tests are in the configuration of a local server only."""
    server = {"accounts": "64", "access_key": "infra", "secret_key": "s3cret"}

    units_of_server = units(SimpleNamespace(endpoint=server, owner=None))

    assert isinstance(units_of_server, NewBuckets)
    assert units_of_server._keys() == {"access_key": "infra", "secret_key": "s3cret"}


OTHER_SERVICES = """
import boto3
import pytest

def client(unit, name):
    return boto3.client(
        name, endpoint_url=unit.endpoint_url, region_name=unit.region, aws_access_key_id=unit.access_key,
        aws_secret_access_key=unit.secret_key, aws_session_token=unit.session_token,
    )

@pytest.mark.parametrize("number", range(2))
def test_each_test_has_its_own_account(s3, number):
    queues = client(s3, "sqs")
    assert "QueueUrls" not in queues.list_queues()
    url = queues.create_queue(QueueName="orders")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody=f"{number}")
    assert queues.receive_message(QueueUrl=url)["Messages"][0]["Body"] == f"{number}"
    assert s3.storage.buckets() == [s3.bucket]
"""


@pytest.mark.skipif(importlib.util.find_spec("moto") is None, reason="moto is not installed")
def test_the_engine_moto_has_further_services_with_an_account_for_each_test(suite: Suite) -> None:
    suite.stack('[services.s3]\nengine = "moto"\n')
    suite.test(OTHER_SERVICES)

    suite.run("-q").assert_outcomes(passed=2)
