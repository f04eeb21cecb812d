"""Kubernetes: a namespace for each test, created before the test needs it.

The kubeconfig file of a test contains the credentials of the administrator, because programs for clusters
also use resources without a namespace. The default namespace in the file is the namespace of the test.

Source: Kubernetes documentation, "Namespaces", "Object Names and IDs" (names of DNS labels).
"""

from __future__ import annotations

import json
from pathlib import Path

from infra_runtime.control_plane.api import ControlPlaneApi
from infra_runtime.engines.local.stack import Endpoint
from pytest_infra import private_files
from pytest_infra.isolation.owner import Owner
from pytest_infra.isolation.pool import Pool
from pytest_infra.isolation.pooled import PooledUnits
from pytest_infra.isolation.unit import Unit
from pytest_infra.kit_context import KitContext
from pytest_infra.notes import Notes

#: the beginning of the name of a test's namespace
PREFIX = "test-"
#: the label of a namespace that must not be deleted
KEPT = "infra/kept"
NAMESPACES = "/api/v1/namespaces"


def connect(server: Endpoint) -> ControlPlaneApi:
    """Return a connection to the API server as its administrator."""
    return ControlPlaneApi(server.host, server.port, server["token"], server["ca"])


def units(context: KitContext) -> PooledUnits:
    """Return the object that provides isolation units (namespaces) of a cluster."""
    server, owner = context.endpoint, context.owner

    def namespace(name: str, label: str) -> Unit:
        return Unit(server, name, label, namespace=name, kubeconfig=str(kubeconfig(server, name)))

    def keep(name: str) -> None:
        with connect(server) as api:
            api.merge(f"{NAMESPACES}/{name}", {"metadata": {"labels": {KEPT: "true"}}})

    return PooledUnits(
        server,
        Pool(NamespaceFactory(server, owner), server.name, report=Notes.of(context.config).add_message),
        unit=namespace,
        keep=keep,
        stops=context.stops,
        leftover=[name for name in unkept(server) if not owner.alive(owner_of(name))],
    )


class NamespaceFactory:
    """A factory that creates and deletes namespaces, in the pool's thread."""

    def __init__(self, server: Endpoint, owner: Owner) -> None:
        self._server, self._owner = server, owner
        self._connection: ControlPlaneApi | None = None

    def make(self) -> str:
        """Create a namespace that accepts pods, and its kubeconfig file; return the namespace's name."""
        name, api = PREFIX + self._owner.name().replace("_", "-"), self._api()
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        api.create(NAMESPACES, document)
        # The server refuses pods until the controller manager has created the default service account.
        api.wait_for(f"{NAMESPACES}/{name}/serviceaccounts/default")
        configuration = json.loads(Path(self._server["kubeconfig"]).read_text(encoding="utf-8"))
        configuration["contexts"][0]["context"]["namespace"] = name
        path = kubeconfig(self._server, name)
        private_files.make_folder(path.parent)
        private_files.write(path, json.dumps(configuration))
        return name

    def reset(self, name: str) -> str | None:  # noqa: ARG002 - the interface of a factory
        """Return None: a namespace that a test has used is deleted."""
        return None

    def remove(self, name: str) -> None:
        """Start the deletion of a namespace with everything in it, and remove its kubeconfig file."""
        kubeconfig(self._server, name).unlink(missing_ok=True)
        self._api().delete(f"{NAMESPACES}/{name}")

    def close(self) -> None:
        """Close the connection to the server; the next call of a method opens a new connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _api(self) -> ControlPlaneApi:
        if self._connection is None:
            self._connection = connect(self._server)
        return self._connection


def kubeconfig(server: Endpoint, name: str) -> Path:
    """Return the path of the kubeconfig file of a test's namespace, in the data folder of the service."""
    return server.data / "namespaces" / f"{name}.json"


def unkept(server: Endpoint) -> list[str]:
    """Return the names of tests' namespaces, except namespaces that are kept or are being deleted."""
    with connect(server) as api:
        namespaces = api.get(NAMESPACES, labelSelector=f"!{KEPT}")["items"]
    metadata = [namespace["metadata"] for namespace in namespaces]
    return [
        fields["name"]
        for fields in metadata
        if fields["name"].startswith(PREFIX) and "deletionTimestamp" not in fields
    ]


def owner_of(namespace: str) -> str:
    """Return the token of the process that created a test's namespace, from its name."""
    return namespace.removeprefix(PREFIX).partition("-")[0]
