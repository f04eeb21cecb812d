"""A small API server of Kubernetes for kubectl, with controllers that act at once.

It has server-side apply with field managers and conflicts, dry runs, versions, labels and owners. The tag of
a pod's image determines the state of the pod: `crashes`, `missing` (no image) or `slow` (never ready). Tests
against the real server are in `tests/cluster`.
"""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakes.cluster_store import ClusterServer, Object, leaves, merged, new_metadata, without

#: group and version → (name in paths, kind)
KINDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "v1": (
        ("namespaces", "Namespace"), ("pods", "Pod"), ("services", "Service"), ("events", "Event"),
        ("configmaps", "ConfigMap"), ("secrets", "Secret"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ),
    "apps/v1": (
        ("deployments", "Deployment"), ("statefulsets", "StatefulSet"), ("replicasets", "ReplicaSet"),
    ),
    "batch/v1": (("jobs", "Job"),),
    "autoscaling/v2": (("horizontalpodautoscalers", "HorizontalPodAutoscaler"),),
    "policy/v1": (("poddisruptionbudgets", "PodDisruptionBudget"),),
    "networking.k8s.io/v1": (("networkpolicies", "NetworkPolicy"), ("ingresses", "Ingress")),
    "coordination.k8s.io/v1": (("leases", "Lease"),),
    "postgresql.cnpg.io/v1": (("clusters", "Cluster"),),
}  # fmt: skip
_VERBS = ["create", "delete", "get", "list", "patch", "update"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise the body is sent after kubectl has acknowledged the head, 40 ms later. Source: tcp(7)
    disable_nagle_algorithm = True

    @property
    def cluster(self) -> ClusterServer:
        return _servers[self.server.server_address[1]]

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(content) if content else None
        with self.cluster.lock:
            document = self._document(url.path) if self.command == "GET" else None
            if document is None:
                document = self._resource(url.path, query, body)
        self._send(document)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names of http.server

    def _send(self, document: Any) -> None:
        is_text = isinstance(document, str)
        content = (document if is_text else json.dumps(document)).encode()
        failed = not is_text and document.get("kind") == "Status" and document["status"] == "Failure"
        self.send_response(document["code"] if failed else 200)
        self.send_header("Content-Type", "text/plain" if is_text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        kind = "" if is_text else document.get("kind", "")
        if self.command in {"PATCH", "POST"} and (warning := self.cluster.warnings.get(kind)):
            self.send_header("Warning", f'299 - "{warning}"')
        self.end_headers()
        self.wfile.write(content)

    def _document(self, path: str) -> Any:
        """Return a document about the server; None for a resource."""
        if path == "/version":
            version = f"v1.{self.cluster.minor}.3"
            return {"major": "1", "minor": self.cluster.minor, "gitVersion": version}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        groups = [version.split("/") for version in KINDS if "/" in version]
        if path == "/apis":
            versions = [
                {"name": group, "versions": [served], "preferredVersion": served}
                for group, version in groups
                for served in ({"groupVersion": f"{group}/{version}", "version": version},)
            ]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": versions}
        prefixes = {("/api/" if version == "v1" else "/apis/") + version: version for version in KINDS}
        if version := prefixes.get(path):
            resources = [
                {
                    "name": plural, "singularName": kind.lower(), "kind": kind, "verbs": _VERBS,
                    "namespaced": plural != "namespaces",
                }
                for plural, kind in KINDS[version]
            ]  # fmt: skip
            resources += [
                {"name": f"{plural}/scale", "singularName": "", "kind": "Scale", "group": "autoscaling",
                 "version": "v1", "verbs": ["get", "patch", "update"], "namespaced": True}
                for plural, _ in KINDS[version] if version == "apps/v1"
            ]  # fmt: skip
            return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        if path == "/openapi/v3":
            paths = {prefix[1:]: {"serverRelativeURL": f"/openapi/v3{prefix}"} for prefix in prefixes}
            return {"paths": paths}
        if version := prefixes.get(path.removeprefix("/openapi/v3")):
            group, _, number = version.rpartition("/")
            parameters = [{"name": name, "in": "query"} for name in ("dryRun", "fieldValidation")]
            paths = {}
            for plural, kind in KINDS[version]:
                operation = {
                    "parameters": parameters,
                    "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": number},
                    "responses": {},
                }
                paths[f"{path.removeprefix('/openapi/v3')}/{plural}/{{name}}"] = {"patch": operation}
            return {"openapi": "3.0.0", "info": {"title": "", "version": ""}, "paths": paths}
        return None

    def _resource(self, path: str, query: Mapping[str, str], body: Any) -> Any:
        words = path.strip("/").split("/")
        words = words[2:] if words[0] == "api" else words[3:]
        namespace = ""
        if words[:1] == ["namespaces"] and len(words) > 2:
            namespace, words = words[1], words[2:]
        plural, name, subresource = [*words, "", "", ""][:3]
        kind = next(
            (
                kind_name
                for kinds in KINDS.values()
                for plural_name, kind_name in kinds
                if plural_name == plural
            ),
            "",
        )
        if not kind:
            return _failure(404, "NotFound", "the server could not find the requested resource")
        if subresource == "log":
            return f"{self.cluster.log}\n"
        if not name and self.command == "GET":
            return self._list(plural, kind, namespace, query)
        key = plural, namespace, name or body["metadata"]["name"]
        response = self._refusal(key, kind) or self._answer(key, kind, query, body, subresource)
        return _scale(response) if subresource == "scale" and response["kind"] != "Status" else response

    def _refusal(self, key: tuple[str, str, str], kind: str) -> Object | None:
        """Return the failure of a request that is refused, or whose resource is missing or exists."""
        plural, namespace, name = key
        reads = self.command == "GET"
        if namespace and ("namespaces", "", namespace) not in self.cluster.objects and not reads:
            return _failure(404, "NotFound", f'namespaces "{namespace}" not found')
        if message := self.cluster.refused.get(kind) if self.command in {"POST", "PATCH"} else "":
            return _failure(403, "Forbidden", f'{plural} "{name}" is forbidden: {message}')
        if key not in self.cluster.objects and self.command in {"GET", "DELETE", "PUT"}:
            return _failure(404, "NotFound", f'{plural} "{name}" not found')
        if key in self.cluster.objects and self.command == "POST":
            return _failure(409, "AlreadyExists", f'{plural} "{name}" already exists')
        return None

    def _answer(
        self, key: tuple[str, str, str], kind: str, query: Mapping[str, str], body: Any, subresource: str
    ) -> Object:
        plural, namespace, name = key
        existing = self.cluster.objects.get(key)
        stored = "dryRun" not in query and self.command != "GET"
        if stored:
            self.cluster.writes.append(f"{self.command} {plural}/{name}{subresource and f'/{subresource}'}")
        if self.command == "DELETE":
            self.cluster.remove(key)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if self.command == "GET" and existing:
            return existing
        if self.command == "POST":
            resource = {**body, "metadata": {**body["metadata"], **new_metadata(), "namespace": namespace}}
        elif self.command == "PUT" and existing:
            version = body["metadata"].get("resourceVersion")
            if version and version != existing["metadata"]["resourceVersion"]:
                return _failure(409, "Conflict", "the object has been modified")
            resource = {**body, "metadata": {**existing["metadata"], **body["metadata"]}}
        else:
            resource = self._patched(key, kind, query, body, stored=stored)
        if stored and resource["kind"] != "Status":
            self.cluster.store(key, resource)
        return resource

    def _list(self, plural: str, kind: str, namespace: str, query: Mapping[str, str]) -> Object:
        required_labels = [part.split("=") for part in query.get("labelSelector", "").split(",") if part]
        items = [
            resource
            for (resource_kind, space, _), resource in self.cluster.objects.items()
            if resource_kind == plural
            and (not namespace or space == namespace)
            and all(
                resource["metadata"].get("labels", {}).get(pair[0]) == pair[-1] for pair in required_labels
            )
        ]
        version = next(version for version, kinds in KINDS.items() if (plural, kind) in kinds)
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": items}

    def _patched(
        self, key: tuple[str, str, str], kind: str, query: Mapping[str, str], body: Any, *, stored: bool
    ) -> Object:
        previous = copy.deepcopy(self.cluster.objects.get(key))
        media = self.headers["Content-Type"]
        if media != "application/apply-patch+yaml":
            assert previous is not None
            changed = {"spec": body["spec"]} if isinstance(body, dict) else {}
            for operation in body if isinstance(body, list) else ():
                *parents, last_key = operation["path"].strip("/").split("/")
                target = changed
                for parent in parents:
                    target = target.setdefault(parent, {})
                target[last_key] = operation["value"]
            if stored:
                manager = "kubectl-rollout" if isinstance(body, list) else "kubectl"
                self.cluster.applied.setdefault(key, {})[manager] = {"spec": changed["spec"]}
            resource: Object = merged(previous, changed)
            if "template" in changed["spec"]:
                resource["spec"]["template"] = changed["spec"]["template"]
            return resource
        manager, managers = query["fieldManager"], self.cluster.applied.get(key, {})
        claimed_fields = {"spec": body["spec"]} if "spec" in body else {}
        if conflicts := [] if query.get("force") == "true" else _conflicts(manager, managers, claimed_fields):
            text = f"conflict with {conflicts[0]}"
            cause = {"reason": "FieldManagerConflict", "message": text, "field": ".spec"}
            details = {"causes": [cause]}
            return {**_failure(409, "Conflict", f"Apply failed with 1 conflict: {text}"), "details": details}
        claims = "volumeClaimTemplates"
        if previous and kind == "StatefulSet" and previous["spec"].get(claims) != body["spec"].get(claims):
            message = "updates to statefulset spec for fields other than 'replicas' are forbidden"
            cause = {"reason": "FieldValueForbidden", "message": f"Forbidden: {message}", "field": "spec"}
            text = f'StatefulSet.apps "{key[2]}" is invalid: spec: Forbidden: {message}'
            details = {"name": key[2], "group": "apps", "kind": "StatefulSet", "causes": [cause]}
            return {**_failure(422, "Invalid", text), "details": details}
        start = previous or {**body, "metadata": {**new_metadata(), **body["metadata"]}}
        if kind == "Secret" and "stringData" in body:
            start.setdefault("data", {}).update(dict.fromkeys(body.pop("stringData"), "eHh4"))
            start.pop("stringData", None)
        applied_fields = body
        for applied in (applied for other_manager, applied in managers.items() if other_manager != manager):
            applied_fields = merged(applied_fields, applied)
        resource = merged(without(start, managers.get(manager, {}), applied_fields), body)
        if stored:
            self.cluster.applied.setdefault(key, {})[manager] = copy.deepcopy(body)
        return resource


def _conflicts(manager: str, managers: Mapping[str, Object], claimed_fields: Object) -> list[str]:
    """Return the other managers that have applied another value to one of these fields, with the field."""
    new = dict(leaves(claimed_fields))
    return [
        f'"{other_manager}": {path}'
        for other_manager, applied in managers.items()
        if other_manager != manager
        for path, value in leaves({"spec": applied.get("spec", {})})
        if path in new and new[path] != value
    ]


def _scale(resource: Any) -> Object:
    metadata = {name: resource["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
    spec = {"replicas": resource["spec"].get("replicas", 1)}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": spec,
        "status": spec,
    }


def _failure(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message,
    }  # fmt: skip


#: port → the server on this port
_servers: dict[object, ClusterServer] = {}


@contextlib.contextmanager
def cluster_server(folder: Path) -> Iterator[ClusterServer]:
    """Run a server until the end of the `with` statement."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    port = server.server_address[1]
    _servers[port] = ClusterServer(folder, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield _servers[port]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        del _servers[port]
