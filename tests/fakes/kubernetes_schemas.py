"""Validation of resources against the OpenAPI document of Kubernetes and the schemas of custom resources."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "runtime" / "engines" / "kubernetes"
#: apiVersion and kind of a custom resource → the file with its schema
CUSTOM = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "servicemonitors.json",
    ("cert-manager.io/v1", "ClusterIssuer"): "clusterissuers.json",
    ("bitnami.com/v1alpha1", "SealedSecret"): "sealedsecrets.json",
    ("postgresql.cnpg.io/v1", "Cluster"): "cnpg-clusters.json",
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): "rabbitmqclusters.json",
}


def problems(resource: Mapping[str, Any]) -> list[str]:
    """Return the problems of one resource, as path and message. Unknown fields and kinds are problems."""
    key = (str(resource.get("apiVersion")), str(resource.get("kind")))
    if key not in CUSTOM and f"{key[0]} {key[1]}" not in _document()["kinds"]:
        return [f"unknown kind {key}"]
    errors = _validator(key).iter_errors(resource)
    return [f"{error.json_path}: {error.message}" for error in errors]


@functools.cache
def _document() -> Any:
    return json.loads((FOLDER / "openapi.json").read_text("utf-8"))


@functools.cache
def _definitions() -> dict[str, Any]:
    return {name: _closed(value) for name, value in _document()["definitions"].items()}


@functools.cache
def _validator(key: tuple[str, str]) -> Any:
    import jsonschema

    if key in CUSTOM:
        schema = json.loads((FOLDER / CUSTOM[key]).read_text("utf-8"))["schema"]
        # The API server describes apiVersion, kind and metadata itself.
        closed = _closed(schema)
        closed["properties"]["metadata"] = {"type": "object"}
        return jsonschema.Draft7Validator(closed)
    name = _document()["kinds"][f"{key[0]} {key[1]}"]
    schema = {"$ref": f"#/definitions/{name}", "definitions": _definitions()}
    return jsonschema.Draft7Validator(schema)


def _closed(value: Any) -> Any:
    """Return a schema in which objects have no other properties, as the API server validates strictly."""
    if isinstance(value, list):
        return [_closed(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    closed = {key: _closed(inner) for key, inner in value.items()}
    if closed.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
