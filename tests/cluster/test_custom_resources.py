"""Deploys to a cluster that has the custom resources of operators, and no operator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.deployed import API, Shop

pytestmark = [pytest.mark.real("kubectl", "kubernetes"), pytest.mark.usefixtures("definitions")]

#: a service with metrics and a public host name
SHOP = f"""\
use = ["api"]
telemetry = false
dashboard = false
{API}metrics = "/metrics"
[services.api.container]
public = true
"""


def test_custom_resources_are_deployed_and_a_second_deploy_changes_nothing(shop: Shop) -> None:
    shop.write(SHOP)
    words = ["deploy", "--env", "staging", "--tag", "1", "--host", "shop.example", "--create-namespace"]

    first = shop.run(*words)
    second = shop.run(*words)

    assert first.code == 0, first
    assert second.out == "no changes\n", second
    (endpoint,) = json.loads(shop.field("servicemonitor/api", ".spec.endpoints"))
    assert endpoint["path"] == "/metrics"
    assert shop.field("ingress/api", ".spec.tls[0].hosts[0]") == "shop.example"
    (issuer,) = shop.cluster.get("clusterissuers")["items"]
    assert issuer["spec"]["acme"]["server"].startswith("https://acme-staging")


def member(name: str) -> dict[str, Any]:
    """Return the pod of a member of a database, as its operator creates it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"cnpg.io/cluster": "postgres"}},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": 26, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "postgres",
                    "image": "shop/database:1",
                    "securityContext": {
                        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }  # fmt: skip


def test_a_deploy_waits_until_an_operator_has_created_its_members(shop: Shop) -> None:
    shop.write(
        'use = ["postgres", "api"]\ntelemetry = false\ndashboard = false\n'
        '[services.postgres.operator]\nname = "cloudnative-pg"\ninstances = 2\n'
        f'{API}needs = ["postgres"]\n'
    )
    deploy = shop.infra.start(
        "workflows", "deploy", "--to", "kubernetes", "--env", "staging", "--tag", "1",
        "--without", "ServiceMonitor", "--create-namespace", "--namespace", shop.namespace,
    )  # fmt: skip

    deploy.wait_for("Cluster/postgres: waiting, 0 of 2")
    before = shop.names("deployments")
    pods = [member(f"postgres-{number}") for number in (1, 2)]
    shop.cluster.kubectl(
        "create", "--namespace", shop.namespace, "--filename=-",
        document={"apiVersion": "v1", "kind": "List", "items": pods},
    )  # fmt: skip
    deploy.wait_for("Cluster/postgres: waiting, 2 of 2")
    shop.cluster.kubectl(
        "patch", "clusters.postgresql.cnpg.io/postgres", "--namespace", shop.namespace,
        "--subresource=status", "--type=merge",
        '--patch={"status": {"conditions": [{"type": "Ready", "status": "True"}]}}',
    )  # fmt: skip
    answer = deploy.answer()
    again = shop.deploy()
    status = shop.run("status", "--json")

    assert before == set()
    assert answer.code == 0, answer
    assert again.out == "no changes\n", again
    (state,) = (workload for workload in status.json["workloads"] if workload["kind"] == "Cluster")
    assert (state["phase"], state["ready"], state["wanted"]) == ("ready", 2, 2)
