"""Tests against a stack in a cluster: kwok forwards the ports of its pods to real servers of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import infra_runtime
from fakes.command_line import CommandLine
from fakes.control_plane import ControlPlane, control_plane
from fakes.deployed import Shop
from fakes.engine import spec_of
from infra_runtime.binaries import Binary, locate

pytestmark = pytest.mark.real("kubectl", "kubernetes", "nats", "postgres", "rabbitmq", "s3", "valkey-server")

STACK = """\
use = ["nats", "postgres", "rabbitmq", "s3", "valkey"]
telemetry = false
dashboard = false
[services.nats]
accounts = 4
"""
#: the Service port of each server in the cluster
PORTS = {
    ("nats", "client"): 4222,
    ("postgres", "client"): 5432,
    ("rabbitmq", "amqp"): 5672,
    ("rabbitmq", "management"): 15672,
    ("storage", "client"): 8333,
    ("valkey", "client"): 6379,
}
#: the key of the object storage
KEY = "a" * 40
TEST = """\
import subprocess, time
import psycopg, pytest
from pytest_infra.services.nats.protocol import NatsConnection

ports = []


def test_first(valkey, valkey_client):
    valkey_client.set("stock", "7")
    assert valkey_client.get("stock") == "7"
    ports.append(valkey.port)


def test_the_units_are_separate(valkey_client):
    assert valkey_client.get("stock") is None


kept = []


@pytest.mark.parametrize("number", range(3))
def test_each_test_has_a_database_whose_sessions_are_ended(postgres, number):
    connection = psycopg.connect(postgres.url)
    kept.append(connection)
    connection.execute("create table orders ()")
    connection.commit()
    with connection.cursor() as cursor:
        assert cursor.execute("select count(*) from orders").fetchone() == (0,)


@pytest.mark.parametrize("number", range(3))
def test_each_test_has_an_account_without_streams(nats, number):
    with NatsConnection(nats.host, nats.port, nats.user, nats.password) as connection:
        assert connection.request("$JS.API.STREAM.NAMES")["total"] == 0
        connection.request("$JS.API.STREAM.CREATE.orders", b'{"name": "orders", "subjects": ["orders"]}')
        assert connection.request("$JS.API.STREAM.NAMES")["streams"] == ["orders"]


@pytest.mark.parametrize("number", range(2))
def test_each_test_has_an_empty_bucket(s3, s3_client, number):
    assert s3_client.list_objects_v2(Bucket=s3["bucket"])["KeyCount"] == 0
    s3_client.put_object(Bucket=s3["bucket"], Key="orders/1", Body=b"shipped")
    assert s3_client.get_object(Bucket=s3["bucket"], Key="orders/1")["Body"].read() == b"shipped"


@pytest.mark.parametrize("number", range(2))
def test_each_test_has_a_virtual_host_without_queues(rabbitmq_channel, number):
    rabbitmq_channel.queue_declare("orders", durable=True)
    rabbitmq_channel.basic_publish("", "orders", b"7")
    assert rabbitmq_channel.queue_declare("orders", passive=True).method.message_count == 1


def test_the_pod_is_deleted():
    subprocess.run(
        ["kubectl", "--namespace", "{namespace}", "delete", "pod/valkey-0", "--wait"], check=True, timeout=120
    )


def test_another_pod_is_used_on_the_same_port(infra_service, infra_stack):
    deadline = time.monotonic() + 120
    log = infra_stack.data / "logs" / "valkey.log"
    while log.read_text().count("forwards ") < 2:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    assert infra_service("valkey").port == ports[0]


