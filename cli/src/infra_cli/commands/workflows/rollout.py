"""The commands `infra workflows rollout …`: wait for a rollout, and return to a previous revision."""

from __future__ import annotations

from collections.abc import Sequence

import click

from infra_cli import output, usage_errors
from infra_cli.cluster_target import ClusterTarget, cluster_target, rollout_timeout


@click.group(cls=usage_errors.Group, short_help="Wait for a rollout, or return to a previous revision.")
def command() -> None:
    """Wait for a rollout, or return to a previous revision.

    \b
    infra workflows rollout status --to kubernetes
    infra workflows rollout undo api --to kubernetes
    """


@command.command(short_help="Wait until all workloads of the deployed stack are ready.")
@rollout_timeout
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@cluster_target
def status(cluster: ClusterTarget, *, timeout: float, as_json: bool) -> None:
    """Wait until all workloads of the deployed stack are ready or complete.

    If a workload cannot become ready, the command exits with 20 without waiting for the other workloads; the
    message contains the reason and the last lines of the log. After the timeout, the exit code is 20, too.

    \b
    Example:
      infra workflows rollout status --to kubernetes --timeout 120
    """
    from infra_runtime.engines.kubernetes.live.rollout import deployed_states
    from infra_runtime.engines.kubernetes.live.stack import installed_kinds

    kubectl = cluster.kubectl()
    workloads = list(deployed_states(kubectl, cluster.stack()))
    _follow(cluster, workloads, timeout=timeout, as_json=as_json, operated=installed_kinds(kubectl))


@command.command(short_help="Roll a service back to a previous revision.")
@click.argument("service")
@click.option(
    "--revision", type=click.IntRange(min=0), default=0, help="The revision. [default: the previous one]"
)
@rollout_timeout
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@cluster_target
def undo(cluster: ClusterTarget, *, service: str, revision: int, timeout: float, as_json: bool) -> None:
    """Roll a service back to a previous revision, and wait until its pods are ready.

    The command changes only the template of the pods: image, command and variables. Configuration files
    (ConfigMaps) and databases stay as they are. The next deploy rolls out the stack file again.

    \b
    Examples:
      infra workflows rollout undo api --to kubernetes
      infra workflows rollout undo api --to kubernetes --revision 3
    """
    from infra_runtime.engines.kubernetes.live import operations
    from infra_runtime.engines.kubernetes.live.kubectl import key
    from infra_runtime.errors import ClusterError

    kubectl = cluster.kubectl()
    kind, name = key(operations.find(kubectl, cluster.stack(), service))
    if problem := operations.undo(kubectl, kind, name, revision):
        raise ClusterError(problem, f"`kubectl rollout history {kind.lower()}/{name}` lists the revisions.")
    _follow(cluster, [(kind, name)], timeout=timeout, as_json=as_json)


def _follow(
    cluster: ClusterTarget,
    workloads: list[tuple[str, str]],
    *,
    timeout: float,
    as_json: bool,
    operated: Sequence[str] = (),
) -> None:
    from infra_runtime.data_directory.leak_check import counted
    from infra_runtime.engines.kubernetes.live import rollout

    states = {}
    kubectl, stack = cluster.kubectl(), cluster.stack()
    for state in rollout.wait(kubectl, stack, workloads, timeout=timeout, operated=operated):
        states[state.kind, state.name] = state
        if not as_json:
            detail = f": {state.reason}" if state.reason else ""
            output.note(f"{state.kind}/{state.name} {state.phase}, {state.ready} of {state.wanted}{detail}")
    if as_json:
        output.say_json({"workloads": [state.to_json() for state in states.values()]})
    else:
        output.say(f"{counted(len(states), 'workload')} ready")
