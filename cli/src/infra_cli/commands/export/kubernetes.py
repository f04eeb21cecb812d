"""The command `infra export kubernetes`, which writes the stack for `kubectl apply -k`."""

from __future__ import annotations

from pathlib import Path

import click

from infra_cli import exports
from infra_cli.exports import Export, export_options
from infra_cli.target import Target, target

FOLDER = "kubernetes"


@click.command(short_help="Write the stack for a Kubernetes cluster.")
@click.option("--namespace", default="", help="The namespace. [default: the name of the project]")
@click.option(
    "--registry",
    default="",
    help="The beginning of the names of the images that you build. [default: the name of the project]",
)
@click.option("--tag", default="latest", show_default=True, help="The tag of the images that you build.")
@click.option("--host", default="", help="The host name of the Ingress, besides the hosts of the routes.")
@click.option("--email", default="", help="Your e-mail address for the certificate authority.")
@export_options(FOLDER)
@target
def command(
    target: Target, export: Export, *, namespace: str, registry: str, tag: str, host: str, email: str
) -> None:
    """Write the stack as a Kustomize base and overlays for a Kubernetes cluster.

    The folder `base` contains the resources that all environments share. `overlays/ENVIRONMENT` contains the
    changes of the environments development, staging and production; with --env, the command writes only one
    overlay. No secret is written outside of development: create the Secret that the command names. A setting
    that a cluster cannot have, such as a path of this machine, is an error with the line of the stack file.

    \b
    Examples:
      infra export kubernetes --registry registry.example/shop --tag 1.4.2
      kubectl apply --server-side -k kubernetes/overlays/production
      infra export kubernetes --check          in CI: check whether the committed files are up to date
    """
    from infra_runtime.engines.kubernetes import Kubernetes
    from infra_runtime.engines.kubernetes.cluster import ENVIRONMENTS
    from infra_runtime.engines.output import SECRETS
    from infra_runtime.engines.project import project_name

    stacks = exports.resolve_environments(target, export, ENVIRONMENTS)
    root = Path(stacks[0].plan.root)
    folder = export.target_folder(root, FOLDER)
    engine = Kubernetes(
        project=project_name(root), namespace=namespace, registry=registry, tag=tag, host=host, email=email
    )
    plans = [resolved.plan for resolved in stacks]
    with exports.checked(stacks):
        files = engine.render_environments(plans)
    first = stacks[0].environment
    exports.write(
        engine.name,
        export,
        folder,
        files,
        secrets=engine.secrets(plans[0]) if first == "development" else (),
        secrets_folder=f"overlays/{first}/{SECRETS}",
        notes=engine.notes(plans),
        start=f"kubectl apply --server-side -k {exports.shown(folder / 'overlays' / first)}",
    )
