"""The states of the workloads of a stack: how many pods are ready, and why a rollout has failed.

All functions read a snapshot of the cluster; none of them sends a request.
Sources: Kubernetes documentation, "Deployments", "Pod Lifecycle"; `pkg/kubelet/images` and
`pkg/kubelet/container` of Kubernetes for the reasons of a waiting container.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra_runtime.engines.kubernetes.cluster import MEMBERS, PODS, READY
from infra_runtime.engines.kubernetes.live.kubectl import Key, Object, key
from infra_runtime.engines.kubernetes.live.stack import is_operated
from infra_runtime.value import frozen

#: the kinds with pods, in the spelling of `kubectl get`
KINDS = ("deployments.apps", "statefulsets.apps", "jobs.batch")
WORKLOADS = ("Deployment", "StatefulSet", "Job")
#: the reasons of a waiting container that do not end without a change
_FATAL = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
_REVISION = "deployment.kubernetes.io/revision"


@frozen
class Failure:
    """The reason why a workload does not become ready without a change."""

    reason: str
    #: the pod and the container with the failure; empty if the failure concerns no pod
    pod: str = ""
    container: str = ""


@frozen
class State:
    """The state of one workload."""

    kind: str
    name: str
    ready: int
    wanted: int
    #: whether all pods have the newest template and are ready, the Job is complete, or the operator reports
    #: that all members are ready
    done: bool
    images: tuple[str, ...] = ()
    revision: str = ""
    #: the reason why the workload is not done, such as an unready pod; empty if it is done
    reason: str = ""
    failure: Failure | None = None

    @property
    def phase(self) -> str:
        """The state in one word: `done` (a completed Job), `ready`, `failed` or `waiting`."""
        if self.failure:
            return "failed"
        if self.done:
            return "done" if self.kind == "Job" else "ready"
        return "waiting"

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON data."""
        return {
            "kind": self.kind,
            "name": self.name,
            "phase": self.phase,
            "ready": self.ready,
            "wanted": self.wanted,
            "images": list(self.images),
            "revision": self.revision,
            "reason": self.failure.reason if self.failure else self.reason,
        }


@frozen
class Snapshot:
    """The resources of a stack that determine the states of its workloads, at one moment."""

    workloads: Sequence[Object]
    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()

    def states(self) -> dict[Key, State]:
        """Return a mapping from the kind and name of each workload to its state."""
        return {key(workload): _state(workload, self) for workload in self.workloads}


def snapshot_of(objects: Iterable[Object], events: Iterable[Object] = ()) -> Snapshot:
    """Return the snapshot of the resources that `kubectl get` returns."""
    kinds: dict[str, list[Object]] = {}
    for resource in objects:
        kinds.setdefault("" if is_operated(resource) else resource["kind"], []).append(resource)
    return Snapshot(
        workloads=[resource for kind in ("", *WORKLOADS) for resource in kinds.get(kind, ())],
        replica_sets=kinds.get("ReplicaSet", ()),
        pods=kinds.get("Pod", ()),
        events=list(events),
    )


def _state(workload: Object, snapshot: Snapshot) -> State:
    if is_operated(workload):
        return _members(workload, snapshot)
    match workload["kind"]:
        case "Deployment":
            return _deployment(workload, snapshot)
        case "StatefulSet":
            return _stateful_set(workload, snapshot)
        case _:
            return _job(workload, snapshot)


def _deployment(workload: Object, snapshot: Snapshot) -> State:
    status = workload.get("status", {})
    wanted = workload["spec"].get("replicas", 1)
    updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    revision = _revision(workload)
    observed = _is_observed(workload)
    done = observed and updated == status.get("replicas", 0) == ready == wanted
    reason, failure = "", None
    if not done:
        sets = [
            replica_set
            for replica_set in _owned(snapshot.replica_sets, workload)
            if _revision(replica_set) == revision
        ]
        pods = [pod for replica_set in sets for pod in _owned(snapshot.pods, replica_set)] if observed else []
        reason, failure = _reasons(pods)
        conditions = {condition["type"]: condition for condition in status.get("conditions", ()) if observed}
        refused = conditions.get("ReplicaFailure", {})
        late = conditions.get("Progressing", {})
        if failure is None and refused.get("status") == "True":
            failure = Failure(reason=f"its pods are refused: {refused.get('message', '')}")
        elif failure is None and late.get("reason") == "ProgressDeadlineExceeded":
            failure = Failure(reason=f"it is not ready in time: {reason or late.get('message', '')}")
    return _made(workload, ready=ready, wanted=wanted, done=done, revision=revision,
                 reason=reason or f"{updated} of {wanted} pods are updated, {ready} are available",
                 failure=failure)  # fmt: skip


