"""Create the network resources of a stack: network policies, Ingresses, and the issuer of certificates."""

from __future__ import annotations

import re
from collections.abc import Iterable

from infra_runtime.contributions import Metrics, Route
from infra_runtime.engines.kubernetes.cluster import (
    HOST,
    HOST_RULE,
    Cluster,
    Resource,
    labels,
    pod_labels,
    resource,
)
from infra_runtime.engines.references import container_of, inner_port, setting_key
from infra_runtime.engines.yaml_text import Value
from infra_runtime.errors import ConfigurationError
from infra_runtime.spec import ServiceSpec

#: the ranges of addresses inside of clusters and company networks. Source: RFC 1918, RFC 3927
_INTERNAL = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
_ANY = "0.0.0.0/0"
#: the ports of the API server
_API_SERVER = (443, 6443)
#: the label and the port of the pods that answer the requests of the certificate authority. Source:
#: cert-manager, `pkg/apis/acme/v1/const.go` and documentation, "HTTP01"
_SOLVER, _SOLVER_PORT = "acme.cert-manager.io/http01-solver", 8089
#: environment → the URL of the ACME directory of Let's Encrypt. Source: Let's Encrypt documentation, "Staging
#: Environment"
_DIRECTORIES = {
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "production": "https://acme-v02.api.letsencrypt.org/directory",
}


def stack_policy(cluster: Cluster) -> Resource:
    """Return the policy that forbids a connection of the namespace's pods if no other policy allows it."""
    fields: dict[str, Value] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return resource("networking.k8s.io/v1", "NetworkPolicy", "default.deny", cluster, spec=fields)


