"""Deploys to a cluster that has the custom resources of the Prometheus operator and of cert-manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.control_plane import ControlPlane
from fakes.deployed import API, Shop
from fakes.kubernetes_schemas import CUSTOM, FOLDER

pytestmark = pytest.mark.real("kubectl", "kubernetes")

#: a service with metrics and a public host name
SHOP = f"""\
use = ["api"]
telemetry = false
dashboard = false
{API}metrics = "/metrics"
[services.api.container]
public = true
"""


def definition(version: str, kind: str, file: str) -> dict[str, Any]:
    """Return the definition of a custom resource, with the schema that its project publishes."""
    group, _, name = version.partition("/")
    plural = f"{kind.lower()}s"
    schema = json.loads((FOLDER / file).read_text(encoding="utf-8"))["schema"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Cluster" if kind == "ClusterIssuer" else "Namespaced",
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": structural(schema)},
                }
            ],
        },
    }


def structural(schema: Any) -> Any:
    """Return a schema in which each field without a type, such as a number or a text, has any value."""
    if not isinstance(schema, dict):
        return schema
    if "type" not in schema:
        return {"x-kubernetes-preserve-unknown-fields": True}
    inner = {key: structural(schema[key]) for key in ("items", "additionalProperties") if key in schema}
    if "properties" in schema:
        inner["properties"] = {name: structural(value) for name, value in schema["properties"].items()}
    return {**schema, **inner}


@pytest.fixture
def definitions(cluster: ControlPlane) -> Iterator[None]:
    """The cluster has both custom resources during the test."""
    made = [definition(*key, file) for key, file in CUSTOM.items()]
    names = [f"crd/{each['metadata']['name']}" for each in made]
    cluster.kubectl("apply", "--filename=-", document={"apiVersion": "v1", "kind": "List", "items": made})
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=120s", *names)
    yield
    cluster.kubectl("delete", "--timeout=120s", *names)


@pytest.mark.usefixtures("definitions")
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
