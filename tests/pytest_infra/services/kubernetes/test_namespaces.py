"""A namespace for each test: tests do not see the resources of other tests."""

from __future__ import annotations

import pytest

from fakes.suite import Suite

pytestmark = pytest.mark.real("kubernetes", "kubectl")

INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
TESTS = """
import json
import os
import stat
import time
import pytest
from infra_runtime.errors import InfraError
from pytest_infra.services.kubernetes.dump import dump
from pytest_infra.services.kubernetes.isolation import unkept

USED = []

def config_map(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"stock": "7"}}

@pytest.mark.parametrize("number", range(2))
def test_each_test_has_its_own_namespace(kubernetes, kubernetes_kubectl, number):
    assert "stock" not in kubernetes_kubectl("get", "configmaps", "-o", "name")
    kubernetes_kubectl("apply", "-f", "-", document=[config_map("stock"), config_map("other")])
    assert kubernetes.namespace not in USED
    USED.append(kubernetes.namespace)

def test_the_kubeconfig_file_is_private_and_names_the_namespace(kubernetes):
    assert stat.S_IMODE(os.stat(kubernetes.kubeconfig).st_mode) == 0o600
    (context,) = json.load(open(kubernetes.kubeconfig))["contexts"]
    assert (context["name"], context["context"]["namespace"]) == (kubernetes.context, kubernetes.namespace)
    assert kubernetes.token not in repr(kubernetes)

def test_the_client_is_the_administrator(kubernetes, kubernetes_client):
    path = f"/api/v1/namespaces/{kubernetes.namespace}/configmaps"
    assert kubernetes_client.post(path, json=config_map("stock")).status_code == 201
    assert kubernetes_client.get(f"{path}/stock").json()["data"] == {"stock": "7"}

async def test_the_asynchronous_client(kubernetes, kubernetes_async_client):
    answer = await kubernetes_async_client.get(f"/api/v1/namespaces/{kubernetes.namespace}")
    assert answer.json()["status"]["phase"] == "Active"

def test_an_error_of_kubectl_has_its_message(kubernetes_kubectl):
    with pytest.raises(InfraError, match="kubectl get configmap/none exits with 1: .*not found"):
        kubernetes_kubectl("get", "configmap/none")

def test_the_dump_contains_resources_without_the_values_of_secrets(kubernetes, kubernetes_kubectl, tmp_path):
    kubernetes_kubectl("create", "secret", "generic", "login", "--from-literal=password=hunter2")
    kubernetes_kubectl("create", "configmap", "stock", "--from-literal=apples=7")
    (path,) = dump(kubernetes, tmp_path)
    found = json.loads(path.read_text())
    assert [each["data"] for each in found["configmaps"]] == [{"apples": "7"}]
    assert [each["data"] for each in found["secrets"]] == [{"password": "***"}]
    assert "serviceaccounts" not in found

def test_the_namespaces_of_earlier_tests_are_deleted(infra_service, kubernetes):
    server = infra_service("kubernetes")
    deadline = time.monotonic() + 120
    while {*USED} & {*unkept(server)}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kubernetes.namespace in unkept(server)
"""


def test_a_namespace_with_its_clients(suite: Suite) -> None:
    for library in ("httpx", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini(INI)
    suite.stack("[services.kubernetes]\nstart_timeout = 900\n")
    suite.test(TESTS)

    result = suite.run("-q")

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["infra: 1 service, ready in *; 0 processes, 0 ports, 0 sockets left"])
