"""The names and the sizes of one plan in a cluster, which all resources of the plan use."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace

from infra_runtime.engines.references import (
    Stack,
    container_of,
    host_name,
    secret_file,
    shortened,
    stack_of,
)
from infra_runtime.engines.yaml_text import Value
from infra_runtime.plan import Plan
from infra_runtime.spec import ServiceSpec, optional_exports
from infra_runtime.value import frozen

Resource = dict[str, Value]
#: Source: Kubernetes documentation, "Object Names and IDs"
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
#: a host name of an Ingress, which cannot be an address. Source: kubernetes, `pkg/apis/networking/validation`
HOST = rf"(?i)(?!.{{254}}|\d+(\.\d+){{3}}\Z)(\*\.)?{LABEL}(\.{LABEL})*"
HOST_RULE = "labels of letters, digits and hyphens, with dots between them; it is not an address"
#: longest name of a workload: Kubernetes adds a hash of 11 characters to the name in labels of at most 63.
#: Source: kubernetes/kubernetes #64023
LONGEST_NAME = 52
#: longest name of a resource of an operator, which adds `-server` to the name of a stateful set
_LONGEST_OPERATED = 45
#: longest name of a port. Source: RFC 6335, section 5.1
_LONGEST_PORT = 15
#: the owner of the exported resources, in the label `app.kubernetes.io/managed-by` and as field manager
MANAGER = "infra"
#: the annotations with which a deploy recognises a resource of an operator: the type of the condition that is
#: true when the members are ready, the field with the number of members, and the selector of their pods
READY, MEMBERS, PODS = "infra/ready", "infra/members", "infra/pods"
#: the environments that a cluster can have; `test` is missing, because its ports and data are for one test
#: run
ENVIRONMENTS = ("development", "staging", "production")


@frozen
class Size:
    """The size of the user's own services in one environment."""

    replicas: int
    cpu: str
    memory: str
    #: the limit of the memory: Python needs more for a moment while it imports modules
    most_memory: str
    log_level: str
    #: the largest number of pods to which the HPA scales a service; 0: the number is fixed
    most_replicas: int = 0


SIZES: Mapping[str, Size] = {
    "development": Size(replicas=1, cpu="50m", memory="64Mi", most_memory="256Mi", log_level="debug"),
    "staging": Size(replicas=2, cpu="100m", memory="128Mi", most_memory="512Mi", log_level="info"),
    "production": Size(
        replicas=3, cpu="200m", memory="256Mi", most_memory="1Gi", log_level="warning", most_replicas=10
    ),
}


@frozen
class Cluster:
    """One plan with the settings of its export: the context of every resource."""

    #: the name of the stack, which is also the name of the namespace
    name: str
    plan: Plan
    stack: Stack
    size: Size
    #: the beginning of the names of built images, such as `registry.example/shop`
    registry: str
    #: the tag of built images
    tag: str
    #: the host name of the Ingress; empty: the hosts of the routes
    host: str
    #: the e-mail address for the certificate authority; may be empty
    email: str

    @property
    def secrets(self) -> str:
        """The name of the Secret with the passwords of the services."""
        return f"{self.name}-secrets"

    @property
    def variables(self) -> str:
        """The name of the Secret with the values of the references `${env.NAME}`."""
        return f"{self.name}-variables"

    def secret_key(self, secret: str) -> tuple[str, str]:
        """Return the name of the Secret that contains a secret of a service, and its key in the Secret.

        `secret` is the name in the exported files, such as `postgres-password`.
        """
        for spec in self.stack.services.values():
            host = self.host_of(spec)
            if operator := container_of(spec).operator:
                for key in operator.secrets:
                    if secret == secret_file(host, key):
                        return host + operator.secret, key
        return self.secrets, secret

    def is_scaled(self, spec: ServiceSpec) -> bool:
        """Return whether an engine may run several pods of a service."""
        container = spec.container
        return container is not None and not (container.data or container.replicas or spec.task)

    def has_autoscaler(self, spec: ServiceSpec) -> bool:
        """Return whether the HPA determines the number of a service's pods."""
        return self.size.most_replicas > 0 and self.is_scaled(spec)

    def needs(self, spec: ServiceSpec) -> list[ServiceSpec]:
        """Return the services with a container that a service needs or refers to, in the plan's order."""
        names = {*spec.all_needs(), *(service for service, _ in optional_exports(spec.references))}
        return [other for name, other in self.stack.services.items() if name in names]

    def host_of(self, spec: ServiceSpec) -> str:
        """Return the name of the workload and of the Service of a service."""
        return self.stack.hosts[spec.name]

    def address_of(self, spec: ServiceSpec) -> str:
        """Return the name of the Service for the clients of a service."""
        return self.stack.address(spec.name)


