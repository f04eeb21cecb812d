"""A user's project that is deployed to a cluster of the tests."""

from __future__ import annotations

from fakes.command_line import Answer, CommandLine
from fakes.control_plane import ControlPlane

API = """\
[services.api]
command = ["serve", "--port", "${port.http}"]
ports = { http = 8000 }
ready = { http = "/health" }
"""


class Shop:
    """A user's project that is deployed to its own namespace."""

    def __init__(self, cluster: ControlPlane, infra: CommandLine, namespace: str) -> None:
        self.cluster, self.infra, self.namespace = cluster, infra, namespace

    def write(self, text: str) -> None:
        """Write the stack file."""
        self.infra.write(text)

    def run(self, *arguments: str) -> Answer:
        """Run a command of `infra workflows` for this namespace."""
        return self.infra("workflows", *arguments, "--to", "kubernetes", "--namespace", self.namespace)

    def deploy(self, *arguments: str, environment: str = "staging", tag: str = "1") -> Answer:
        """Deploy the stack, by default in the environment with two pods and without an HPA."""
        words = ["--env", environment, "--tag", tag, "--without", "ServiceMonitor", *arguments]
        return self.run("deploy", *words)

    def get(self, *arguments: str) -> object:
        """Return the document of `kubectl get` in the namespace."""
        return self.cluster.get("--namespace", self.namespace, *arguments)

    def field(self, resource: str, path: str) -> str:
        """Return a field of a resource."""
        return self.cluster.kubectl(
            "get", "--namespace", self.namespace, resource, f"--output=jsonpath={{{path}}}"
        )

    def names(self, kinds: str) -> set[str]:
        """Return the names of the resources of some kinds, as `kubectl get --output name` prints them."""
        return set(self.cluster.kubectl("get", "--namespace", self.namespace, kinds, "--output=name").split())

    def versions(self) -> dict[str, str]:
        """Return a mapping from name to generation of all resources that a deploy writes.

        The generation is empty for kinds without one, such as services.
        """
        kinds = "deployments,statefulsets,jobs,services,configmaps,networkpolicies,ingresses,hpa,pdb,secrets"
        template = "{range .items[*]}{.kind}/{.metadata.name}={.metadata.generation} {end}"
        words = self.cluster.kubectl(
            "get", "--namespace", self.namespace, kinds, f"--output=jsonpath={template}"
        ).split()
        return {name: generation for name, _, generation in (word.partition("=") for word in words)}
