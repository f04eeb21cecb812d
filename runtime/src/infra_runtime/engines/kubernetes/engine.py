"""The Kubernetes engine: it converts plans to a Kustomize base and an overlay for each environment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, fields
from typing import ClassVar

from infra_runtime.engines.kubernetes.cluster import (
    ENVIRONMENTS,
    HOST,
    HOST_RULE,
    LABEL,
    LONGEST_NAME,
    MANAGER,
    SIZES,
    Cluster,
    Resource,
    cluster_stack,
    resource,
)
from infra_runtime.engines.kubernetes.network import (
    certificate_resources,
    ingress_resources,
    service_policy,
    stack_policy,
)
from infra_runtime.engines.kubernetes.patches import patch
from infra_runtime.engines.kubernetes.pod import image
from infra_runtime.engines.kubernetes.workload import service_resources
from infra_runtime.engines.output import SECRETS, first_line
from infra_runtime.engines.references import (
    REGISTRY,
    TAG,
    WORD,
    check_needs,
    container_of,
    host_name,
    secret_file,
)
from infra_runtime.engines.yaml_text import Value, dump
from infra_runtime.errors import ConfigurationError
from infra_runtime.plan import Plan
from infra_runtime.spec import references_in
from infra_runtime.value import frozen

FIRST_LINE = first_line("kubernetes")
#: the level of the Pod Security Standards of Kubernetes that applies to all pods of the namespace
_SECURITY = "restricted"
#: the name of the file that describes a base or an overlay for Kustomize
KUSTOMIZATION = "kustomization.yaml"
#: the name of the file with the sealed secrets of an overlay
SEALED = "sealed-secrets.yaml"
#: the name of the file with the resources that do not belong to one service
_STACK = "stack"
#: the kinds of resources that belong to the cluster, not to a namespace
_OF_CLUSTER = frozenset({"Namespace", "ClusterIssuer"})


def _option(pattern: str, rule: str) -> str:
    """Return a dataclass field for a command-line option.

    The value of the option must match `pattern`; `rule` describes the allowed values for error messages.
    """
    option_field: str = field(default="", metadata={"pattern": pattern, "rule": rule})
    return option_field


@frozen
class Kubernetes:
    """The engine that converts plans to files for `kubectl apply -k`. The class implements `Engine`."""

    name: ClassVar[str] = "kubernetes"
    #: the name of the project, from which the names of the stack, its namespace and its images are derived
    project: str
    #: the name of the namespace; by default, the name of the stack
    namespace: str = _option(
        LABEL, "at most 63 lower-case letters, digits and hyphens, without a hyphen at an end"
    )
    #: the beginning of the names of built images, such as `registry.example/shop`; by default, the name of
    #: the stack
    registry: str = _option(
        rf"{REGISTRY}(/{WORD})*|([A-Za-z0-9.-]+/)?{WORD}(/{WORD})*",
        "the host of the registry, its port, and a path of lower-case letters, digits and . _ - /",
    )
    tag: str = _option(TAG, "at most 128 letters, digits and . _ -")
    host: str = _option(HOST, HOST_RULE)
    email: str = _option(r"[^@\s]+@[^@\s]+", "a name, @ and a host name")
    #: environment → name of a Secret → key → encrypted value
    sealed: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the options of the command line. Raises `ConfigurationError` with the name of the option."""
        for option in fields(self):
            value, pattern = getattr(self, option.name), option.metadata.get("pattern")
            if value and pattern and not re.fullmatch(pattern, value):
                raise ConfigurationError(
                    f"the value {value!r} is not valid",
                    where=f"--{option.name}",
                    hint=f"The value consists of {option.metadata['rule']}.",
                )

    def render(self, plan: Plan) -> Mapping[str, str]:
        """Return the files of the base and of the overlay for one plan, as a mapping from path to text."""
        return self.render_environments([plan])

    def render_environments(self, plans: Sequence[Plan]) -> Mapping[str, str]:
        """Return a mapping from relative path to text of the files for plans of several environments.

        The folder `base` contains the resources that are in all plans, with the values of the first plan. The
        folder `overlays/ENVIRONMENT` contains the other resources of a plan, and patches for the values that
        differ. Base and overlay together result in exactly the resources of the plan. Equal plans result in
        equal texts.

        Raises:
            ConfigurationError: a setting cannot be exported; the error contains its dotted key.
        """
        models = {plan.environment: self.model(plan) for plan in plans}
        first_model, *other_models = models.values()
        shared_keys = {key for key in first_model if all(key in model for model in other_models)}
        files: dict[str, str] = {}
        groups: dict[str, list[Resource]] = {}
        for key, (group, item_resource) in first_model.items():
            if key in shared_keys:
                groups.setdefault(group, []).append(item_resource)
        for group, resources in groups.items():
            files[f"base/{group}.yaml"] = _documents(resources)
        files[f"base/{KUSTOMIZATION}"] = FIRST_LINE + dump(
            {**_head(), "resources": [f"{group}.yaml" for group in groups]}
        )
        for plan in plans:
            files |= self._overlay(plan, models[plan.environment], first_model, shared_keys)
        files[".gitignore"] = f"{FIRST_LINE}/overlays/*/{SECRETS}/\n"
        return files

    def model(self, plan: Plan) -> dict[tuple[str, str], tuple[str, Resource]]:
        """Return a mapping from (kind, name) to (file, resource) for all resources of a plan.

        Raises:
            ConfigurationError: a setting cannot be exported; the error contains its dotted key.
        """
        cluster = self.cluster(plan)
        security: dict[str, Value] = {
            f"pod-security.kubernetes.io/{mode}": _SECURITY for mode in ("enforce", "audit", "warn")
        }
        namespace = self.namespace_name()
        resources = [(_STACK, resource("v1", "Namespace", namespace, cluster, labels=security))]
        resources.append((_STACK, stack_policy(cluster)))
        resources += [(_STACK, item_resource) for item_resource in certificate_resources(cluster)]
        for spec in cluster.stack.services.values():
            check_needs(spec, cluster.stack)
            resources_of_service = [
                *service_resources(spec, cluster),
                service_policy(spec, cluster),
                *ingress_resources(spec, cluster),
            ]
            resources += [
                (f"service-{cluster.host_of(spec)}", item_resource) for item_resource in resources_of_service
            ]
        model: dict[tuple[str, str], tuple[str, Resource]] = {}
        for file, item_resource in resources:
            metadata = item_resource["metadata"]
            assert isinstance(metadata, dict)  # noqa: S101 - for the type checker
            if item_resource["kind"] not in _OF_CLUSTER:
                metadata["namespace"] = namespace
            model[str(item_resource["kind"]), str(metadata["name"])] = file, item_resource
        return model

    def secrets(self, plan: Plan) -> list[str]:
        """Return the keys of the Secret with the passwords of a plan's services.

        The Secret does not contain the passwords of services that an operator runs: the operator generates
        them.
        """
        stack = self.cluster(plan).stack
        return sorted(
            {
                secret_file(stack.hosts[spec.name], name)
                for spec in stack.services.values()
                for name in container_of(spec).secret_files.values()
                if not container_of(spec).operator
            }
        )

    def required_secrets(self, plan: Plan) -> dict[str, list[str]]:
        """Return the Secrets that the pods of a plan need, as a mapping from name to keys."""
        cluster = self.cluster(plan)
        required = {
            cluster.variables: sorted(_required_variables(cluster)),
            cluster.secrets: self.secrets(plan),
        }
        return {name: keys for name, keys in required.items() if keys}

    def notes(self, plans: Sequence[Plan]) -> list[str]:
        """Return remarks about the export for the user, in full sentences."""
        notes = []
        for plan in plans:
            cluster = self.cluster(plan)
            omitted = sorted(cluster.stack.omitted)
            notes += [f"{name} is not exported: its kind has no container image." for name in omitted]
            built = [spec for spec in cluster.stack.services.values() if not container_of(spec).image]
            notes += [f"Build the image {image(spec, cluster)} of {spec.name}." for spec in built]
            for secret, keys in self.required_secrets(plan).items():
                if plan.environment in self.sealed:
                    continue
                if secret != cluster.secrets or plan.environment != "development":
                    notes.append(
                        f"Create the Secret {secret} in {plan.environment}, with the keys {', '.join(keys)}."
                    )
        return list(dict.fromkeys(notes))

    def namespace_name(self) -> str:
        """Return the name of the namespace: the option `--namespace`, or by default the name of the stack."""
        return self.namespace or self.stack_name()

    def stack_name(self) -> str:
        """Return the name of the stack: the project's name, shortened to the length that labels allow."""
        return host_name(self.project, longest=LONGEST_NAME)

    def cluster(self, plan: Plan) -> Cluster:
        """Return a plan with the settings of its export.

        Raises `ConfigurationError` for the environment `test`.
        """
        if plan.environment not in ENVIRONMENTS:
            raise ConfigurationError(
                f"the environment {plan.environment!r} cannot be exported to a cluster",
                hint=f"Export one of the environments {', '.join(ENVIRONMENTS)}.",
            )
        name = self.stack_name()
        return Cluster(
            name=name,
            plan=plan,
            stack=cluster_stack(plan),
            size=SIZES[plan.environment],
            registry=self.registry or name,
            tag=self.tag or "latest",
            host=self.host,
            email=self.email,
        )

    def _overlay(
        self,
        plan: Plan,
        model: Mapping[tuple[str, str], tuple[str, Resource]],
        base: Mapping[tuple[str, str], tuple[str, Resource]],
        shared_keys: set[tuple[str, str]],
    ) -> dict[str, str]:
        """Return the files of the overlay of one plan."""
        folder = f"overlays/{plan.environment}"
        files: dict[str, str] = {}
        other_resources = [
            item_resource for key, (_, item_resource) in model.items() if key not in shared_keys
        ]
        resources = ["../../base"]
        if other_resources:
            files[f"{folder}/resources.yaml"] = _documents(other_resources)
            resources.append("resources.yaml")
        if sealed := self.sealed.get(plan.environment):
            files[f"{folder}/{SEALED}"] = _documents(
                [self._sealed_secret(name, values, plan) for name, values in sealed.items()]
            )
            resources.append(SEALED)
        kustomization: dict[str, Value] = {**_head(), "resources": resources}
        if secrets := self.secrets(plan) if plan.environment == "development" else []:
            cluster = self.cluster(plan)
            kustomization["secretGenerator"] = [
                {
                    "name": cluster.secrets,
                    "namespace": self.namespace_name(),
                    "files": [f"{name}={SECRETS}/{name}" for name in secrets],
                    "options": {
                        "disableNameSuffixHash": True,
                        "labels": {
                            "app.kubernetes.io/part-of": cluster.name,
                            "app.kubernetes.io/managed-by": MANAGER,
                        },
                    },
                }
            ]
        patches: list[Value] = [
            {"target": {"kind": kind, "name": f"^{name}$"}, "patch": text}
            for kind, name in model
            if (kind, name) in shared_keys and (text := patch(base[kind, name][1], model[kind, name][1]))
        ]
        if patches:
            kustomization["patches"] = patches
        files[f"{folder}/{KUSTOMIZATION}"] = FIRST_LINE + dump(kustomization)
        return files

    def _sealed_secret(self, name: str, values: Mapping[str, str], plan: Plan) -> Resource:
        """Return a resource from which the controller of the cluster creates the Secret `name`."""
        sealed_secret = resource("bitnami.com/v1alpha1", "SealedSecret", name, self.cluster(plan))
        metadata = sealed_secret["metadata"]
        assert isinstance(metadata, dict)  # noqa: S101 - for the type checker
        metadata["namespace"] = self.namespace_name()
        sealed_secret["spec"] = {
            "encryptedData": dict(values),
            "template": {"metadata": dict(metadata), "type": "Opaque"},
        }
        return sealed_secret


def _head() -> dict[str, Value]:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


def _documents(resources: Sequence[Resource]) -> str:
    return FIRST_LINE + "---\n".join(dump(item_resource) for item_resource in resources)


def _required_variables(cluster: Cluster) -> set[str]:
    specs = [spec.container for spec in cluster.stack.services.values()]
    names = references_in(tuple(specs))
    return {name.removeprefix("env.") for name in names if name.startswith("env.") and ":-" not in name}
