"""Create the workload of a service: Deployment, StatefulSet or Job, with autoscaler and ServiceMonitor."""

from __future__ import annotations

import json

from infra_runtime.contributions import Metrics
from infra_runtime.engines.kubernetes.cluster import (
    LONGEST_NAME,
    MEMBERS,
    PODS,
    READY,
    Cluster,
    Resource,
    digest,
    labels,
    pod_labels,
    resource,
)
from infra_runtime.engines.kubernetes.pod import (
    claim_name,
    config_files,
    config_key,
    pod_template,
    port_names,
    resources,
    spread,
)
from infra_runtime.engines.references import container_of, inner_port, setting_key
from infra_runtime.engines.yaml_text import Value
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import Operator, ServiceSpec

#: the use of processor time, in percent of the requested time, above which the HPA adds pods
_TARGET = 80
#: seconds that a pod may wait for its image and for a node, in addition to its `start_timeout`
_SCHEDULING = 300
#: the number of members of a service that an operator runs in production: an odd number always has a majority
_MEMBERS = 3


def service_resources(spec: ServiceSpec, cluster: Cluster) -> list[Resource]:
    """Return the resources of one service, except its network policy and its Ingress."""
    if operator := container_of(spec).operator:
        return [_operated(spec, operator, cluster), *_monitors(spec, cluster)]
    all_resources = []
    host, service_labels = cluster.host_of(spec), labels(cluster, spec)
    if files := config_files(spec, cluster):
        data: dict[str, Value] = {config_key(path): text for path, text in files.items()}
        all_resources.append(
            resource("v1", "ConfigMap", f"{host}-files", cluster, labels=service_labels, data=data)
        )
    if spec.task and container_of(spec).data:
        claim, name = _claim(spec), claim_name(spec, cluster)
        all_resources.append(
            resource("v1", "PersistentVolumeClaim", name, cluster, labels=service_labels, spec=claim)
        )
    all_resources.append(_workload(spec, cluster))
    if spec.ports and not spec.task:
        ports: list[Value] = [
            {"name": name, "port": inner_port(spec, port), "targetPort": name, "protocol": "TCP"}
            for port, name in port_names(spec).items()
        ]
        fields: dict[str, Value] = {"type": "ClusterIP", "selector": service_labels, "ports": ports}
        all_resources.append(resource("v1", "Service", host, cluster, labels=service_labels, spec=fields))
    if cluster.has_autoscaler(spec):
        all_resources += [_autoscaler(spec, cluster), _disruption_budget(spec, cluster)]
    return [*all_resources, *_monitors(spec, cluster)]


