"""Validation of resources against the OpenAPI document of Kubernetes and the schemas of custom resources."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: the schema of any value. Source: Kubernetes documentation, "CustomResourceDefinition", structural schemas
_ANY: Mapping[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}
FOLDER = Path(__file__).parents[1] / "runtime" / "engines" / "kubernetes"
#: apiVersion and kind of a custom resource → the file with its schema
CUSTOM = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "servicemonitors.json",
    ("cert-manager.io/v1", "ClusterIssuer"): "clusterissuers.json",
    ("bitnami.com/v1alpha1", "SealedSecret"): "sealedsecrets.json",
    ("postgresql.cnpg.io/v1", "Cluster"): "cnpg-clusters.json",
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): "rabbitmqclusters.json",
}


def definition(key: tuple[str, str]) -> dict[str, Any]:
    """Return the definition of a custom resource, with the schema that its project publishes."""
    version, kind = key
    group, _, name = version.partition("/")
    plural = f"{kind.lower()}s"
    schema = _structural(json.loads((FOLDER / CUSTOM[key]).read_text(encoding="utf-8"))["schema"])
    schema["properties"]["status"] = {"type": "object", **_ANY}
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
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def _structural(schema: Any) -> Any:
    """Return a schema in which each field without a type, such as a number or a text, has any value."""
    if not isinstance(schema, dict):
        return schema
    if "type" not in schema:
        return dict(_ANY)
    content = {key: _structural(schema[key]) for key in ("items", "additionalProperties") if key in schema}
    if "properties" in schema:
        content["properties"] = {name: _structural(value) for name, value in schema["properties"].items()}
    return {**schema, **content}


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
        return [_closed(content) for content in value]
    if not isinstance(value, dict):
        return value
    closed = {key: _closed(content) for key, content in value.items()}
    if closed.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
