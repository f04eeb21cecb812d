"""The names and sizes that all Kubernetes resources of one plan use."""

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
#: the pattern of a host name in an Ingress; the host name cannot be an IP address. Source: kubernetes,
#: `pkg/apis/networking/validation`
HOST = rf"(?i)(?!.{{254}}|\d+(\.\d+){{3}}\Z)(\*\.)?{LABEL}(\.{LABEL})*"
HOST_RULE = (
    "labels of letters, digits and hyphens, with dots between the labels; an IP address is not allowed"
)
#: the greatest length of a workload's name: Kubernetes appends a hash of 11 characters, and the result must
#: have at most 63 characters. Source: kubernetes/kubernetes #64023
LONGEST_NAME = 52
#: the greatest length of the name of an operator's resource: the operator appends `-server` to it
_LONGEST_OPERATED = 45
#: the greatest length of a port's name. Source: RFC 6335, section 5.1
_LONGEST_PORT = 15
#: the value of the label `app.kubernetes.io/managed-by` of all exported resources, and the name of the field
#: manager
MANAGER = "infra"
#: the annotations of an operator's resource, which a deploy reads: the type of the condition that is true
#: when all members are ready, the name of the field with the number of members, and the selector of the
#: members' pods
READY, MEMBERS, PODS = "infra/ready", "infra/members", "infra/pods"
#: the environments that can be exported to a cluster; `test` is missing, because its ports and data are valid
#: for one test run only
ENVIRONMENTS = ("development", "staging", "production")


@frozen
class Size:
    """The number of pods, their resources and the log level of the user's own services in one environment."""

    replicas: int
    cpu: str
    memory: str
    #: the limit of the memory, which is higher than the request because Python needs more while it imports
    #: modules
    most_memory: str
    log_level: str
    #: the greatest number of pods to which the HPA (horizontal pod autoscaler) scales a service; 0: without
    #: an HPA
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
    """One plan and the settings of its export, from which every resource is created."""

    #: the name of the stack, from which the names of the namespace and of the Secrets are derived
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
        """Return the name of the Secret that contains a secret of a service, and the key in this Secret.

        `secret` is the name of the secret in the exported files, such as `postgres-password`.
        """
        for spec in self.stack.services.values():
            host = self.host_of(spec)
            if operator := container_of(spec).operator:
                for key in operator.secrets:
                    if secret == secret_file(host, key):
                        return host + operator.secret, key
        return self.secrets, secret

    def is_scaled(self, spec: ServiceSpec) -> bool:
        """Return whether the environment determines the number of a service's pods.

        The result is false if the service has data, is a task, or has a fixed number of `replicas`: that of
        the setting, or 1 for a service of the catalogue that is not a proxy.
        """
        container = spec.container
        return container is not None and not (container.data or container.replicas or spec.task)

    def has_autoscaler(self, spec: ServiceSpec) -> bool:
        """Return whether the HPA determines the number of a service's pods."""
        return self.size.most_replicas > 0 and self.is_scaled(spec)

    def needs(self, spec: ServiceSpec) -> list[ServiceSpec]:
        """Return the specs of needed and referenced services that have a container, in the plan's order."""
        names = {*spec.all_needs(), *(service for service, _ in optional_exports(spec.references))}
        return [needed_spec for name, needed_spec in self.stack.services.items() if name in names]

    def host_of(self, spec: ServiceSpec) -> str:
        """Return the name of the workload and of the Kubernetes Service of a service."""
        return self.stack.hosts[spec.name]

    def address_of(self, spec: ServiceSpec) -> str:
        """Return the name of the Kubernetes Service to which the clients of a service connect."""
        return self.stack.address(spec.name)


def cluster_stack(plan: Plan) -> Stack:
    """Return the stack of a plan with names that Kubernetes accepts.

    If an operator runs a service, the service has the exports and secrets that its spec defines for the
    operator. The name of a Kubernetes Service must begin with a letter. Source: Kubernetes documentation,
    "Object Names and IDs".
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
    """Return the possible names of a service's workload, the most specific name first.

    The name contains a hash if the service's name is too long, or if another workload already has the name.
    """
    label = host_name(service)
    return [
        host_name(host, longest=longest)
        for host in dict.fromkeys((host_name(service, (label,)), label))
        for longest in (LONGEST_NAME, _LONGEST_OPERATED)
    ]


def _operated(spec: ServiceSpec) -> ServiceSpec:
    """Return a spec with the exports and secrets of its operator; without an operator, the unchanged spec."""
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
    """Return the name of a port as Kubernetes accepts it: at most 15 characters, at least one letter."""
    label = "-".join(filter(None, host_name(name).split("-")))
    if not any(character.isalpha() for character in label):
        label = f"p-{label}"
    return shortened(label, name, taken, _LONGEST_PORT)


def digest(text: str) -> str:
    """Return the first ten hexadecimal digits of a text's SHA-256 hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def labels(cluster: Cluster, spec: ServiceSpec) -> dict[str, Value]:
    """Return the labels that select the pods of a service."""
    return {"app.kubernetes.io/name": cluster.host_of(spec), "app.kubernetes.io/part-of": cluster.name}


def pod_labels(cluster: Cluster, spec: ServiceSpec) -> dict[str, Value]:
    """Return the labels that all pods of a service have, even if an operator creates the pods."""
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
    """Return a Kubernetes resource as JSON data, with the labels of the stack."""
    stack_labels = {"app.kubernetes.io/part-of": cluster.name, "app.kubernetes.io/managed-by": MANAGER}
    metadata: dict[str, Value] = {"name": name, "labels": {**(labels or {}), **stack_labels}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
