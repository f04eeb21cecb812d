"""The operators that can run services in a cluster: their resources, and the names that follow from these.

Sources: CloudNativePG documentation, "API Reference", "Connecting from an application", "Service Management"
and "Networking"; RabbitMQ documentation, "Using RabbitMQ Cluster Kubernetes Operator".
"""

from __future__ import annotations

from collections.abc import Mapping

from infra_runtime.engines.yaml_text import Value
from infra_runtime.spec import Operator
from infra_runtime.value import frozen


@frozen
class Convention:
    """The resource of an operator, and the names in the cluster that follow from the name of the resource."""

    version: str
    kind: str
    #: the ends of the names of the Service for clients and of the Secret
    service: str
    secret: str
    #: the label of the pods that contains the name of the resource, and their other labels
    label: str
    labels: Mapping[str, Value]
    #: the labels of the pod of the operator, and the ports that it uses
    operator: Mapping[str, Value]
    ports: tuple[int, ...]
    #: the name of the Service's port with metrics; empty if it has none
    metrics: str = ""


CONVENTIONS: Mapping[str, Convention] = {
    "cloudnative-pg": Convention(
        version="postgresql.cnpg.io/v1",
        kind="Cluster",
        service="-rw",
        secret="-app",  # noqa: S106 - the end of a name
        label="cnpg.io/cluster",
        labels={},
        operator={"app.kubernetes.io/name": "cloudnative-pg"},
        ports=(8000, 5432),
    ),
    "rabbitmq-cluster-operator": Convention(
        version="rabbitmq.com/v1beta1",
        kind="RabbitmqCluster",
        service="",
        secret="-default-user",  # noqa: S106 - the end of a name
        label="app.kubernetes.io/name",
        labels={"app.kubernetes.io/component": "rabbitmq"},
        operator={"app.kubernetes.io/component": "rabbitmq-operator"},
        ports=(15672, 15671),
        metrics="prometheus",
    ),
}


def resource_fields(operator: Operator, members: int) -> dict[str, Value]:
    """Return the field `spec` of the resource, without the settings that all operators have in common."""
    match operator.name:
        case "cloudnative-pg":
            database: dict[str, Value] = {"database": "app", "owner": "app", **operator.creation}
            if operator.statements:
                database["postInitApplicationSQL"] = list(operator.statements)
            server: dict[str, Value] = {"parameters": dict(operator.parameters)}
            if operator.plugins:
                server["shared_preload_libraries"] = list(operator.plugins)
            return {
                "instances": members,
                "imageName": operator.image,
                "storage": {"size": operator.storage},
                "bootstrap": {"initdb": database},
                "postgresql": server,
            }
        case _:
            lines = [f"{name} = {value}\n" for name, value in operator.parameters.items()]
            options: dict[str, Value] = (
                {"additionalPlugins": list(operator.plugins)} if operator.plugins else {}
            )
            if lines:
                options["additionalConfig"] = "".join(lines)
            return {
                "replicas": members,
                "persistence": {"storage": operator.storage},
                **({"image": operator.image} if operator.image else {}),
                **({"rabbitmq": options} if options else {}),
            }