def _stateful_set(workload: Object, snapshot: Snapshot) -> State:
    status = workload.get("status", {})
    wanted, ready = workload["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    revision = status.get("updateRevision", "")
    updated = status.get("updatedReplicas", 0)
    done = _is_observed(workload) and updated == ready == status.get("replicas", 0) == wanted
    reason, failure = "", None
    if not done and _is_observed(workload):
        pods = [
            pod
            for pod in _owned(snapshot.pods, workload)
            if (pod["metadata"].get("labels") or {}).get("controller-revision-hash") == revision
        ]
        reason, failure = _reasons(pods)
        failure = failure or (None if pods else _refused(workload, snapshot))
    return _made(workload, ready=ready, wanted=wanted, done=done, revision=revision,
                 reason=reason or f"{updated} of {wanted} pods are updated, {ready} are ready",
                 failure=failure)  # fmt: skip


def _job(workload: Object, snapshot: Snapshot) -> State:
    status = workload.get("status", {})
    wanted, ready = workload["spec"].get("completions") or 1, status.get("succeeded", 0)
    conditions = {
        condition["type"]: condition
        for condition in status.get("conditions", ())
        if condition["status"] == "True"
    }
    done = "Complete" in conditions
    pods = _owned(snapshot.pods, workload)
    reason, failure = ("", None) if done else _reasons(pods)
    failed = conditions.get("Failed")
    if not done and failed:
        last = pods[-1] if pods else None
        failure = Failure(
            reason=f"the task has failed: {failed.get('message', '')}",
            pod=last["metadata"]["name"] if last else "",
            container=last["spec"]["containers"][0]["name"] if last else "",
        )
    elif not done and not pods:
        failure = _refused(workload, snapshot)
    attempts = status.get("failed", 0)
    reason = reason or (f"{attempts} attempts have failed" if attempts else "the task is running")
    return _made(workload, ready=ready, wanted=wanted, done=done, reason=reason, failure=failure)


def _members(resource: Object, snapshot: Snapshot) -> State:
    """Return the state of a resource whose pods an operator creates."""
    annotations, status = resource["metadata"]["annotations"], resource.get("status", {})
    labels = dict(label.split("=") for label in annotations[PODS].split(","))
    pods = [pod for pod in snapshot.pods if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
    ready = sum(is_ready(pod) for pod in pods)
    wanted = resource["spec"].get(annotations[MEMBERS], 1)
    conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
    condition = conditions.get(annotations[READY], {})
    # Not every operator writes `observedGeneration`.
    observed = "observedGeneration" not in status or _is_observed(resource)
    done = observed and condition.get("status") == "True" and ready >= wanted
    reason, failure = _reasons(pods)
    detail = status.get("phase") or condition.get("message") or "the operator has not reported a state"
    images = sorted({container["image"] for pod in pods for container in pod["spec"]["containers"]})
    return _made(resource, ready=ready, wanted=wanted, done=done, failure=failure, images=images,
                 reason=reason or f"{ready} of {wanted} members are ready: {detail}")  # fmt: skip


def is_ready(pod: Object) -> bool:
    """Return whether the probes of a pod succeed."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _made(
    workload: Object, *, ready: int, wanted: int, done: bool, reason: str, failure: Failure | None,
    revision: str = "", images: Sequence[str] | None = None,
) -> State:  # fmt: skip
    if images is None:
        images = [container["image"] for container in workload["spec"]["template"]["spec"]["containers"]]
    return State(
        kind=workload["kind"],
        name=workload["metadata"]["name"],
        ready=ready,
        wanted=wanted,
        done=done,
        images=tuple(images),
        revision=revision,
        reason="" if done else reason,
        failure=None if done else failure,
    )


def _is_observed(workload: Object) -> bool:
    """Return whether the controller has read the newest version of a workload."""
    generation: int = workload["metadata"].get("generation", 1)
    observed: int = workload.get("status", {}).get("observedGeneration", 0)
    return observed >= generation


def _revision(resource: Object) -> str:
    return str((resource["metadata"].get("annotations") or {}).get(_REVISION, ""))


def _owned(resources: Iterable[Object], owner: Object) -> list[Object]:
    """Return the resources that belong to an owner, the oldest first."""
    uid = owner["metadata"]["uid"]
    owned = [
        resource
        for resource in resources
        if any(reference["uid"] == uid for reference in resource["metadata"].get("ownerReferences", ()))
    ]
    return sorted(owned, key=lambda resource: str(resource["metadata"].get("creationTimestamp", "")))


def _refused(workload: Object, snapshot: Snapshot) -> Failure | None:
    """Return the failure if, according to the events, the server refuses a workload's pods; else None."""
    uid = workload["metadata"]["uid"]
    messages = [
        event.get("message", "")
        for event in snapshot.events
        if event.get("reason") == "FailedCreate" and event.get("involvedObject", {}).get("uid") == uid
    ]
    return Failure(reason=f"its pods are refused: {messages[-1]}") if messages else None


def _reasons(pods: Sequence[Object]) -> tuple[str, Failure | None]:
    """Return the first reason why a pod is not ready, and None.

    If a container waits for a reason in `_FATAL`, return an empty string and the failure of the first such
    pod.
    """
    reason = ""
    for pod in pods:
        name = pod["metadata"]["name"]
        for container, text, fatal in _waiting(pod):
            if fatal:
                return "", Failure(reason=f"the pod {name}: {text}", pod=name, container=container)
            reason = reason or f"the pod {name}: {text}"
    return reason, None


def _waiting(pod: Object) -> Iterator[tuple[str, str, bool]]:
    """Yield the reasons why a pod is not ready, each with a container and whether only a change can help.

    The name of the container is empty if no node is suitable for the pod.
    """
    status: Mapping[str, Any] = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield "", f"no node is suitable: {condition.get('message', '')}", False
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        name, state = container["name"], container.get("state", {})
        if waiting := state.get("waiting"):
            reason = waiting.get("reason", "")
            text = f"{reason}: {waiting['message']}" if waiting.get("message") else reason
            before = container.get("lastState", {}).get("terminated")
            if before:
                text += f" (the container {name} exited with {before.get('exitCode')})"
            yield name, text, reason in _FATAL
        elif (ended := state.get("terminated")) and ended.get("exitCode"):
            yield name, f"the container {name} exited with {ended['exitCode']}", False
        elif "running" in state and not container.get("ready"):
            yield name, f"the container {name} is running and not ready", False
