"""The command `infra workflows delete`, which removes a deployed stack from a cluster."""

from __future__ import annotations

import click

from infra_cli import output
from infra_cli.cluster_target import ClusterTarget, cluster_target


@click.command(short_help="Remove the deployed stack from the cluster.")
@click.option(
    "--with-data",
    is_flag=True,
    help="Also delete the volume claims, the Secrets and the resources of operators.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@cluster_target
def command(cluster: ClusterTarget, *, with_data: bool, yes: bool, as_json: bool) -> None:
    """Remove the resources of the stack from the cluster.

    The command deletes only resources with the labels of this stack. The volume claims with the data of the
    services, the Secrets, the SealedSecrets, and the resources of operators (PostgreSQL and RabbitMQ
    clusters) are deleted only with --with-data. The namespace and a ClusterIssuer are kept.

    \b
    Examples:
      infra workflows delete --to kubernetes --namespace shop-staging
      infra workflows delete --to kubernetes --namespace shop-staging --with-data --yes
    """
    from infra_runtime.data_directory.leak_check import counted
    from infra_runtime.engines.kubernetes.live.lease import Lock, this_process
    from infra_runtime.engines.kubernetes.live.operations import delete_stack

    kubectl, stack = cluster.kubectl(), cluster.stack()
    if not yes:
        data = " with its data" if with_data else ""
        question = f"Delete the stack {stack}{data} in the namespace {kubectl.namespace}?"
        click.confirm(question, abort=True, err=True)
    with Lock(kubectl, this_process()) as lock:
        deleted = delete_stack(kubectl, stack, data=with_data, between=lock.renew)
    if as_json:
        rows = [{"kind": kind, "name": name} for kind, name in deleted]
        output.say_json({"namespace": kubectl.namespace, "deleted": rows})
    else:
        for kind, name in deleted:
            output.note(f"deleted {kind}/{name}")
        output.say(f"{counted(len(deleted), 'resource')} deleted" if deleted else "no changes")
