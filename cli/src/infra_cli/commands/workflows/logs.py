"""The command `infra workflows logs`, which prints the logs of a deployed service."""

from __future__ import annotations

import subprocess

import click

from infra_cli.cluster_target import ClusterTarget, cluster_target
from infra_runtime.errors import ClusterError


@click.command(short_help="Print the logs of a deployed service.")
@click.argument("service")
@click.option("-f", "--follow", is_flag=True, help="Continue to print new lines until Ctrl-C.")
@click.option(
    "-n",
    "--tail",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="The number of lines of each container in a pod.",
)
@cluster_target
def command(cluster: ClusterTarget, *, service: str, follow: bool, tail: int) -> None:
    """Print the last log lines of all pods of a service, each with the name of its pod.

    \b
    Examples:
      infra workflows logs api --to kubernetes
      infra workflows logs api --to kubernetes --follow --tail 10
    """
    from infra_runtime.engines.kubernetes.live.stack import pod_selector

    kubectl = cluster.kubectl()
    selector = pod_selector(kubectl, cluster.stack(), service)
    if not selector:
        raise ClusterError(
            f"the namespace {kubectl.namespace} has no pod of {service}",
            "`infra workflows status` shows what is deployed.",
        )
    words = ["logs", f"--selector={selector}", f"--tail={tail}", "--prefix", "--all-containers"]
    words += ["--follow", "--max-log-requests=50"] if follow else []
    # The output of kubectl is the output of this command; with --follow, it can be endless.
    code = subprocess.run(kubectl.command(*words), stdin=subprocess.DEVNULL, check=False).returncode
    if code:
        raise ClusterError(f"`kubectl logs` failed with exit code {code}")