def test_last(valkey, valkey_client):
    assert valkey.port == ports[0]
    assert valkey_client.get("stock") is None
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[infra_runtime.Stack]:
    """The servers to which kwok forwards. In a cluster, NATS and Valkey have no shared password.

    The object storage has the arguments and the variables of its container.
    """
    folder = tmp_path_factory.mktemp("servers")
    container = spec_of("s3").container
    assert container is not None
    words = [
        *(word for word in container.command if not word.startswith("-dir=")),
        *("-dir=${data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-filer.localSocket=${run}/filer", "-s3.localSocket=${run}/s3"),
        *(f"-{_option(name)}=${{port.{name}}}" for name in container.ports),
    ]
    env = {name: text.replace("${secret.key}", KEY) for name, text in container.env.items()}
    # kwok keeps its connection to a server when the client ends the connection. PostgreSQL would wait a
    # minute for the password of such a client, and a `drop database` would wait with it.
    (folder / "infra.toml").write_text(
        STACK.replace('"s3"', '"storage"')
        + "auth = false\n[services.valkey]\nauth = false\n"
        + "[services.postgres.options]\nauthentication_timeout = '1s'\n"
        + f"[services.storage]\ncommand = {json.dumps([str(locate(Binary(name='weed'))), *words])}\n"
        + "ready = { http = '/healthz', port = 'client' }\n"
        + "".join(f"env.{name} = '{text}'\n" for name, text in env.items())
        + "".join(f"ports.{name} = {number}\n" for name, number in container.ports.items())
    )
    with infra_runtime.start(directory=folder, environment="test") as stack:
        yield stack


def _option(port: str) -> str:
    """Return the option of `weed server` for a port of the container."""
    name, _, protocol = port.partition("_")
    return f"{'s3' if name == 'client' else name}.port{'.grpc' if protocol else ''}"


@pytest.fixture(scope="module")
def forwarding_cluster(
    servers: infra_runtime.Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A running cluster that forwards the ports of its pods to the servers."""
    forwards = [
        {"ports": [port], "target": {"address": "127.0.0.1", "port": servers[name].ports[inner]}}
        for (name, inner), port in PORTS.items()
    ]
    document = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterPortForward",
        "metadata": {"name": "servers"},
        "spec": {"forwards": forwards},
    }
    with control_plane(tmp_path_factory.mktemp("forwarding"), [document]) as running:
        yield running


@pytest.fixture
def deployed(
    forwarding_cluster: ControlPlane, servers: infra_runtime.Stack, tmp_path: Path
) -> Iterator[Shop]:
    """A stack that runs in an own namespace, with the password of the real server."""
    cluster, namespace = forwarding_cluster, f"shop-{uuid.uuid4().hex[:8]}"
    infra = CommandLine(tmp_path / "shop", **cluster.environ)
    infra.write('[project]\nname = "shop"\nversion = "1"\n', "pyproject.toml")
    infra.write(STACK)
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl(
        "create",
        "--filename=-",
        document={
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "shop-secrets", "namespace": namespace},
            "stringData": {
                "nats-accounts": servers["nats"]["account_password"],
                "postgres-password": servers["postgres"]["password"],
                "rabbitmq-password": servers["rabbitmq"]["password"],
                "s3-key": KEY,
            },
        },
    )
    shop = Shop(cluster, infra, namespace)
    answer = shop.deploy(environment="development")
    assert answer.code == 0, answer
    yield shop
    infra.end()
    cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def test_tests_use_a_stack_in_a_cluster_and_continue_with_a_new_pod(
    deployed: Shop, servers: infra_runtime.Stack
) -> None:
    root = deployed.infra.root
    (root / "test_it.py").write_text(TEST.replace("{namespace}", deployed.namespace))

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "--infra-engine=kubernetes", "-p", "no:cacheprovider",
         f"--infra-namespace={deployed.namespace}", "-W", "ignore::pytest.PytestDeprecationWarning"],
        cwd=root, text=True, capture_output=True, check=False, timeout=500,
        env={**os.environ, **deployed.cluster.environ},
    )  # fmt: skip

    assert "15 passed" in result.stdout, result.stdout + result.stderr
    assert "infra: 5 services" in result.stdout
    assert "0 processes, 0 ports, 0 sockets left" in result.stdout
    data = root / ".data-test" / "plan-kubernetes"
    logs = "".join(path.read_text() for path in (data / "logs").glob("*.log"))
    passwords = [servers[name]["password"] for name in ("postgres", "rabbitmq")]
    for secret in (*passwords, servers["nats"]["account_password"], KEY):
        assert secret not in result.stdout + result.stderr + logs
    log = (data / "logs" / "valkey.log").read_text()
    assert f"in the namespace {deployed.namespace}; another pod is chosen" in log
    remaining_processes = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if "port-forward" in (process.info["cmdline"] or ())
        and f"--namespace={deployed.namespace}" in process.info["cmdline"]
    ]
    assert remaining_processes == []
