"""The resources of a stack in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra_runtime.engines.kubernetes.cluster import MANAGER, PODS, READY, workload_names
from infra_runtime.engines.kubernetes.live.kubectl import Key, Kubectl, Object, keyed

#: the kinds of the resources that a deploy removes when the plan no longer contains them
REMOVED = (
    "deployments.apps",
    "statefulsets.apps",
    "jobs.batch",
    "services",
    "configmaps",
    "networkpolicies.networking.k8s.io",
    "ingresses.networking.k8s.io",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
)
#: the same for a kind that not every cluster has
_MONITORS = "servicemonitors.monitoring.coreos.com"

#: the kinds of the resources of operators; a deploy also includes those in the plan
OPERATED = ("clusters.postgresql.cnpg.io", "rabbitmqclusters.rabbitmq.com")


def is_operated(resource: Object) -> bool:
    """Return whether a Kubernetes operator manages the pods of a resource."""
    return READY in (resource["metadata"].get("annotations") or {})


def operated_kinds(resources: Iterable[Object]) -> list[str]:
    """Return the kinds of those resources whose pods an operator manages, in a spelling of `kubectl get`."""
    kinds: dict[str, None] = {}
    for resource in filter(is_operated, resources):
        group, _, version = resource["apiVersion"].partition("/")
        kinds[f"{resource['kind']}.{version}.{group}"] = None
    return [*kinds]


def installed_kinds(kubectl: Kubectl, kinds: Iterable[str] = OPERATED) -> list[str]:
    """Return those of `kinds` (by default, the kinds of the supported operators) that the cluster has.

    If an API service of the cluster does not answer, kubectl prints the kinds of the other API services, and
    then fails; the printed kinds are used.
    """
    installed = kubectl.run("api-resources", "--output=name").out.split()
    if not installed:
        installed = kubectl.require("api-resources", "--output=name").out.split()
    return [kind for kind in kinds if kind in installed]


def selector(stack: str) -> str:
    """Return the selector of the resources that infra has created for a stack."""
    return f"--selector=app.kubernetes.io/part-of={stack},app.kubernetes.io/managed-by={MANAGER}"


def owned(kubectl: Kubectl, stack: str, *, has_monitors: bool = True) -> list[Object]:
    """Return the resources in the namespace that infra has created for a stack, of the kinds in `REMOVED`.

    ServiceMonitors are included. If the cluster has no kind ServiceMonitor, `has_monitors` may be false. The
    function then does not request this kind, because kubectl would read the list of all kinds again.
    """
    resources = kubectl.require("get", ",".join(REMOVED), selector(stack), "--output=json").objects()
    if not has_monitors:
        return resources
    # A cluster without the operator does not have this kind.
    monitors = kubectl.run("get", _MONITORS, selector(stack), "--output=json")
    return [*resources, *(monitors.objects() if monitors.code == 0 else ())]


def live_resources(kubectl: Kubectl, resources: Sequence[Object]) -> dict[Key, Object]:
    """Return the present versions of these resources, and all HPAs in the namespace."""
    present = kubectl.require(
        "get", "--filename=-", "--ignore-not-found", "--output=json", documents=resources
    ).objects()
    scalers = kubectl.require("get", "horizontalpodautoscalers.autoscaling", "--output=json").objects()
    return keyed([*scalers, *present])


def autoscaled(resource: Object, live: Mapping[Key, Object]) -> Object:
    """Return a resource without `replicas` if an HPA in the cluster determines them."""
    if resource["kind"] not in {"Deployment", "StatefulSet"} or not autoscaler_of(resource, live.values()):
        return resource
    fields: dict[str, Any] = {name: value for name, value in resource["spec"].items() if name != "replicas"}
    return {**resource, "spec": fields}


def autoscaler_of(workload: Object, resources: Iterable[Object]) -> str:
    """Return the name of the HPA that determines the number of a workload's pods; empty if there is none."""
    wanted = workload["kind"], workload["metadata"]["name"]
    for resource in resources:
        if resource["kind"] == "HorizontalPodAutoscaler":
            target = resource["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == wanted:
                return str(resource["metadata"]["name"])
    return ""


def operated(kubectl: Kubectl, stack: str) -> list[Object]:
    """Return the resources of a stack whose pods an operator runs."""
    kinds = installed_kinds(kubectl)
    if not kinds:
        return []
    answer = kubectl.run("get", ",".join(kinds), selector(stack), "--output=json")
    # A user without the permission to read these kinds has not deployed them.
    return [*filter(is_operated, answer.objects() if answer.code == 0 else ())]


def pod_selector(kubectl: Kubectl, stack: str, service: str) -> str:
    """Return the labels that select the pods of a service; empty if the service has no pods.

    If an operator runs the service, an annotation of the operator's resource contains the labels.
    """
    names = workload_names(service)
    for resource in operated(kubectl, stack):
        if resource["metadata"]["name"] in names:
            return str(resource["metadata"]["annotations"][PODS])
    selectors = [f"app.kubernetes.io/part-of={stack},app.kubernetes.io/name={name}" for name in names]
    for selected in selectors:
        if kubectl.require("get", "pods", f"--selector={selected}", "--output=name").out.strip():
            return selected
    return ""
