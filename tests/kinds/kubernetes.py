"""The cluster in the contract suite: a value is in the config map NAME."""

from __future__ import annotations

from infra_runtime.control_plane.api import ApiError, ControlPlaneApi
from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Create or change a config map; in a unit, in its namespace."""
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}
    with _api(endpoint) as api:
        if not api.create(_path(endpoint), document):
            api.merge(f"{_path(endpoint)}/{name}", {"data": {"value": value}})


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the value in the config map."""
    with _api(endpoint) as api:
        try:
            return api.get(f"{_path(endpoint)}/{name}")["data"]["value"]
        except ApiError as error:
            if error.status != 404:
                raise
            return None


def _path(endpoint: Endpoint) -> str:
    return f"/api/v1/namespaces/{endpoint['namespace']}/configmaps"


def _api(endpoint: Endpoint) -> ControlPlaneApi:
    return ControlPlaneApi(endpoint.host, endpoint.port, endpoint["token"], endpoint["ca"])
