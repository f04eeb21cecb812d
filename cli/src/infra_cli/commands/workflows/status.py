"""The command `infra workflows status`, which shows the workloads of a deployed stack."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.cluster_target import ClusterTarget, cluster_target


@click.command(short_help="Show the workloads of the deployed stack.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@cluster_target
def command(cluster: ClusterTarget, *, as_json: bool) -> None:
    """Show the workloads of the deployed stack: their pods and images, and what they wait for.

    With --json, the revisions of the workloads are printed, too.

    The exit code is 0 if all workloads are ready or complete, 20 if a workload is neither ready nor complete,
    and 18 if the stack is not deployed.

    \b
    Example:
      infra workflows status --to kubernetes
    """
    from infra_runtime.engines.kubernetes.live.rollout import deployed_states
    from infra_runtime.errors import RolloutError

    kubectl = cluster.kubectl()
    states = list(deployed_states(kubectl, cluster.stack()).values())
    if as_json:
        document = {"namespace": kubectl.namespace, "workloads": [state.to_json() for state in states]}
        output.say_json(document)
    else:
        rows = [
            (
                state.kind,
                state.name,
                output.phase(state.phase),
                f"{state.ready}/{state.wanted}",
                " ".join(state.images),
                state.failure.reason if state.failure else state.reason,
            )
            for state in states
        ]
        for line in output.columns(rows, header=("KIND", "NAME", "PHASE", "PODS", "IMAGE", "REASON")):
            output.say(line)
    if any(not state.done for state in states):
        click.get_current_context().exit(RolloutError.exit_code)
