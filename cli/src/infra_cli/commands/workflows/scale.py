"""The command `infra workflows scale`, which sets the number of pods of a deployed service."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.cluster_target import ClusterTarget, cluster_target, rollout_timeout


@click.command(short_help="Set the number of pods of a deployed service.")
@click.argument("service")
@click.argument("replicas", type=click.IntRange(min=0))
@rollout_timeout
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@cluster_target
def command(cluster: ClusterTarget, *, service: str, replicas: int, timeout: float, as_json: bool) -> None:
    """Set the number of pods of a deployed service, and wait until they are ready.

    The next deploy uses the number in the stack file again. The command fails if an HPA (horizontal pod
    autoscaler) determines the number of pods, or if a service that stores data would have more than one pod.

    \b
    Example:
      infra workflows scale api 5 --to kubernetes
    """
    from infra_runtime.engines.kubernetes.live import operations, rollout

    kubectl, stack = cluster.kubectl(), cluster.stack()
    scaled = operations.scale(kubectl, stack, service, replicas)
    states = []
    for state in rollout.wait(kubectl, stack, [scaled], timeout=timeout):
        states.append(state)
        if not as_json:
            output.note(f"{state.name}: {state.ready} of {state.wanted} pods are ready")
    if as_json:
        output.say_json(states[-1].to_json())
    else:
        ready = states[-1].ready
        output.say(f"{service} has {ready} pod{'' if ready == 1 else 's'}")