def service_policy(spec: ServiceSpec, cluster: Cluster) -> Resource:
    """Return the policy of one service, which allows connections from its clients and to needed services.

    It also allows DNS, queries of metrics, for a public service connections from everywhere, and for a user's
    own service connections to addresses outside the cluster.
    """
    service_labels = labels(cluster, spec)
    users = [user for user in cluster.stack.services.values() if spec in cluster.needs(user)]
    ingress: list[Value] = []
    if users and spec.ports:
        pods: list[Value] = [{"podSelector": {"matchLabels": pod_labels(cluster, user)}} for user in users]
        ingress.append({"from": pods, "ports": _ports(spec)})
    if container_of(spec).public and spec.ports:
        # From every namespace, because the Ingress controller is in another namespace.
        ingress.append({"ports": _ports(spec)})
    if ports := _metrics_ports(spec, cluster):
        ingress.append({"from": [{"namespaceSelector": {}}], "ports": ports})
    egress: list[Value] = [
        {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},  # DNS
    ]
    for need in cluster.needs(spec):
        if need.ports:
            pod: dict[str, Value] = {"podSelector": {"matchLabels": pod_labels(cluster, need)}}
            egress.append({"to": [pod], "ports": _ports(need)})
    if not spec.kind:  # the user's own program may connect to servers outside of the cluster
        egress.append({"to": [{"ipBlock": {"cidr": _ANY, "except": list(_INTERNAL)}}]})
    if operator := container_of(spec).operator:
        members: list[Value] = [{"podSelector": {"matchLabels": pod_labels(cluster, spec)}}]
        manager: list[Value] = [
            {"namespaceSelector": {}, "podSelector": {"matchLabels": dict(operator.manager)}}
        ]
        ingress += [{"from": members}, {"from": manager, "ports": _tcp(operator.ports)}]
        # The members also connect to the API server, which no selector of pods selects.
        egress += [{"to": members}, {"ports": _tcp(_API_SERVER)}]
    fields: dict[str, Value] = {
        "podSelector": {"matchLabels": pod_labels(cluster, spec)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }
    name = cluster.host_of(spec)
    return resource(
        "networking.k8s.io/v1", "NetworkPolicy", name, cluster, labels=service_labels, spec=fields
    )


def ingress_resources(spec: ServiceSpec, cluster: Cluster) -> list[Resource]:
    """Return the Ingress of a public service with a port; empty for other services and for tasks."""
    if not container_of(spec).public or not spec.ports or spec.task:
        return []
    port = "http" if "http" in spec.ports else next(iter(spec.ports))
    name, service_labels = cluster.host_of(spec), labels(cluster, spec)
    backend: dict[str, Value] = {"service": {"name": name, "port": {"number": inner_port(spec, port)}}}
    path: dict[str, Value] = {"path": "/", "pathType": "Prefix", "backend": backend}
    hosts = host_names(cluster)
    rules: list[Value] = [{"host": host, "http": {"paths": [path]}} for host in hosts]
    fields: dict[str, Value] = {"rules": rules or [{"http": {"paths": [path]}}]}
    annotations: dict[str, Value] = {}
    if hosts:
        fields["tls"] = [{"hosts": list(hosts), "secretName": f"{name}-certificate"}]
        annotations["cert-manager.io/cluster-issuer"] = _issuer_name(cluster)
    return [
        resource(
            "networking.k8s.io/v1",
            "Ingress",
            name,
            cluster,
            labels=service_labels,
            annotations=annotations,
            spec=fields,
        )
    ]


def certificate_resources(cluster: Cluster) -> list[Resource]:
    """Return the issuer of the certificates, and the policy for the pods that cert-manager creates for it.

    In development, the certificates are self-signed, without such a policy. The list is empty if no service
    is public, or without a host name.
    """
    public = any(container_of(spec).public for spec in cluster.stack.services.values())
    if not public or not host_names(cluster):
        return []
    name = _issuer_name(cluster)
    directory = _DIRECTORIES.get(cluster.plan.environment)
    if not directory:
        own: dict[str, Value] = {"selfSigned": {}}
        return [resource("cert-manager.io/v1", "ClusterIssuer", name, cluster, spec=own)]
    account: dict[str, Value] = {
        "server": directory,
        "privateKeySecretRef": {"name": f"{name}-account"},
        "solvers": [{"http01": {"ingress": {}}}],
        **({"email": cluster.email} if cluster.email else {}),
    }
    policy: dict[str, Value] = {
        "podSelector": {"matchLabels": {_SOLVER: "true"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": _tcp([_SOLVER_PORT])}],
    }
    return [
        resource("cert-manager.io/v1", "ClusterIssuer", name, cluster, spec={"acme": account}),
        resource("networking.k8s.io/v1", "NetworkPolicy", "certificates.allow", cluster, spec=policy),
    ]


def _issuer_name(cluster: Cluster) -> str:
    """Return the issuer's name, with the environment, because a ClusterIssuer belongs to no namespace."""
    return f"{cluster.name}-{cluster.plan.environment}"


def host_names(cluster: Cluster) -> list[str]:
    """Return the host names of the Ingress: from the option `--host`, and from the routes.

    A route without a host, or with the host `*`, adds no host name.

    Raises `ConfigurationError` if the host of a route is not a DNS name.
    """
    hosts = [cluster.host]
    for offer in cluster.plan.contributions:
        host = offer.value.host if isinstance(offer.value, Route) else None
        if host and host != "*":
            if not re.fullmatch(HOST, host):
                raise ConfigurationError(
                    f"{offer.service}: an Ingress cannot have the host {host!r} of the route",
                    where=setting_key(offer.service, "route"),
                    hint=f"The host consists of {HOST_RULE}. Write other alphabets in Punycode: xn--….",
                )
            hosts.append(host)
    return list(dict.fromkeys(host.lower() for host in hosts if host))


def _ports(spec: ServiceSpec) -> list[Value]:
    return _tcp(inner_port(spec, port) for port in spec.ports)


def _tcp(ports: Iterable[int]) -> list[Value]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _metrics_ports(spec: ServiceSpec, cluster: Cluster) -> list[Value]:
    return [
        {"protocol": "TCP", "port": inner_port(spec, offer.value.port)}
        for offer in cluster.plan.contributions
        if offer.service == spec.name and isinstance(offer.value, Metrics) and offer.value.port in spec.ports
    ]
