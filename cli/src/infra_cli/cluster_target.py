"""The options that select the cluster and the stack, for the commands `infra workflows …`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_cli.target import Target, target_in
from infra_runtime.value import frozen

if TYPE_CHECKING:
    from infra_runtime.engines.kubernetes import Kubernetes
    from infra_runtime.engines.kubernetes.live.kubectl import Kubectl

#: the engines to which a stack can be deployed
ENGINES = ("kubernetes",)


@frozen
class ClusterTarget:
    """The selected stack, and the context and namespace of the cluster in which the stack is deployed."""

    target: Target
    context: str
    namespace: str

    def root(self) -> Path:
        """Return the folder of the project."""
        file = self.target.stack_file()
        return file.path.parent if file else (self.target.directory or Path.cwd()).resolve()

    def engine(self, **options: Any) -> Kubernetes:
        """Return the engine that writes the resources of the stack."""
        from infra_runtime.engines.kubernetes import Kubernetes
        from infra_runtime.engines.project import project_name

        return Kubernetes(project=project_name(self.root()), namespace=self.namespace, **options)

    def stack(self) -> str:
        """Return the name of the stack in the labels of its resources."""
        return self.engine().stack_name()

    def kubectl(self) -> Kubectl:
        """Return kubectl for the context and the namespace.

        Raises `BinaryMissingError` if kubectl is not installed.
        """
        from infra_runtime.engines.kubernetes.live.kubectl import kubectl

        return kubectl(self.engine().namespace_name(), self.context)


#: the option of the commands that wait for a rollout
rollout_timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    help="The maximum number of seconds to wait until the workloads are ready; a deploy waits as long for "
    "each of its groups of workloads.",
)


def cluster_target(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--to`, `--context`, `--namespace` and the options of `target` to a command.

    The command receives a `ClusterTarget` as its first argument. It does not use the environment.
    """
    return cluster_target_in("Not used: --namespace selects the deployed stack.")(command)


def cluster_target_in(help_of_environment: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator like `cluster_target`, for a command that uses the environment."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--to", "engine", required=True, type=click.Choice(ENGINES), help="The engine.")
        @click.option(
            "--context", default="", help="The context in the kubeconfig. [default: the current context]"
        )
        @click.option("--namespace", default="", help="The namespace. [default: the name of the project]")
        @target_in(help_of_environment)
        @functools.wraps(command)
        def with_cluster(
            target: Target, *args: Any, engine: str, context: str, namespace: str, **kwargs: Any
        ) -> Any:
            del engine  # `kubernetes` is the only engine
            cluster = ClusterTarget(target=target, context=context, namespace=namespace)
            return command(cluster, *args, **kwargs)

        return with_cluster

    return add
