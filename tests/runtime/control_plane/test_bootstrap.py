"""The first resources of a cluster, and what a later start changes."""

from __future__ import annotations

from typing import Any

from infra_runtime.control_plane.api import ControlPlaneApi
from infra_runtime.control_plane.bootstrap import Cluster, create, read, resources

CLUSTER = Cluster(
    host="127.0.0.1", port=6443, kubelet_port=10250, token="t", ca="/ca.crt", nodes=4, volumes=2
)


class Server(ControlPlaneApi):
    """An API server that has some resources."""

    def __init__(self, *existing: str) -> None:
        self.existing = existing
        self.created: list[str] = []
        self.merged: dict[str, Any] = {}

    def create(self, path: str, document: dict[str, Any]) -> bool:
        name = document["metadata"]["name"]
        if name in self.existing:
            return False
        self.created.append(f"{path}/{name}")
        return True

    def merge(self, path: str, fields: dict[str, Any]) -> None:
        self.merged[path] = fields


def test_the_file_contains_numbers_as_texts() -> None:
    data = {**CLUSTER._asdict(), "port": "6443", "kubelet_port": "10250"}

    assert read(data) == CLUSTER


def test_the_nodes_belong_to_zones_in_turn() -> None:
    nodes = [resource for path, resource in resources(CLUSTER) if path == "/api/v1/nodes"]

    labels = [node["metadata"]["labels"] for node in nodes]
    assert [label["kubernetes.io/hostname"] for label in labels] == ["node-1", "node-2", "node-3", "node-4"]
    assert [label["topology.kubernetes.io/zone"] for label in labels] == [
        "local-1", "local-2", "local-3", "local-1",
    ]  # fmt: skip


def test_a_claim_without_a_class_gets_a_volume() -> None:
    created = list(resources(CLUSTER))

    ((_, storage),) = [resource for resource in created if resource[0].endswith("/storageclasses")]
    volumes = [resource for path, resource in created if path.endswith("/persistentvolumes")]
    assert storage["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert [volume["metadata"]["name"] for volume in volumes] == ["volume-1", "volume-2"]
    assert {volume["spec"]["storageClassName"] for volume in volumes} == {storage["metadata"]["name"]}


def test_a_node_that_exists_gets_the_new_port_of_kwok_and_a_missing_one_is_created() -> None:
    server = Server("standard", "volume-1", "volume-2", "node-1", "node-2", "node-3")

    create(server, CLUSTER)

    assert server.created == ["/api/v1/nodes/node-4"]
    assert {*server.merged} == {f"/api/v1/nodes/node-{number}/status" for number in (1, 2, 3)}
    status = server.merged["/api/v1/nodes/node-1/status"]["status"]
    assert status["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}
    assert "conditions" not in status