def _workload(spec: ServiceSpec, cluster: Cluster) -> Resource:
    host, service_labels = cluster.host_of(spec), labels(cluster, spec)
    template = pod_template(spec, cluster)
    if spec.task:
        return _job(spec, cluster, template)
    container = container_of(spec)
    fields: dict[str, Value] = {"selector": {"matchLabels": service_labels}, "template": template}
    if container.data:
        claim: dict[str, Value] = {"metadata": {"name": "data"}, "spec": _claim(spec)}
        fields = {
            "serviceName": host,
            "replicas": 1,
            # With the policy `OrderedReady`, a pod that never becomes ready is not replaced, not even by an
            # undo. Source: kubernetes/kubernetes #67250
            "podManagementPolicy": "Parallel",
            **fields,
            "volumeClaimTemplates": [claim],
        }
        return resource("apps/v1", "StatefulSet", host, cluster, labels=service_labels, spec=fields)
    if not cluster.has_autoscaler(spec):  # otherwise, the HPA sets `replicas`
        fields["replicas"] = cluster.size.replicas if cluster.is_scaled(spec) else container.replicas
    fields["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    fields["revisionHistoryLimit"] = 5
    fields["progressDeadlineSeconds"] = round(spec.start_timeout) + _SCHEDULING
    return resource("apps/v1", "Deployment", host, cluster, labels=service_labels, spec=fields)


def _claim(spec: ServiceSpec) -> dict[str, Value]:
    """Return the volume claim for the data of a service; one node at a time can use the volume."""
    storage: dict[str, Value] = {"storage": container_of(spec).storage}
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": storage}}


def _job(spec: ServiceSpec, cluster: Cluster, template: dict[str, Value]) -> Resource:
    """Return the Job of a task; its name contains a hash, because the template of a Job cannot be changed."""
    pod = template["spec"]
    assert isinstance(pod, dict)  # noqa: S101 - for the type checker
    pod["restartPolicy"] = "Never"
    host = cluster.host_of(spec)
    name = f"{host[: LONGEST_NAME - 11].rstrip('-')}-{digest(json.dumps(template, sort_keys=True))}"
    fields: dict[str, Value] = {
        "backoffLimit": 3,
        "activeDeadlineSeconds": round(spec.start_timeout) + _SCHEDULING,
        "template": template,
    }
    return resource("batch/v1", "Job", name, cluster, labels=labels(cluster, spec), spec=fields)


def _operated(spec: ServiceSpec, operator: Operator, cluster: Cluster) -> Resource:
    """Return the resource from which the operator of a service creates pods, Services and Secrets."""
    if operator.problem:
        raise ConfigurationError(f"{spec.name}: {operator.problem}", setting_key(spec.name, "operator"))
    production = cluster.plan.environment == "production"
    fields: dict[str, Value] = {
        operator.members: operator.instances or (_MEMBERS if production else 1),
        **json.loads(operator.fields),
        "resources": resources(spec, cluster),
    }
    if production and operator.spread:
        fields["topologySpreadConstraints"] = spread(pod_labels(cluster, spec))
    selector = ",".join(f"{name}={value}" for name, value in pod_labels(cluster, spec).items())
    return resource(
        operator.version,
        operator.kind,
        cluster.host_of(spec),
        cluster,
        labels=labels(cluster, spec),
        annotations={READY: operator.ready, MEMBERS: operator.members, PODS: selector},
        spec=fields,
    )


def _autoscaler(spec: ServiceSpec, cluster: Cluster) -> Resource:
    host = cluster.host_of(spec)
    fields: dict[str, Value] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": host},
        "minReplicas": cluster.size.replicas,
        "maxReplicas": cluster.size.most_replicas,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": _TARGET},
                },
            }
        ],
    }
    service_labels = labels(cluster, spec)
    return resource(
        "autoscaling/v2", "HorizontalPodAutoscaler", host, cluster, labels=service_labels, spec=fields
    )


def _disruption_budget(spec: ServiceSpec, cluster: Cluster) -> Resource:
    service_labels = labels(cluster, spec)
    fields: dict[str, Value] = {"maxUnavailable": 1, "selector": {"matchLabels": service_labels}}
    host = cluster.host_of(spec)
    return resource("policy/v1", "PodDisruptionBudget", host, cluster, labels=service_labels, spec=fields)


def _monitors(spec: ServiceSpec, cluster: Cluster) -> list[Resource]:
    """Return the ServiceMonitor of a service, with an endpoint for each address of its metrics.

    The list is empty in development, and for a service without metrics.
    """
    if cluster.plan.environment == "development":
        return []
    operator = container_of(spec).operator
    offers = [
        offer.value
        for offer in cluster.plan.contributions
        if offer.service == spec.name and isinstance(offer.value, Metrics) and offer.value.port in spec.ports
    ]
    endpoints: list[Value] = [
        {
            "port": operator.metrics if operator else port_names(spec)[offer.port],
            "path": offer.path,
            "interval": "30s",
        }
        for offer in offers
    ]
    if not endpoints:
        return []
    service_labels = labels(cluster, spec)
    fields: dict[str, Value] = {
        "selector": {"matchLabels": pod_labels(cluster, spec)},
        "endpoints": endpoints,
    }
    host = cluster.host_of(spec)
    return [
        resource(
            "monitoring.coreos.com/v1", "ServiceMonitor", host, cluster, labels=service_labels, spec=fields
        )
    ]
