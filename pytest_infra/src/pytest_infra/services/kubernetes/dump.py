"""Write the resources in the namespace of a test to the failure report, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra_runtime.control_plane.api import ApiError
from pytest_infra.isolation.readable import write_json
from pytest_infra.isolation.unit import Unit
from pytest_infra.services.kubernetes.isolation import connect

#: The maximum number of resources of one kind that are written.
RESOURCES = 200
#: Resources that are not written: those that a controller creates in each namespace, and kinds whose data are
#: also in resources of other kinds.
_EVERYWHERE = {("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")}
_REPEATED = frozenset({("/api/v1", "endpoints"), ("/apis/events.k8s.io/v1", "events")})


def dump(unit: Unit, folder: Path) -> list[Path]:
    """Write the resources of all kinds in the test's namespace to a file; return a list with the file."""
    path = folder / f"{unit.id}.json"
    resources: dict[str, list[Any]] = {}
    with connect(unit) as api:
        for version, kind in api.namespaced():
            if (version, kind) in _REPEATED:
                continue
            try:
                answer = api.get(f"{version}/namespaces/{unit['namespace']}/{kind}", limit=str(RESOURCES))
            except ApiError as error:  # such as a kind whose own server does not answer
                resources[kind] = [f"({error})"]
                continue
            visible_resources = [_without_secrets(kind, resource) for resource in answer["items"]]
            if test_resources := [
                resource
                for resource in visible_resources
                if (kind, resource["metadata"]["name"]) not in _EVERYWHERE
            ]:
                resources[kind] = test_resources
    write_json(path, resources)
    return [path]


def _without_secrets(kind: str, resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource without the history of its fields; the values in a Secret are masked."""
    metadata = {name: value for name, value in resource["metadata"].items() if name != "managedFields"}
    visible_resource = {**resource, "metadata": metadata}
    if kind == "secrets":
        visible_resource["data"] = dict.fromkeys(resource.get("data") or (), "***")
    return visible_resource
