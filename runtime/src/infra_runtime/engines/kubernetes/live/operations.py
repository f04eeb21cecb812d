"""Operations on a deployed stack: change the number of pods, return to a revision, remove resources."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from infra_runtime.engines.kubernetes.cluster import workload_names
from infra_runtime.engines.kubernetes.live.kubectl import Key, Kubectl, Object
from infra_runtime.engines.kubernetes.live.stack import (
    OPERATED,
    autoscaler_of,
    installed_kinds,
    operated,
    owned,
    selector,
)
from infra_runtime.errors import ClusterError, nearest

#: seconds until a deleted resource must be gone
_GONE = 180.0
_INTERVAL = 0.5
_SEALED = "sealedsecrets.bitnami.com"


def find(kubectl: Kubectl, stack: str, service: str) -> Object:
    """Return the Deployment or StatefulSet of a service. Raises `ClusterError` if there is none."""
    workloads = kubectl.require(
        "get", "deployments.apps,statefulsets.apps", selector(stack), "--output=json"
    ).objects()
    by_name = {workload["metadata"]["name"]: workload for workload in workloads}
    names = workload_names(service)
    for name in names:
        if name in by_name:
            return by_name[name]
    if any(resource["metadata"]["name"] in names for resource in operated(kubectl, stack)):
        raise ClusterError(
            f"a Kubernetes operator manages the pods of {service} in the namespace {kubectl.namespace}",
            f"Change the table `operator` of the service {service}, and deploy the stack.",
        )
    raise ClusterError(
        f"the namespace {kubectl.namespace} has no service {service!r} of the stack {stack}"
        f"{nearest(service, by_name)}",
        "`infra workflows status` shows what is deployed.",
    )


def scale(kubectl: Kubectl, stack: str, service: str, replicas: int) -> Key:
    """Set the number of pods of a service.

    Raises `ClusterError` if an HPA determines the number, or the data of the service allow only one pod.
    """
    workload = find(kubectl, stack, service)
    kind, name = workload["kind"], workload["metadata"]["name"]
    scalers = kubectl.require("get", "horizontalpodautoscalers.autoscaling", "--output=json").objects()
    if scaler := autoscaler_of(workload, scalers):
        raise ClusterError(
            f"the HPA {scaler} determines the number of pods of {name}, and would change it back",
            "Set `replicas` in the table `container` of the service: the stack then has no HPA for it.",
        )
    if kind == "StatefulSet" and replicas > 1:
        raise ClusterError(
            f"{name} stores data, and each further pod would be a separate server with other data",
            "Use an operator for this kind of server if it needs several members.",
        )
    kubectl.require("scale", f"{kind.lower()}/{name}", f"--replicas={replicas}")
    return kind, name


def undo(kubectl: Kubectl, kind: str, name: str, revision: int = 0) -> str:
    """Return a workload to a revision (0: the previous one); return the problem, or an empty text."""
    answer = kubectl.run("rollout", "undo", f"{kind.lower()}/{name}", f"--to-revision={revision}")
    return "" if answer.code == 0 else f"{kind}/{name}: {'; '.join(answer.problems)}"


def delete(
    kubectl: Kubectl,
    keys: Sequence[Key],
    *,
    between: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Delete resources, and wait until they and their pods are gone. `between` is called while waiting.

    Raises `ClusterError` if a resource still exists after three minutes.
    """
    names = [f"{kind.lower()}/{name}" for kind, name in keys]
    kubectl.require("delete", "--cascade=foreground", "--wait=false", "--ignore-not-found", *names)
    deadline = clock() + _GONE
    while left := kubectl.require("get", "--ignore-not-found", "--output=name", *names).out.split():
        between()
        if clock() > deadline:
            raise ClusterError(
                f"these resources still exist {_GONE:.0f} s after they were deleted: {', '.join(left)}",
                "A finalizer may prevent the deletion: `kubectl get --output yaml` shows it.",
            )
        sleep(_INTERVAL)


def delete_stack(
    kubectl: Kubectl, stack: str, *, data: bool, between: Callable[[], None] = lambda: None
) -> list[Key]:
    """Delete the resources of a stack; return their kinds and names. The namespace is not deleted.

    With `data`, the stack's volume claims, Secrets, SealedSecrets and resources of operators are deleted,
    too.
    """
    keys = [(resource["kind"], resource["metadata"]["name"]) for resource in owned(kubectl, stack)]
    if data:
        volumes = kubectl.require(
            "get", "persistentvolumeclaims,secrets", f"--selector=app.kubernetes.io/part-of={stack}",
            "--output=json",
        ).objects()  # fmt: skip
        keys += [(volume["kind"], volume["metadata"]["name"]) for volume in volumes]
        for kind in installed_kinds(kubectl, (*OPERATED, _SEALED)):
            resources = kubectl.require("get", kind, selector(stack), "--output=json").objects()
            keys += [(kind, resource["metadata"]["name"]) for resource in resources]
    if keys:
        delete(kubectl, keys, between=between)
    return keys