def cluster_stack(plan: Plan) -> Stack:
    """Return the stack of a plan with names that Kubernetes accepts.

    A service that an operator runs has the exports and the secrets of the operator.

    The name of a Service begins with a letter. Source: Kubernetes documentation, "Object Names and IDs".
    """
    stack = stack_of(plan)
    services = {name: _operated(spec) for name, spec in stack.services.items()}
    hosts: dict[str, str] = {}
    addresses: dict[str, str] = {}
    for name, host in stack.hosts.items():
        letter = host if host[0].isalpha() else f"s-{host}"
        operator = container_of(services[name]).operator
        hosts[name] = host_name(letter, hosts.values(), _LONGEST_OPERATED if operator else LONGEST_NAME)
        if operator:
            addresses[name] = hosts[name] + operator.service
    return replace(stack, services=services, hosts=hosts, addresses=addresses)


def workload_names(service: str) -> list[str]:
    """Return the names that the workload of a service can have, the most specific name first.

    The name of a service contains a hash if it is too long, or if another service has the name without it.
    """
    label = host_name(service)
    return [
        host_name(host, longest=longest)
        for host in dict.fromkeys((host_name(service, (label,)), label))
        for longest in (LONGEST_NAME, _LONGEST_OPERATED)
    ]


def _operated(spec: ServiceSpec) -> ServiceSpec:
    """Return a spec with the exports and secrets of its operator, if it has one."""
    container = container_of(spec)
    if not (operator := container.operator):
        return spec
    container = replace(
        container,
        exports={**container.exports, **operator.exports},
        secret_files={key: key for key in operator.secrets},
    )
    return replace(spec, container=container)


def port_name(name: str, taken: Collection[str] = ()) -> str:
    """Return the name of a service's port as Kubernetes accepts it: at most 15 characters, with a letter."""
    label = "-".join(filter(None, host_name(name).split("-")))
    if not any(character.isalpha() for character in label):
        label = f"p-{label}"
    return shortened(label, name, taken, _LONGEST_PORT)


def digest(text: str) -> str:
    """Return the first hexadecimal digits of a text's hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def labels(cluster: Cluster, spec: ServiceSpec) -> dict[str, Value]:
    """Return the labels that select the pods of a service."""
    return {"app.kubernetes.io/name": cluster.host_of(spec), "app.kubernetes.io/part-of": cluster.name}


def pod_labels(cluster: Cluster, spec: ServiceSpec) -> dict[str, Value]:
    """Return labels that all pods of a service have, also if an operator creates the pods."""
    if operator := container_of(spec).operator:
        return {operator.label: cluster.host_of(spec), **operator.labels}
    return labels(cluster, spec)


def resource(
    version: str,
    kind: str,
    name: str,
    cluster: Cluster,
    *,
    labels: Mapping[str, Value] | None = None,
    annotations: Mapping[str, Value] | None = None,
    **fields: Value,
) -> Resource:
    """Return a resource of Kubernetes with the labels of the stack."""
    own = {"app.kubernetes.io/part-of": cluster.name, "app.kubernetes.io/managed-by": MANAGER}
    metadata: dict[str, Value] = {"name": name, "labels": {**(labels or {}), **own}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
