"""The resources of a small API server of Kubernetes, with controllers that act at once."""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Object = dict[str, Any]
_REVISION = "deployment.kubernetes.io/revision"
_BAD = {"crashes": "CrashLoopBackOff", "missing": "ImagePullBackOff"}


class ClusterServer:
    """The stored resources, and the requests that the server refuses."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        #: (plural, namespace, name) → resource
        self.objects: dict[tuple[str, str, str], Object] = {}
        #: (plural, namespace, name) → manager → what it has applied
        self.applied: dict[tuple[str, str, str], dict[str, Object]] = {}
        #: requests that have changed something
        self.writes: list[str] = []
        #: kind → message with which it is refused, or a warning of the server
        self.refused: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        self.minor = "36"
        self.log = "ready"
        self.lock = threading.RLock()
        self._version = 0
        kubeconfig = {
            "apiVersion": "v1", "kind": "Config", "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "users": [{"name": "tests", "user": {}}],
        }  # fmt: skip
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig))

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that make kubectl use this server."""
        return {"KUBECONFIG": str(self.folder / "kubeconfig"), "KUBECACHEDIR": str(self.folder / "cache")}

    def copy_from(self, other: ClusterServer) -> None:
        """Store copies of the resources of another server."""
        self.objects, self.applied = copy.deepcopy((other.objects, other.applied))
        self._version = other._version

    def find(self, plural: str, name: str) -> Object:
        """Return a resource of any namespace."""
        return next(
            resource
            for (kind, _, resource_name), resource in self.objects.items()
            if (kind, resource_name) == (plural, name)
        )

    def names(self, plural: str) -> set[str]:
        """Return the names of the resources of a kind."""
        return {name for kind, _, name in self.objects if kind == plural}

    def store(self, key: tuple[str, str, str], resource: Object) -> None:
        """Store a resource with a new version, and run the controllers."""
        self._version += 1
        previous = self.objects.get(key)
        metadata = resource["metadata"]
        metadata["resourceVersion"] = str(self._version)
        if previous is None or previous.get("spec") != resource.get("spec"):
            metadata["generation"] = metadata.get("generation", 0) + 1
        self.objects[key] = resource
        self._control(key, resource)

    def remove(self, key: tuple[str, str, str]) -> None:
        """Remove a resource and the resources that belong to it."""
        removed = self.objects.pop(key)
        self.applied.pop(key, None)
        for other_key, owned in list(self.objects.items()):
            owners = owned["metadata"].get("ownerReferences", ())
            if other_key in self.objects and any(
                owner["uid"] == removed["metadata"]["uid"] for owner in owners
            ):
                self.remove(other_key)

    def _control(self, key: tuple[str, str, str], resource: Object) -> None:
        plural, namespace, name = key
        spec, metadata = resource.get("spec", {}), resource["metadata"]
        if plural == "horizontalpodautoscalers":
            target = ("deployments", namespace, spec["scaleTargetRef"]["name"])
            self._scale_to(target, spec["minReplicas"])
        elif plural == "deployments":
            scaler = self.objects.get(("horizontalpodautoscalers", namespace, name))
            min_replicas = scaler["spec"]["minReplicas"] if scaler else 0
            spec["replicas"] = max(spec.get("replicas", 1), min_replicas)
            self._roll_out(key, resource)
        elif plural == "statefulsets":
            digest = str(abs(hash(json.dumps(spec["template"], sort_keys=True))))
            for number in range(spec.get("replicas", 1)):
                self._pod(resource, f"{name}-{number}", {"controller-revision-hash": digest})
            ready = 0 if self._problem(spec) else spec.get("replicas", 1)
            resource["status"] = {
                "observedGeneration": metadata["generation"], "replicas": spec.get("replicas", 1),
                "readyReplicas": ready, "updatedReplicas": spec.get("replicas", 1), "updateRevision": digest,
            }  # fmt: skip
        elif plural == "clusters":
            self._operate(resource)
        elif plural == "jobs":
            self._pod(resource, f"{name}-x", {})
            if not self._problem(spec):
                resource["status"] = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}

    def _operate(self, database: Object) -> None:
        """Create the members of a database, as its operator does; the image's tag determines their state."""
        metadata, spec = database["metadata"], database["spec"]
        container = {"name": "postgres", "image": spec["imageName"]}
        template = {"metadata": {"labels": {"cnpg.io/cluster": metadata["name"]}}}
        template["spec"] = {"containers": [container]}
        copies = {**database, "spec": {"template": template}}
        for number in range(1, spec["instances"] + 1):
            self._pod(copies, f"{metadata['name']}-{number}", {})
        good = not self._problem({"template": template})
        condition = {"type": "Ready", "status": str(good)}
        phase = "Cluster in healthy state" if good else "Setting up primary"
        database["status"] = {"conditions": [condition], "phase": phase}

    def _scale_to(self, key: tuple[str, str, str], min_replicas: int) -> None:
        if resource := self.objects.get(key):
            resource["spec"]["replicas"] = max(resource["spec"].get("replicas", 1), min_replicas)
            self.store(key, resource)

    def _roll_out(self, key: tuple[str, str, str], workload: Object) -> None:
        """Create the ReplicaSet and the pods of a revision."""
        _, namespace, name = key
        spec, metadata = workload["spec"], workload["metadata"]
        annotations = metadata.setdefault("annotations", {})
        sets = [
            replica_set
            for (kind, _, _), replica_set in self.objects.items()
            if kind == "replicasets"
            and replica_set["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]
        ]
        same = [replica_set for replica_set in sets if replica_set["spec"]["template"] == spec["template"]]
        latest = max(
            (int(replica_set["metadata"]["annotations"][_REVISION]) for replica_set in sets), default=0
        )
        replica_set_of_revision = same[0] if same else None
        if replica_set_of_revision is None:
            suffix = uuid.uuid4().hex[:6]
            replica_set_of_revision = _owned(workload, "ReplicaSet", "apps/v1", f"{name}-{suffix}")
            replica_set_of_revision["spec"] = {
                "selector": spec["selector"], "template": copy.deepcopy(spec["template"]), "replicas": 0,
            }  # fmt: skip
            replica_set_of_revision["metadata"]["labels"] = spec["template"]["metadata"]["labels"]
            self.objects["replicasets", namespace, replica_set_of_revision["metadata"]["name"]] = (
                replica_set_of_revision
            )
        if (
            int(replica_set_of_revision["metadata"].get("annotations", {}).get(_REVISION, 0)) != latest
            or latest == 0
        ):
            replica_set_of_revision["metadata"]["annotations"] = {_REVISION: str(latest + 1)}
            latest += 1
        annotations[_REVISION] = str(latest)
        replicas = spec["replicas"]
        for number in range(replicas):
            self._pod(
                replica_set_of_revision,
                f"{replica_set_of_revision['metadata']['name']}-{number}",
                {},
                workload,
            )
        good = not self._problem(spec)
        workload["status"] = {
            "observedGeneration": metadata["generation"], "replicas": replicas,
            "updatedReplicas": replicas, "availableReplicas": replicas if good else 0,
        }  # fmt: skip

    def _problem(self, spec: Object) -> str:
        tag = str(spec["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]
        return _BAD.get(tag, "" if tag != "slow" else "slow")

    def _pod(self, owner: Object, name: str, more: Mapping[str, str], workload: Object | None = None) -> None:
        template = (workload or owner)["spec"]["template"]
        pod = _owned(owner, "Pod", "v1", name)
        pod["metadata"]["labels"] = {**template["metadata"].get("labels", {}), **more}
        pod["spec"] = copy.deepcopy(template["spec"])
        problem = self._problem((workload or owner)["spec"])
        state: Object = {"running": {}} if problem in {"", "slow"} else {"waiting": {"reason": problem}}
        pod["status"] = {
            "containerStatuses": [
                {"name": container["name"], "ready": not problem, "state": state}
                for container in template["spec"]["containers"]
            ],
            "conditions": [{"type": "Ready", "status": str(not problem)}],
        }
        self.objects["pods", owner["metadata"]["namespace"], name] = pod


def _owned(owner: Object, kind: str, version: str, name: str) -> Object:
    reference = {
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": True,
    }  # fmt: skip
    metadata = {**new_metadata(), "name": name, "namespace": owner["metadata"]["namespace"]}
    return {"apiVersion": version, "kind": kind, "metadata": {**metadata, "ownerReferences": [reference]}}


def new_metadata() -> Object:
    return {
        "uid": uuid.uuid4().hex,
        "creationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def merged(base: Any, other: Any) -> Any:
    """Return `base` with the fields of `other`; lists are replaced."""
    if isinstance(base, dict) and isinstance(other, dict):
        return {**base, **{name: merged(base.get(name), value) for name, value in other.items()}}
    return copy.deepcopy(other)


def without(value: Any, previous_fields: Any, applied_fields: Any) -> Any:
    """Return a value without the fields that a manager has applied before and no longer applies."""
    if not isinstance(value, dict) or not isinstance(previous_fields, dict):
        return value
    result = {}
    for name, content in value.items():
        if name not in previous_fields:
            result[name] = content
        elif isinstance(applied_fields, dict) and name in applied_fields:
            result[name] = without(content, previous_fields[name], applied_fields[name])
    return result


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, content in value.items():
            yield from leaves(content, f"{path}.{name}")
    else:
        yield path, value
