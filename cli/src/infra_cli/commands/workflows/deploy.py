"""The command `infra workflows deploy`, which deploys the stack to a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from infra_cli import exports, output
from infra_cli.cluster_target import ClusterTarget, cluster_target_in, rollout_timeout

if TYPE_CHECKING:
    from infra_runtime.engines.kubernetes.live.deploy import Request


@click.command(short_help="Deploy the stack to a Kubernetes cluster, and wait until it is ready.")
@click.option(
    "--registry", default="", help="The beginning of the names of your images. [default: the project]"
)
@click.option("--tag", default="latest", show_default=True, help="The tag of your images.")
@click.option("--host", default="", help="The host name of the Ingress, besides the hosts of the routes.")
@click.option("--email", default="", help="Your e-mail address for the certificate authority.")
@click.option("--dry-run", is_flag=True, help="Check everything and print the changes, but write nothing.")
@click.option(
    "--create-namespace", is_flag=True, help="Create the namespace if the cluster does not have it."
)
@click.option(
    "--without",
    multiple=True,
    metavar="KIND",
    help="Do not deploy resources of this kind, such as ServiceMonitor; can be repeated.",
)
@click.option(
    "--recreate",
    multiple=True,
    metavar="NAME",
    help="Delete a workload and create it again, if Kubernetes cannot change it; can be repeated.",
)
@click.option("--force-conflicts", is_flag=True, help="Replace values that other programs have set.")
@click.option("--undo", is_flag=True, help="If the rollout fails, return to the previous revision.")
@rollout_timeout
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds to wait for the lock, if another deploy is running.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@cluster_target_in("The environment of the stack. [default: production]")
def command(cluster: ClusterTarget, *, as_json: bool, **options: Any) -> None:
    """Deploy the stack to a Kubernetes cluster, and wait until it is ready.

    kubectl must be installed, because the command uses its configuration and its authentication. The command
    uses the settings of the environment production, unless --env selects another environment. Build and push
    your images first with `infra workflows build`.

    Before the first write, the command checks that the API server is new enough and has all necessary kinds
    of resources, and that the namespace and the Secrets exist (in development, missing Secrets are
    generated). It also sends all resources, and one pod of each changed workload, to the API server in a dry
    run. Warnings of the API server are errors. Only a missing namespace (with --create-namespace) and the
    Lease that is the lock are written before these checks have succeeded. With --dry-run and a missing
    namespace, the checks in the namespace are omitted. Then the resources are written by server-side apply.
    A task, such as a migration, runs before the services that need it. Resources of the stack that the stack
    file no longer contains are deleted, except volume claims, Secrets and resources of operators. A second
    deploy of the same stack changes nothing, and the next deploy completes a deploy that was killed.

    The exit code is 18 if the cluster rejects the deploy (no resource was written, apart from a namespace and
    the Lease, unless the message states otherwise), 19 if another deploy is running, and 20 if a workload
    does not become ready. If a workload cannot become ready, the command does not wait until the timeout; the
    message contains the reason and the last lines of the workload's log.

    \b
    Examples:
      infra workflows deploy --to kubernetes --registry registry.example/shop --tag 1.4.2
      infra workflows deploy --to kubernetes --env staging --namespace shop-staging --create-namespace
      infra workflows deploy --to kubernetes --dry-run
    """
    from infra_runtime.engines.kubernetes.live.deploy import deploy

    request = _request(cluster, **options)
    kubectl = cluster.kubectl()
    changes, states = [], {}
    output.note(f"deploying {request.stack} to the namespace {kubectl.namespace}")
    for step in deploy(kubectl, request):
        if step.change:
            changes.append(step.change)
        if step.state:
            states[step.state.kind, step.state.name] = step.state
        if not as_json:
            output.note(step.text)
    if as_json:
        document = {
            "namespace": kubectl.namespace,
            "changes": [change.to_json() for change in changes],
            "workloads": [state.to_json() for state in states.values()],
        }
        output.say_json(document)
    elif not changes:
        output.say("no changes")
    else:
        number = f"{len(changes)} change{'s' if len(changes) > 1 else ''}"
        output.say(f"{number} (nothing was written)" if request.dry_run else number)


def _request(
    cluster: ClusterTarget,
    *,
    registry: str,
    tag: str,
    host: str,
    email: str,
    without: tuple[str, ...],
    recreate: tuple[str, ...],
    **options: Any,
) -> Request:
    """Return the request with the rendered resources of the stack."""
    from infra_runtime.engines.kubernetes.live.checks import SecretKeys
    from infra_runtime.engines.kubernetes.live.deploy import Request

    environment = cluster.target.environment or "production"
    resolved = cluster.target.within(environment).resolve(executables=False, variables_required=False)
    engine = cluster.engine(registry=registry, tag=tag, host=host, email=email)
    with exports.checked([resolved]):
        model = engine.model(resolved.plan)
    generated = "" if environment != "development" else f"{engine.stack_name()}-secrets"
    return Request(
        stack=engine.stack_name(),
        resources=[resource for _, resource in model.values() if resource["kind"] not in without],
        secrets=[
            SecretKeys(name=name, keys=keys, generated=name == generated)
            for name, keys in engine.required_secrets(resolved.plan).items()
        ],
        recreate=frozenset(recreate),
        **options,
    )
