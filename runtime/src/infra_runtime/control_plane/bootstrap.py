"""Create the first resources of a cluster, and then start kwok in this process.

`python -m infra_runtime.control_plane.bootstrap FILE COMMAND…` creates the resources and replaces its process
by COMMAND, the command line of kwok. Therefore, all resources exist when kwok answers. FILE contains a JSON
object: `host`, `port`, `token` and `ca` (the arguments of `ControlPlaneApi`), `kubelet_port`, `nodes` (the
number of nodes) and `volumes` (the number of persistent volumes).

With `--wait` as the first argument, the process only waits until the API server is ready, and then executes
COMMAND: the controller manager would exit if the server is not healthy within ten seconds.

Sources: Kubernetes documentation, "Nodes", "Persistent Volumes" and "Well-Known Labels".
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from infra_runtime.control_plane.api import INTERVAL, ControlPlaneApi

#: the storage class of volume claims without a storage class
STORAGE_CLASS = "standard"
#: the number of zones; the nodes are assigned to the zones in turn
ZONES = 3
_STORAGE, _VOLUMES, _NODES = (
    "/apis/storage.k8s.io/v1/storageclasses",
    "/api/v1/persistentvolumes",
    "/api/v1/nodes",
)


class Cluster(NamedTuple):
    """The content of FILE: the data for connections, and the numbers of nodes and volumes to create."""

    host: str
    port: int
    kubelet_port: int
    token: str
    ca: str
    nodes: int
    volumes: int


def read(data: dict[str, Any]) -> Cluster:
    """Return the cluster that the JSON data of FILE describe."""
    numbers = {name: int(data[name]) for name in ("port", "kubelet_port", "nodes", "volumes")}
    return Cluster(host=data["host"], token=data["token"], ca=data["ca"], **numbers)


def resources(cluster: Cluster) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the document of the storage class, of each volume and of each node of a cluster."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    yield (
        _STORAGE,
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": STORAGE_CLASS, "annotations": default},
            "provisioner": "kubernetes.io/no-provisioner",
        },
    )
    for number in range(1, cluster.volumes + 1):
        yield _VOLUMES, _volume(number)
    for number in range(1, cluster.nodes + 1):
        yield _NODES, _node(number, cluster)


def _volume(number: int) -> dict[str, Any]:
    """Return the document of a volume; its path is not used, because the pods are simulated."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"volume-{number}"},
        "spec": {
            "capacity": {"storage": "1Ti"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "hostPath": {"path": f"/simulated/volume-{number}"},
        },
    }


def _node(number: int, cluster: Cluster) -> dict[str, Any]:
    name = f"node-{number}"
    amounts = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": "local",
                "topology.kubernetes.io/zone": f"local-{(number - 1) % ZONES + 1}",
            },
        },
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [{"type": "InternalIP", "address": cluster.host}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": cluster.kubelet_port}},
        },
    }


def create(api: ControlPlaneApi, cluster: Cluster) -> None:
    """Create the missing resources of a cluster, and write the present port of kwok to existing nodes.

    Raises `ApiError` if the server refuses a resource.
    """
    for path, document in resources(cluster):
        if not api.create(path, document) and "status" in document:
            name = document["metadata"]["name"]
            api.merge(f"{path}/{name}/status", {"status": document["status"]})


def wait_until_ready(cluster: Cluster) -> ControlPlaneApi:
    """Wait until the API server is ready, and return a connection; the supervisor limits the time."""
    while True:
        try:
            api = ControlPlaneApi(cluster.host, cluster.port, cluster.token, cluster.ca)
        except OSError:  # the server creates the certificate at its first start
            pass
        else:
            if api.is_ready():
                return api
        time.sleep(INTERVAL)


def main(arguments: list[str]) -> None:
    """Wait until the API server is ready, create the resources, and replace this process by COMMAND.

    With `--wait`, no resources are created.
    """
    only_wait = arguments[0] == "--wait"
    file, *command = arguments[1:] if only_wait else arguments
    cluster = read(json.loads(Path(file).read_text(encoding="utf-8")))
    with wait_until_ready(cluster) as api:
        if not only_wait:
            create(api, cluster)
            # The server refuses pods until the controller manager has created this account.
            api.wait_for("/api/v1/namespaces/default/serviceaccounts/default")
    os.execv(command[0], command)  # noqa: S606 - without a shell, the program has this pid


if __name__ == "__main__":
    main(sys.argv[1:])
